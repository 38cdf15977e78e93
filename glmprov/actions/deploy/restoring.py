"""Put back what was before a deploy that failed, and gate what served."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from glmprov.actions.deploy.erasing import erase
from glmprov.actions.deploy.records import instance_of
from glmprov.actions.deploy.swapping import Swap
from glmprov.actions.deploy.work import Deployment
from glmprov.deployed import InstanceReceipt
from glmprov.errors import GlmprovError, RestoreError, UnreachableError
from glmprov.instance.model import STATE_HOME
from glmprov.remote import connect
from glmprov.state import EngineService, InstanceState


class Restore:
    """What puts hosts back, with what the swap works with."""

    def __init__(self, swap: Swap) -> None:
        self._swap = swap

    def restore(self, works: Sequence[Deployment]) -> None:
        """Put back what was before on each, and gate what served; each error says how it ended."""
        stopped = [work for work in works if work.stopped_at is not None]
        self._each_keeping_its_error(stopped, self._stop_again)
        before = {
            work.host.name: work.planned.previous for work in works if work.planned and work.planned.previous
        }
        back = [work for work in works if work.host.name in before]
        given = {work.host.name for work in works if work.key}
        states = {name: _as_written(receipt, former_key=name in given) for name, receipt in before.items()}
        unwritten = set()
        for work, error in self._swap.writer.write(back, states, {}):
            if error is not None:
                unwritten.add(id(work))
                work.error = _not_restored(work, work.error, before[work.host.name], error)
        again = [work for work in back if work in stopped and id(work) not in unwritten]
        self._swap.each(again, lambda work: self._start_again(work, before[work.host.name]))
        self._each_keeping_its_error([work for work in works if work not in back], self._erase)

    def _each_keeping_its_error(self, works: Sequence[Deployment], act: Callable[[Deployment], None]) -> None:
        """Do something for each; what goes wrong here must not hide why it came to this."""
        errors = {work.host.name: work.error for work in works}
        self._swap.each(works, act)
        for work in works:
            if work.error is not errors[work.host.name]:
                self._swap.said(work.host.name, str(work.error))
                work.error = errors[work.host.name]

    def _stop_again(self, work: Deployment) -> None:
        assert work.planned is not None  # noqa: S101
        instance = work.planned.instance
        reason = work.error.message if work.error else ""
        self._swap.said(work.host.name, f"{instance.unit} doesn't serve: {reason}; stopping it")
        with connect(work.host, self._swap.fleet.connection) as channel:
            self._swap.stop(channel, work, instance)

    def _start_again(self, work: Deployment, receipt: InstanceReceipt) -> None:
        """Start what a receipt is of and gate it. The deployment's error says how it ended."""
        failed, instance = work.error, instance_of(receipt)
        what = f"receipt {receipt.number} ({receipt.recipe})"
        if not work.meant_to_serve:
            work.restored = f"{what}, stopped as it was"
            return
        self._swap.said(work.host.name, f"restoring {what}")
        log, known, tokens_at = work.log, work.known_failure, work.tokens_at
        try:
            with connect(work.host, self._swap.fleet.connection) as channel:
                self._swap.start(channel, work, instance)
        except GlmprovError as error:
            raise _not_restored(work, failed, receipt, error) from error
        finally:
            work.log, work.known_failure, work.tokens_at = log, known, work.tokens_at or tokens_at
        work.restored = f"{what} serves again"
        work.error = failed

    def _erase(self, work: Deployment) -> None:
        assert work.planned is not None  # noqa: S101
        with connect(work.host, self._swap.fleet.connection) as channel:
            instance = work.planned.instance
            erase(channel, instance.unit, instance.home, f"{STATE_HOME}/{instance.name}")
        work.restored = "nothing served before; its files are removed, what was fetched stays"


def _as_written(receipt: InstanceReceipt, *, former_key: bool) -> InstanceState:
    """Return the state that writes what a receipt says was written, word for word."""
    instance = instance_of(receipt)
    return InstanceState(
        engine_service=EngineService(
            name=receipt.name,
            texts=receipt.texts,
            key_texts=receipt.key_texts,
            weights=instance.weights.folder,
            former_key=former_key,
        )
    )


def _not_restored(
    work: Deployment, failed: GlmprovError | None, receipt: InstanceReceipt, why: GlmprovError
) -> GlmprovError:
    first = failed.message if failed else ""
    what = f"receipt {receipt.number} ({receipt.recipe})"
    if isinstance(why, UnreachableError):
        return UnreachableError(
            f"{first}\nand the host was lost before {what} was restored: {why.message}",
            host=work.host.name,
            place=receipt.name,
            next_step=f"once it is back: glmprov status -l {work.host.name}; the same deploy again goes on",
        )
    return RestoreError(
        f"{first}\nand {what} could not be restored: {why.message}",
        host=work.host.name,
        place=receipt.name,
        next_step=f"glmprov logs {work.name}; glmprov rollback {work.name} once it is mended",
    )
