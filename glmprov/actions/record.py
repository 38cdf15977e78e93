"""What provisioning leaves on hosts besides the changes: a lock while it works, a receipt when it is done."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from glmprov import __version__, journal
from glmprov.actions.observe import Fleet, Said
from glmprov.errors import GlmprovError
from glmprov.inventory import Host
from glmprov.observation import Observation
from glmprov.operate import reboot
from glmprov.plan import HostPlan
from glmprov.receipt import Receipt
from glmprov.remote import connect
from glmprov.remote.fan_out import for_each
from glmprov.settings import HostSettings
from glmprov.state import Unknown


class Recorder:
    """The locks that one run holds, and the receipts that it writes."""

    def __init__(self, fleet: Fleet, reason: str, said: Said) -> None:
        self._fleet = fleet
        self._reason = reason or "provision"
        self._said = said
        # Two: a channel that is opened after a reboot must outlive the lock that was taken before it.
        self._channels = ExitStack()
        self._held = ExitStack()
        self._locks: dict[str, journal.Lock] = {}

    @contextmanager
    def locked(self, hosts: Sequence[Host]) -> Iterator[Mapping[str, GlmprovError]]:
        """Hold the lock of each host; yield why it could not be had, by host."""
        with self._channels, self._held:
            refused = {}
            for host, result in for_each(hosts, self._acquire, self._fleet.forks):
                if isinstance(result, GlmprovError):
                    refused[host.name] = result
            yield refused

    def _acquire(self, host: Host) -> None:
        channel = self._channels.enter_context(connect(host, self._fleet.connection))
        lock = journal.Lock(channel, host.name, self._reason)
        self._locks[host.name] = lock.__enter__()
        self._held.callback(self._release, lock)
        if lock.expired is not None:
            why = "its process is gone" if lock.expired.live else "its lease has run out"
            self._said(host.name, f"took over the lock of {lock.expired.owner}: {why}")

    def _release(self, lock: journal.Lock) -> None:
        try:
            lock.__exit__(None, None, None)
        except GlmprovError as error:
            self._said(lock.host, f"its lock could not be released and ends by itself: {error.message}")

    def reboot(self, host: Host) -> None:
        """Reboot a host that we hold; the lock outlasts it."""
        lock = self._locks[host.name]
        lock.expect_reboot()
        reboot(host, self._fleet.connection, self._said)
        lock.came_back(self._channels.enter_context(connect(host, self._fleet.connection)))

    def write_receipts(
        self, seen: Iterable[tuple[Host, HostSettings, HostPlan, Observation]]
    ) -> Mapping[str, GlmprovError]:
        """Write the receipt of each host that is not as its receipt says; return what failed, by host."""
        hosts, new = [], {}
        for host, settings, plan, observation in seen:
            receipt = receipt_of(settings, plan, observation)
            if not _says_the_same(receipt, observation.receipt):
                hosts.append(host)
                new[host.name] = receipt

        def work(host: Host) -> None:
            with connect(host, self._fleet.connection) as channel:
                journal.write_receipt(channel, new[host.name])

        results = for_each(hosts, work, self._fleet.forks)
        return {host.name: result for host, result in results if isinstance(result, GlmprovError)}


def receipt_of(settings: HostSettings, plan: HostPlan, observation: Observation) -> Receipt:
    """Return the receipt of a host as it is now. A card that is lost stays in it: it is missing, not forgotten.

    A card that only the PCI bus shows isn't in it: bus ids move, and once it is pulled nobody could name it.
    """
    expected = plan.expected.gpu_driver.cards if plan.expected.gpu_driver else None
    cards = [card for card in expected if _is_uuid(card)] if isinstance(expected, Mapping) else []
    return Receipt(
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        by=getpass.getuser(),
        controller=socket.gethostname(),
        glmprov_version=__version__,
        expected=plan.expected,
        cards=tuple(cards),
        files={path: digest for path, digest in observation.files.items() if digest is not None},
        settings=settings.written(),
    )


def _is_uuid(card: str) -> bool:
    return card.startswith("GPU-")


def _says_the_same(new: Receipt, old: Receipt | Unknown | None) -> bool:
    return isinstance(old, Receipt) and (new.expected, new.cards, new.files, new.settings) == (
        old.expected,
        old.cards,
        old.files,
        old.settings,
    )
