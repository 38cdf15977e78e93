"""`glmprov revert`: take back what provisioning made, by the host's own records; believe only a second look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from glmprov import undo
from glmprov.actions.changing.record import Recorder
from glmprov.actions.observe import Compare
from glmprov.actions.provision.errand import Errand
from glmprov.actions.provision.run import Review
from glmprov.actions.provision.work import Work
from glmprov.drift import Difference
from glmprov.drift.files import owner_of
from glmprov.errors import GlmprovError
from glmprov.observation import Observation
from glmprov.plan import HostPlan
from glmprov.receipt import Packages, Receipt
from glmprov.results.facts import HostFacts
from glmprov.results.review import HostReview
from glmprov.settings import HostSettings
from glmprov.state import SECTION_TYPES, Disruption, HostState
from glmprov.undo.keys import parse

_NOTHING_EXPECTED = HostState(**{name: kind() for name, kind in SECTION_TYPES.items()})
"""Every section may be changed, and none by its role."""


def reviewer(wanted: undo.Wanted) -> Review:
    """Return what holds a host against the time before provisioning."""

    def review(facts: HostFacts, settings: HostSettings, _: Compare) -> HostReview:
        if facts.observation is None:
            return HostReview(facts.host, error=facts.error)
        try:
            found = undo.build(facts.observation, wanted, settings.modes.left)
        except GlmprovError as error:
            return HostReview(facts.host, facts.observation, error=error)
        return HostReview(
            facts.host,
            _with_containers(facts.observation, found.differences),
            HostPlan(facts.host, _NOTHING_EXPECTED, notes=found.stays),
            found.differences,
        )

    return review


def errand(wanted: undo.Wanted) -> Errand:
    """Return the errand of taking so much back."""

    def settle(
        recorder: Recorder, _: Mapping[str, HostSettings], works: Sequence[Work]
    ) -> Mapping[str, GlmprovError]:
        return recorder.replace_receipts(
            (work.host, what_is_left(observation.receipt, _undone(work), wanted))
            for work in works
            if work.failure is None
            and (work.applied or not _undone(work))  # of what only waits, the receipt must still know
            and (observation := work.latest.observation) is not None
            and isinstance(observation.receipt, Receipt)
        )

    return Errand("revert", "revert", _variables, settle, keeps_before=False)


def what_is_left(receipt: Receipt, undone: Sequence[Difference], wanted: undo.Wanted) -> Receipt | None:
    """Return the receipt without the sections of which nothing is left to take back, None if none remains.

    undone are the differences that are still there and that no reboot mends.
    """
    remaining = {each.section for each in undone} | set(receipt_sections(receipt)) - set(wanted.sections)
    gone = [section for section in receipt_sections(receipt) if section not in remaining]
    if len(gone) == len(receipt_sections(receipt)):
        return None
    return replace(
        receipt,
        expected=replace(receipt.expected, **dict.fromkeys(gone)),
        before={key: value for key, value in receipt.before.items() if _section(key) not in gone},
        files={path: digest for path, digest in receipt.files.items() if owner_of(path)[0] not in gone},
    )


def receipt_sections(receipt: Receipt) -> tuple[str, ...]:
    """Return the sections that a receipt knows something of."""
    known = {_section(key) for key in receipt.before} | {owner_of(path)[0] for path in receipt.files}
    return tuple(name for name, value in vars(receipt.expected).items() if value is not None or name in known)


def _section(key: str) -> str:
    return key.partition(".")[0]


def _undone(work: Work) -> list[Difference]:
    return [each for each in work.latest.differences if not each.pending_reboot]


def _with_containers(observation: Observation, differences: Sequence[Difference]) -> Observation:
    """Count every running container as serving where Docker is to be interrupted: it would be stopped."""
    if not any(each.disruption is Disruption.DOCKER for each in differences):
        return observation
    running = (f"container {name}" for name in observation.containers)
    return replace(observation, serving=tuple(dict.fromkeys((*observation.serving, *running))))


def _variables(work: Work) -> dict[str, Any]:
    """Return the role's variables: exactly what was shown and may be done now."""
    chosen = work.actionable
    return {
        "revert_values": {each.key: each.expected for each in chosen if parse(each.key) and not _hold(each)},
        "revert_files": _files(work, chosen),
        "revert_packages": {
            _item(each.key): each.expected for each in chosen if each.key.startswith("packages[")
        },
        "revert_holds": [_item(each.key) for each in chosen if _hold(each)],
    }


def _files(work: Work, chosen: Sequence[Difference]) -> dict[str, str]:
    seen = work.latest.observation
    receipt, ours = (seen.receipt, seen.packages) if seen else (None, None)
    written = {
        **(receipt.files if isinstance(receipt, Receipt) else {}),
        **(ours.sources if isinstance(ours, Packages) else {}),
    }
    return {path: written[path] for each in chosen if (path := _item(each.key)) in written}


def _hold(difference: Difference) -> bool:
    return difference.key.startswith("gpu_driver.held[")


def _item(key: str) -> str:
    return key.partition("[")[2].removesuffix("]")
