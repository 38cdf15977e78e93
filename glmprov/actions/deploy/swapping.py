"""Stop what serves, start what is to serve, and believe it once it has produced tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from glmprov.actions.deploy import acts
from glmprov.actions.deploy.records import instance_of, receipt_of
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.deploy.writing import Writer
from glmprov.actions.observe import Fleet, Said
from glmprov.deployed import Gated
from glmprov.engines.failures import diagnosis, failures
from glmprov.engines.meaning import engine_of
from glmprov.engines.stages import stages
from glmprov.errors import ApplyError, GateError, GlmprovError
from glmprov.instance import Instance
from glmprov.instance.gate import loopback
from glmprov.journal import instances
from glmprov.operate import cards, docker, service
from glmprov.operate.swap import swap
from glmprov.remote import Channel, connect
from glmprov.remote.fan_out import for_each

STOP_MARGIN_SECONDS = 30.0
START_MARGIN_SECONDS = 60.0


class Swap:
    """What the stages share: the hosts, and whom to tell."""

    def __init__(self, fleet: Fleet, said: Said, writer: Writer) -> None:
        self.fleet = fleet
        self.said = said
        self.writer = writer

    def each(self, works: Sequence[Deployment], act: Callable[[Deployment], None]) -> None:
        """Do something for each at once; what goes wrong is its error."""
        by_host = {work.host.name: work for work in works}
        hosts = [work.host for work in works]
        for host, result in for_each(hosts, lambda host: act(by_host[host.name]), self.fleet.forks):
            if isinstance(result, GlmprovError):
                result.host = result.host or host.name
                by_host[host.name].error = result

    def write(self, works: Sequence[Deployment]) -> None:
        """Let Ansible write unit, environment, gate and key of each; nothing is started."""
        ready = [work for work in works if work.error is None and work.planned is not None]
        states = {work.host.name: work.planned.expected for work in ready if work.planned}
        keys = {work.host.name: work.key for work in ready}
        if ready:  # one start of Ansible does for putting files back too, while nothing serves
            self.writer.prepare()
        for work, error in self.writer.write(ready, states, keys):
            work.written = error is None
            work.error = error

    def swap(self, work: Deployment) -> None:
        """Drain, stop, start and gate one instance. Raise GateError if it doesn't serve; its log is then in work."""
        assert work.planned is not None  # noqa: S101  (a deployment without a plan isn't begun)
        instance, host = work.planned.instance, work.host.name
        with connect(work.host, self.fleet.connection) as channel:
            before = service.state(channel, host, instance.unit)
            work.served_before = before.active == "active"
            # One that systemd is about to start again was meant to serve; one that a person stopped wasn't.
            work.meant_to_serve = before.active != "inactive"
            work.marks = acts.marks(channel, host, work.planned)
            self._others(channel, work)
            if work.served_before and work.planned.previous is not None:
                self._drain(channel, work, instance_of(work.planned.previous))
            self._swap(channel, work, instance)

    def _others(self, channel: Channel, work: Deployment) -> None:
        """Raise ApplyError, with nothing stopped yet, if somebody else holds memory of the cards."""
        held = cards.memory(channel, work.host.name, work.cards)
        others = [
            f"{process} on {uuid}"
            for uuid, card in held.items()
            for process in card.processes
            if not any(mark in process.cgroup for mark in work.marks)
        ]
        if others:
            raise ApplyError(
                f"somebody else holds memory of the cards: {', '.join(others)}",
                host=work.host.name,
                place="VRAM",
                next_step="end it, or give the instance other cards (--gpus)",
            )

    def _drain(self, channel: Channel, work: Deployment, before: Instance) -> None:
        host, limit_seconds = work.host.name, before.gate.drain_seconds
        found = service.drain(
            channel,
            host,
            port=before.port,
            metric=engine_of(before.launch).running_requests_metric,
            limit_seconds=limit_seconds,
            address=loopback(before.listen),
            key_file=before.key_file,
            heard=lambda running: self.said(host, f"draining: {running} requests run"),
        )
        if found.unknown:
            work.undrained = f"not drained: {found.unknown}"
        elif found.running:
            work.undrained = f"still running after {limit_seconds} s and cut off: {found.running} requests"
        if work.undrained:
            self.said(host, work.undrained)

    def stop(self, channel: Channel, work: Deployment, instance: Instance) -> None:
        """Stop until nothing of it runs, and prove that its cards' memory is free."""
        host = work.host.name
        service.stop(channel, host, instance.unit, stop_seconds=instance.stop_seconds + STOP_MARGIN_SECONDS)
        freed = cards.free(
            channel, host, work.cards, marks=work.marks, heard=lambda text: self.said(host, text)
        )
        work.ended = (*work.ended, *map(str, freed.ended))

    def _swap(self, channel: Channel, work: Deployment, instance: Instance) -> None:
        """Stop what serves and start the instance, in one go on the host: each pause here is one of the service's."""
        host = work.host.name
        what = "stopping what serves, starting" if work.served_before else "starting"
        self.said(host, f"{what} {instance.unit}: {instance.recipe}")
        work.stopped_at = time.monotonic()
        self._stop_container(channel, work, instance)
        found = swap(
            channel,
            host,
            instance.unit,
            work.cards,
            marks=work.marks,
            stop_seconds=instance.stop_seconds + STOP_MARGIN_SECONDS,
            start_seconds=instance.gate.start_seconds + START_MARGIN_SECONDS,
            stages=stages(instance.launch.engine),
            heard=lambda text: self.said(host, text),
        )
        work.stop_seconds = time.monotonic() - work.stopped_at - found.seconds + found.stop_seconds
        work.ended = tuple(map(str, found.ended))
        self._gate(channel, work, instance, found.start)

    def _stop_container(self, channel: Channel, work: Deployment, instance: Instance) -> None:
        """Stop the container of what ran before, where the unit that is written now runs none and wouldn't end it."""
        before = work.planned.previous if work.planned else None
        if work.served_before and before and instance_of(before).image and not instance.image:
            docker.stop_container(channel, work.host.name, instance.container, instance.stop_seconds)

    def start(self, channel: Channel, work: Deployment, instance: Instance) -> None:
        """Start the instance and gate it. Raise GateError if it doesn't serve."""
        host = work.host.name
        self.said(host, f"starting {instance.unit}: {instance.recipe}")
        found = service.start(
            channel,
            host,
            instance.unit,
            start_seconds=instance.gate.start_seconds + START_MARGIN_SECONDS,
            stages=stages(instance.launch.engine),
            heard=lambda stage: self.said(host, str(stage)),
        )
        self._gate(channel, work, instance, found)

    def _gate(self, channel: Channel, work: Deployment, instance: Instance, found: service.Started) -> None:
        """Believe a start once tokens came and sane text did. Raise GateError otherwise."""
        host, work.start_seconds = work.host.name, found.seconds
        if not found.ok:
            said = acts.last_word(found.log.splitlines())
            raise self._gate_error(work, instance, said.reason if said else found.said, found.log)
        work.tokens_at = time.monotonic()
        self.said(host, f"{instance.unit} produces tokens; asking it for sane text")
        answered = acts.gate(channel, instance)
        log = service.log(channel, host, instance.unit, since=found.since)
        if not answered.serves:
            raise self._gate_error(work, instance, answered.reason, log)
        opened = acts.last_word(log.splitlines())
        work.engine_seconds = opened.seconds if opened else found.seconds
        work.tokens, work.answer, work.tool_call = answered.tokens, answered.answer, answered.tool_call

    def _gate_error(self, work: Deployment, instance: Instance, reason: str, log: str) -> GateError:
        work.log = log
        known = diagnosis(log, instance.launch.engine)
        ended = work.tokens_at is None  # of one that runs and talks nonsense, the log's hints are no reason
        work.known_failure = str(known) if known and (ended or known.failure in failures()) else ""
        return GateError(
            reason or "it didn't start",
            host=work.host.name,
            place=instance.unit,
            next_step=f"glmprov logs {work.name}",
        )

    def settle(self, work: Deployment) -> None:
        """Leave the receipt of what serves now."""
        assert work.planned is not None  # noqa: S101
        planned = work.planned
        gated = Gated(work.tokens, work.answer, work.tool_call, work.engine_seconds, work.downtime_seconds)
        receipt = receipt_of(
            planned.instance,
            planned.expected,
            planned.previous,
            gated=gated,
            accepted=planned.accepted,
            replaces=planned.replaces,
        )
        with connect(work.host, self.fleet.connection) as channel:
            instances.write(channel, receipt)
        work.done = True
        self.said(work.host.name, f"{work.name} serves, receipt {receipt.number} is written")
