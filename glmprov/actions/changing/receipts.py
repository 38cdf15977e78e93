"""The receipt of a host as it is now, and whether it says anything new."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from glmprov import __version__
from glmprov.observation import Observation
from glmprov.plan import HostPlan
from glmprov.receipt import Packages, Receipt
from glmprov.settings import HostSettings
from glmprov.state import HostState, Unknown


def receipt_of(settings: HostSettings, plan: HostPlan, observation: Observation) -> Receipt:
    """Return the receipt of a host as it is now. A card that is lost stays in it: it is missing, not forgotten.

    A card that only the PCI bus shows isn't in it: bus ids move, and once it is pulled nobody could name it.
    """
    expected = plan.expected.gpu_driver.cards if plan.expected.gpu_driver else None
    known = observation.receipt.cards if isinstance(observation.receipt, Receipt) else ()
    cards = [card for card in (expected if isinstance(expected, Mapping) else known) if _is_uuid(card)]
    return Receipt(
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        by=getpass.getuser(),
        controller=socket.gethostname(),
        glmprov_version=__version__,
        expected=plan.expected,
        cards=tuple(cards),
        files={path: digest for path, digest in observation.files.items() if digest is not None},
        settings=settings.written(),
        installed=observation.packages.before if isinstance(observation.packages, Packages) else {},
    )


def settled(new: HostState, old: Receipt | Unknown | None) -> frozenset[str]:
    """Return the keys of daemon.json of which nothing of ours is left: what they are from now on is others'."""
    then, now = (_daemon(old.expected if isinstance(old, Receipt) else HostState()), _daemon(new))
    return frozenset(f"container_engine.daemon[{path}]" for path in then if path not in now)


def _daemon(expected: HostState) -> Mapping[str, object]:
    keys = expected.container_engine.daemon if expected.container_engine else None
    return keys if isinstance(keys, Mapping) else {}


def plan_of(receipt: Receipt | Unknown | None) -> str:
    """Return the saved plan that a receipt names, if it names one."""
    return receipt.plan if isinstance(receipt, Receipt) else ""


def _is_uuid(card: str) -> bool:
    return card.startswith("GPU-")


def says_the_same(new: Receipt, old: Receipt | Unknown | None) -> bool:
    """Say whether a receipt says the same as the one that is there, who and when aside."""
    if not isinstance(old, Receipt):
        return False
    names = ("written_at", "by", "controller", "glmprov_version")
    return replace(new, **{name: getattr(old, name) for name in names}) == old
