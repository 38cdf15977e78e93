"""How to provision: what a person said on the command line, understood."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from glmprov.actions.changing.batches import Portion
from glmprov.errors import UsageError
from glmprov.state import Disruption

HOOK_SECONDS = 300.0
"""How long a hook may take: draining a backend takes minutes."""


@dataclass(frozen=True)
class Orders:
    """How to provision: check changes nothing, diff shows files, reboot where it is waited for.

    reason is for the lock; forgotten are UUIDs of cards that were taken out on purpose; allowed is what may be
    interrupted while an instance serves. serial, max_fail_percentage and until are about batches (see batches). before
    and after are shell commands, the hooks of every host that names none itself. again is the command that a person
    would type to do the same. plan is the id of the saved plan that is carried out, "" if none is.
    """

    check: bool = False
    diff: bool = False
    reboot: bool = False
    reason: str = ""
    forgotten: tuple[str, ...] = ()
    allowed: frozenset[Disruption] = frozenset()
    serial: tuple[Portion, ...] = ()
    max_fail_percentage: float | None = None
    until: datetime | None = None
    before: str = ""
    after: str = ""
    hook_seconds: float = HOOK_SECONDS
    again: str = "glmprov provision"
    plan: str = ""


def parse_allowed(words: tuple[str, ...]) -> frozenset[Disruption]:
    """Given what --allow was given ("service,docker", several times), return it. Raise UsageError for another word."""
    known = [each.value for each in Disruption if each is not Disruption.NONE]
    named = [word.strip() for text in words for word in text.split(",")]
    wrong = next((word for word in named if word not in (*known, "all")), None)
    if wrong is not None:
        raise UsageError(
            f"--allow: {wrong!r} is no disruption class", next_step=f"choose from {','.join(known)}, or all"
        )
    return frozenset(Disruption(word) for word in (known if "all" in named else named))
