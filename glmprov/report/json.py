"""Results as JSON. Every document names its schema; a field is never renamed within a schema's version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from glmprov.drift import Difference
from glmprov.errors import ExitCode, GlmprovError
from glmprov.report.facts import as_json
from glmprov.results.facts import HostFacts
from glmprov.results.history import HostHistory
from glmprov.results.hook import HookCall
from glmprov.results.lock import HostLock
from glmprov.results.provision import HostProvision
from glmprov.results.review import HostReview
from glmprov.results.trust import HostTrust
from glmprov.state.data import data
from glmprov.topology import explain


def document(kind: str, code: ExitCode, hosts: Sequence[Any]) -> str:
    """Return the JSON text of one command's result."""
    body = {"schema": f"glmprov/{kind}/1", "exit_code": int(code), "hosts": list(hosts)}
    return json.dumps(body, indent=2, ensure_ascii=False)


def failure(error: GlmprovError) -> str:
    """Return the JSON text of a command that ended before it had results."""
    return json.dumps(
        {"schema": "glmprov/error/1", "exit_code": int(error.exit_code), "error": error_of(error)}, indent=2
    )


def error_of(error: GlmprovError | None) -> dict[str, Any] | None:
    """Return an error in JSON's terms, None for none."""
    if error is None:
        return None
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "host": error.host,
        "place": error.place,
        "next_step": error.next_step,
    }


def facts(results: Iterable[HostFacts], code: ExitCode) -> str:
    """Return hosts with hardware, observed state and receipt."""
    return document(
        "facts",
        code,
        [
            {
                "host": each.host,
                "error": error_of(each.error),
                "facts": each.observation and as_json(each.observation, each.named),
            }
            for each in results
        ],
    )


def sets(results: Iterable[HostFacts], code: ExitCode) -> str:
    """Return hosts with their sets of cards, and why they are these."""
    return document("sets", code, [_sets(each) for each in results])


def _sets(result: HostFacts) -> dict[str, Any]:
    explained = explain(result.observation.hardware, result.named) if result.observation else ()
    return {
        "host": result.host,
        "error": error_of(result.error),
        "sets": [
            {
                "name": each.found.name or None,
                "size": len(each.members),
                "cards": data(each.members),
                "node": each.found.node,
                "cpus": list(each.found.cpus),
                "crosses_sockets": each.found.crosses_sockets,
                "why": list(each.why),
            }
            for each in explained
        ],
    }


def plan(results: Iterable[HostReview], code: ExitCode) -> str:
    """Return hosts with every key that provisioning would change."""
    return document("plan", code, [_review(each) for each in results])


def audit(results: Iterable[HostReview], code: ExitCode) -> str:
    """Return hosts with every key that is not as applied or declared."""
    return document("audit", code, [_review(each) for each in results])


def _review(review: HostReview) -> dict[str, Any]:
    return {
        "host": review.host,
        "error": error_of(review.error),
        "serving": list(review.serving),
        "waiting": [each.key for each in review.waiting()],
        "differences": [_difference(each) for each in review.differences],
        "notes": list(review.plan.notes) if review.plan else [],
        "remarks": list(review.observation.remarks) if review.observation else [],
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "key": difference.key,
        "verdict": difference.verdict.value,
        "expected": data(difference.expected),
        "observed": data(difference.observed),
        "disruption": difference.disruption.value,
        "manage": difference.manage.value,
        "pending_reboot": difference.pending_reboot,
        "reason": difference.reason,
    }


def provision(results: Iterable[HostProvision], code: ExitCode) -> str:
    """Return hosts with what became of every key."""
    return document("provision", code, [_provisioned(each) for each in results])


def hook_call(about: HookCall) -> str:
    """Return what a hook reads: the host, what is to be changed there and, afterwards, what became of it."""
    body = {
        "schema": "glmprov/hook/1",
        "event": about.event,
        "host": about.review.host,
        "batch": about.batch,
        "changes": [_difference(each) for each in about.changes],
        "facts": about.review.observation and as_json(about.review.observation),
        "result": about.result and _provisioned(about.result),
    }
    return json.dumps(body, ensure_ascii=False) + "\n"


def _provisioned(result: HostProvision) -> dict[str, Any]:
    return {
        "host": result.host,
        "error": error_of(result.error or result.failure),
        "batch": result.batch,
        "not_begun": result.not_begun,
        "applied": result.applied,
        "rebooted": result.rebooted,
        "seconds": round(result.seconds, 1),
        "keys": [data(key) for key in result.keys],
        "waiting": data(result.waiting),
        "notes": list(result.notes),
    }


def revert(results: Iterable[HostProvision], code: ExitCode) -> str:
    """Return hosts with what became of every key that was to go back."""
    return document("revert", code, [_provisioned(each) for each in results])


def trust(results: Iterable[HostTrust], code: ExitCode) -> str:
    """Return hosts with the keys that known_hosts holds now."""
    return document(
        "trust",
        code,
        [{"host": each.host, "error": error_of(each.error), "keys": data(each.keys)} for each in results],
    )


def locks(results: Iterable[HostLock], code: ExitCode) -> str:
    """Return hosts with who holds each lock."""
    return document(
        "lock",
        code,
        [{"host": each.host, "error": error_of(each.error), "lock": data(each.info)} for each in results],
    )


def history(results: Iterable[HostHistory], code: ExitCode) -> str:
    """Return hosts with their changes, the newest last."""
    return document(
        "history",
        code,
        [
            {
                "host": each.host,
                "error": error_of(each.error),
                "acts": [{"since": act.since, "end": act.end.value, **data(act.entry)} for act in each.acts],
                "unread": each.unread,
            }
            for each in results
        ],
    )
