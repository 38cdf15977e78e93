"""Whether a host is as provisioned: a backend isn't put on one that isn't. Pure."""

from __future__ import annotations

from glmprov.drift import Difference, Verdict
from glmprov.errors import PlanError
from glmprov.results.review import HostReview
from glmprov.state import Manage, Unknown

_SHOWN = 5


def not_clean(review: HostReview) -> tuple[Difference, ...]:
    """Return what of the host's own scope isn't as it should be: a backend isn't put on such a host."""
    return tuple(
        each
        for each in review.differences
        if each.manage is Manage.ENFORCE
        and each.verdict in (Verdict.DRIFT, Verdict.UNKNOWN, Verdict.PENDING)
        and not each.section.startswith("engine_")
        and each.section != "model_store"
    )


def require_clean(review: HostReview, provision: str) -> None:
    """Raise PlanError if the host's own scope isn't clean, naming what isn't and the command that mends it."""
    found = not_clean(review)
    if not found:
        return
    shown = [f"{each.key}: expected {each.expected}, found {_seen(each)}" for each in found[:_SHOWN]]
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    raise PlanError(
        "\n".join(["the host isn't as provisioned:", *shown, *more]), host=review.host, next_step=provision
    )


def _seen(difference: Difference) -> str:
    observed = difference.observed
    return f"unknown ({observed.reason})" if isinstance(observed, Unknown) else str(observed)
