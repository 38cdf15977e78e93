"""The sets of cards of a host, and why they are these."""

from __future__ import annotations

import textwrap

from glmprov import topology
from glmprov.observation import Observation
from glmprov.report.facts.cards import Paint, table
from glmprov.report.facts.tree import cpu_ranges
from glmprov.topology import ExplainedSet, Member, NamedSets


def sets_text(observation: Observation, named: NamedSets, width: int, paint: Paint) -> str:
    """Return each set with its cards and its reasons, folded at width."""
    hardware = observation.hardware
    explained = topology.explain(hardware, named)
    missing = topology.driver_is_missing(hardware, named)
    blocks = [[paint("title", observation.host) + ("" if explained else "  no card that could be in a set")]]
    blocks += [_block(each, width, paint) for each in explained]
    blocks += [[f"  note: {missing}"]] if missing else []
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _block(each: ExplainedSet, width: int, paint: Paint) -> list[str]:
    title = (
        f"set {each.found.name} of {len(each.members)}" if each.found.name else f"set of {len(each.members)}"
    )
    where = [f"CPUs {cpu_ranges(each.found.cpus)}"] if each.found.cpus else []
    where += [f"node {each.found.node}"] if each.found.node is not None else []
    lines = ["  " + paint("title", title) + ("  " + ", ".join(reversed(where)) if where else "")]
    lines += [f"    {line}" for line in table([_row(member) for member in each.members])]
    for reason in each.why:
        first, *rest = textwrap.wrap(reason, max(width - 6, 30), break_long_words=False)
        lines += [paint("dim", f"    · {first}"), *(paint("dim", f"      {line}") for line in rest)]
    return lines


def _row(member: Member) -> list[str]:
    """Return a card's cells. The whole UUID: it is what the inventory wants."""
    return [
        f"GPU {member.index}" if member.index is not None else "card",
        member.bus_id,
        member.uuid or "UUID unknown without a driver",
        member.edition,
        "socket ?" if member.socket is None else f"socket {member.socket}",
        "node ?" if member.node is None else f"node {member.node}",
    ]
