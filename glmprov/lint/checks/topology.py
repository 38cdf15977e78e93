"""Rules about how the host's cards reach each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from glmprov.engines.nccl import NAMES, p2p_level
from glmprov.lint.finding import Answer, unknown
from glmprov.lint.situation import Situation
from glmprov.topology import Kind, Topology


def p2p_level_below_host(situation: Situation) -> Iterator[Answer]:
    """The cards of a tensor-parallel group should reach each other within the level."""
    level = p2p_level({"NCCL_P2P_LEVEL": situation.environment["NCCL_P2P_LEVEL"]})
    ranks, topology = situation.count("tensor_parallel"), situation.target.topology
    if level is None or _reach(level) >= _reach("SYS") or ranks < 2:
        return
    if topology is None:
        yield unknown("no host is named, so how its cards reach each other isn't known")
        return
    nodes = Counter(card.node for card in topology.cards)
    if topology.kind in (Kind.VIRTUAL, Kind.UNKNOWN) or None in nodes:
        yield unknown(f"{topology.kind}: how the cards reach each other isn't known")
        return
    needed = "PHB" if max(nodes.values(), default=0) >= ranks else "SYS"
    if _reach(level) >= _reach(needed):
        return
    if needed == "PHB" and topology.switched and level != "LOC":
        yield unknown("some of the cards share a PCIe switch, and which ones a group gets isn't known")
        return
    values = {"level": level, "ranks": ranks, "needed": needed, "nodes": _told(topology)}
    yield Answer(True, values=values)


def _reach(level: str) -> int:
    return NAMES.index(level)


def _told(topology: Topology) -> str:
    counted = Counter(card.node for card in topology.cards)
    return ", ".join(f"{count} on NUMA node {node}" for node, count in sorted(counted.items(), key=str))
