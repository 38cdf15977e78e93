"""What is done with instances that were deployed: looked at, stopped, started, taken away, their log read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from glmprov.actions.changing.record import Recorder, entry
from glmprov.actions.deploy.erasing import erase
from glmprov.actions.deploy.records import instance_of
from glmprov.actions.deploy.swapping import START_MARGIN_SECONDS, STOP_MARGIN_SECONDS
from glmprov.actions.observe import Fleet, Said, look_at_all, silent
from glmprov.deployed import InstanceReceipt
from glmprov.drift import instance as differences
from glmprov.errors import GateError, GlmprovError, NoHostError
from glmprov.history import Change, Event
from glmprov.instance.model import HOME, STATE_HOME, UNIT_PREFIX
from glmprov.inventory import Host
from glmprov.journal.history import append
from glmprov.operate import service
from glmprov.remote import Channel, connect
from glmprov.remote.fan_out import for_each
from glmprov.results.facts import HostFacts
from glmprov.results.instance import HostInstance

Act = Callable[[Channel, HostInstance], str]


def status(fleet: Fleet, name: str | None = None, said: Said = silent) -> tuple[HostInstance, ...]:
    """Return every instance of every host, or those of one name, as they are now.

    Raise NoHostError if no host has one of that name.
    """
    seen = {facts.host: facts for facts in look_at_all(fleet, said)}
    found = tuple(each for host in fleet.hosts for each in _of(seen[host.name], name))
    if name is not None and not found:
        raise NoHostError(f"no host has an instance {name}", next_step="glmprov status")
    return found


def _of(facts: HostFacts, name: str | None) -> list[HostInstance]:
    if facts.observation is None:
        return [HostInstance(facts.host, name or "", error=facts.error)]
    return [
        HostInstance(
            facts.host,
            each,
            seen.receipt,
            seen.active,
            seen.state.engine_service.restarts if seen.state.engine_service else None,
            tuple(differences(facts.host, seen)),
        )
        for each, seen in facts.observation.instances.items()
        if name in (None, each)
    ]


def stop(fleet: Fleet, name: str, said: Said) -> tuple[HostInstance, ...]:
    """Stop an instance on every host that has it. At the next boot it starts again."""

    def act(channel: Channel, found: HostInstance) -> str:
        seconds = service.stop(channel, found.host, _unit(name), stop_seconds=_stop_seconds(found))
        return f"stopped in {seconds:.1f} s; it starts again at the next boot, or with glmprov start {name}"

    return _on_each(fleet, name, "stop", act, said)


def start(fleet: Fleet, name: str, said: Said) -> tuple[HostInstance, ...]:
    """Start an instance on every host that has it, and wait for its gate."""

    def act(channel: Channel, found: HostInstance) -> str:
        begun = service.start(channel, found.host, _unit(name), start_seconds=_start_seconds(found))
        if not begun.ok:
            raise GateError(
                begun.said or "it doesn't serve", place=_unit(name), next_step=f"glmprov logs {name}"
            )
        return f"serves after {begun.seconds:.1f} s"

    return _on_each(fleet, name, "start", act, said)


def remove(fleet: Fleet, name: str, said: Said) -> tuple[HostInstance, ...]:
    """Stop an instance and take its files away, receipts and key too. Images and weights stay."""

    def act(channel: Channel, found: HostInstance) -> str:
        service.stop(channel, found.host, _unit(name), stop_seconds=_stop_seconds(found))
        erase(channel, _unit(name), f"{HOME}/{name}", f"{STATE_HOME}/{name}")
        return "removed; image and weights stay"

    return _on_each(fleet, name, "remove", act, said)


def _on_each(fleet: Fleet, name: str, command: str, act: Act, said: Said) -> tuple[HostInstance, ...]:
    """Do something with an instance on each host that has it, under the host's lock, and enter it into its history."""
    found = {each.host: each for each in status(fleet, name, said)}
    having = [host for host in fleet.hosts if host.name in found and found[host.name].error is None]
    recorder = Recorder(fleet, f"{command} {name}", said, command=command, keeps_before=False)
    with recorder.locked(having) as refused:
        for each, error in refused.items():
            found[each] = replace(found[each], error=error)

        def work(host: Host) -> str:
            said(host.name, f"{command} {name}")
            with connect(host, fleet.connection) as channel:
                done = act(channel, found[host.name])
                change = Change(f"engine_service[{name}]", found[host.name].active, command, "FIXED")
                append(channel, entry(command, Event.DONE, changes=(change,)))
            return done

        ready = [host for host in having if host.name not in refused]
        for host, result in for_each(ready, work, fleet.forks):
            if isinstance(result, GlmprovError):
                found[host.name] = replace(found[host.name], error=result)
            else:
                found[host.name] = replace(found[host.name], done=str(result))
    return tuple(found[host.name] for host in fleet.hosts if host.name in found)


def _unit(name: str) -> str:
    return f"{UNIT_PREFIX}{name}.service"


def _stop_seconds(found: HostInstance) -> float:
    seconds = instance_of(found.receipt).stop_seconds if isinstance(found.receipt, InstanceReceipt) else 60
    return seconds + STOP_MARGIN_SECONDS


def _start_seconds(found: HostInstance) -> float:
    seconds = (
        instance_of(found.receipt).gate.start_seconds if isinstance(found.receipt, InstanceReceipt) else 1200
    )
    return seconds + START_MARGIN_SECONDS


def logs(
    fleet: Fleet, name: str, lines: int, follow: bool, heard: Callable[[str, str], None]
) -> Sequence[tuple[str, GlmprovError]]:
    """Hand on the log of an instance on each host, the last lines or as it comes; return what failed, by host.

    Raise NoHostError if no host has a line of it: of one that was removed the journal may still have some.
    """
    speaking: set[str] = set()

    def work(host: Host) -> None:
        with connect(host, fleet.connection) as channel:
            if follow:
                service.follow(
                    channel, host.name, _unit(name), lambda _, text: heard(host.name, text), lines=lines
                )
                return
            for line in service.log(channel, host.name, _unit(name), lines).splitlines():
                speaking.add(host.name)
                heard(host.name, line)

    found = for_each(fleet.hosts, work, fleet.forks)
    failed = [(host.name, result) for host, result in found if isinstance(result, GlmprovError)]
    if lines and not (follow or failed or speaking):
        raise NoHostError(f"no host has a log of an instance {name}", next_step="glmprov status")
    return failed
