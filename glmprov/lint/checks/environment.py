"""Rules about variables."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.engines.flags import Catalogue
from glmprov.engines.nccl import p2p_level, through_host_memory
from glmprov.lint.finding import Answer
from glmprov.lint.situation import Situation, only_for

WITHOUT_EFFECT = ("NCCL_NET_GDR_LEVEL", "NCCL_ALLOC_P2P_NET_LL_BUFFERS", "NCCL_TUNER_PLUGIN")
"""Copied widely; nobody shows an effect on one host. voipmonitor/rtx6kpro, nccl-tuning.md. A GDR level is the distance
between a card and a network card (NVIDIA/nccl, src/graph/paths.cc, ncclTopoCheckGdr), on one socket as on two."""

OWN_PREFIXES = ("VLLM_", "SGLANG_", "SGL_")
"""Variables that only an engine reads, and so one that the engine's package doesn't name is read by nobody."""

GIB = 2**30
MOST_BUFFERS = GIB
"""Buffers of a card that 4-card FP8 hardly spares: with MTP and 0.95 there are 6 GiB for the KV cache."""


def p2p_level_integer(situation: Situation) -> Iterator[Answer]:
    """An integer is a name to NCCL, and lists that circulate give others."""
    level = situation.environment["NCCL_P2P_LEVEL"]
    if level[:1].isdecimal():
        yield Answer(True, values={"name": p2p_level({"NCCL_P2P_LEVEL": level})})


def nccl_value_ignored(situation: Situation) -> Iterator[Answer]:
    """NCCL says nothing of a value that it doesn't know, and goes on as if the variable weren't there."""
    level, switch = (situation.environment.get(name) for name in ("NCCL_P2P_LEVEL", "NCCL_P2P_DISABLE"))
    if level is not None and p2p_level({"NCCL_P2P_LEVEL": level}) is None:
        values = {"name": "NCCL_P2P_LEVEL", "value": level, "taken": "LOC, PIX, PXB, PHB or SYS"}
        yield Answer(True, place=situation.place("environment", "NCCL_P2P_LEVEL"), values=values)
    if switch not in (None, "", "0") and p2p_level({"NCCL_P2P_DISABLE": switch}) is None:
        values = {"name": "NCCL_P2P_DISABLE", "value": switch, "taken": "1"}
        yield Answer(True, place=situation.place("environment", "NCCL_P2P_DISABLE"), values=values)


def nccl_buffers_memory(situation: Situation) -> Iterator[Answer]:
    """With P2P, channels × buffer size is memory of each card: an upper bound for one set of connections."""
    if not through_host_memory(situation.environment):
        yield from _large_buffers(situation)


def nccl_buffers_host_memory(situation: Situation) -> Iterator[Answer]:
    """Without P2P it is as much of the host's."""
    if through_host_memory(situation.environment):
        yield from _large_buffers(situation)


def _large_buffers(situation: Situation) -> Iterator[Answer]:
    channels, buffer = (situation.environment[name] for name in ("NCCL_MAX_NCHANNELS", "NCCL_BUFFSIZE"))
    if not (channels.isdigit() and buffer.isdigit()):
        return
    total = int(channels) * int(buffer)
    if total > MOST_BUFFERS:
        values = {"channels": channels, "buffer": int(buffer) // 2**20, "total": f"{total / GIB:.3g}"}
        yield Answer(True, values=values)


def nccl_without_effect(situation: Situation) -> Iterator[Answer]:
    """Variables that are copied from host to host."""
    for name in WITHOUT_EFFECT:
        if name in situation.environment:
            yield Answer(True, place=situation.place("environment", name), values={"name": name})


def variable_overrides_host(situation: Situation) -> Iterator[Answer]:
    """A recipe's variable stands above the host's own."""
    for name, host_value in situation.target.environment.items():
        value = situation.launch.environment.get(name)
        if value is not None and value != host_value:
            values = {"name": name, "value": value, "host_value": host_value}
            yield Answer(True, place=f"environment.{name}", values=values)


def variable_ignored(situation: Situation) -> Iterator[Answer]:
    """The engine's package names every variable that the engine reads."""
    for name in situation.launch.environment:
        ignored = [each for each in situation.catalogues if each.variable(name) is None]
        if not name.startswith(OWN_PREFIXES) or not ignored:
            continue
        place = f"environment.{name}"
        if len(ignored) < len(situation.catalogues):
            yield only_for(situation, [each.version for each in ignored], place)
            continue
        from difflib import get_close_matches  # only needed where something is wrong

        near = get_close_matches(name, ignored[-1].environment, n=1, cutoff=0.85)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield Answer(True, place=place, values={"name": name, "hint": hint})


def variable_overwritten(situation: Situation) -> Iterator[Answer]:
    """An engine assigns some variables itself, whatever they were."""
    for name, value in situation.launch.environment.items():
        own = {each.version: _own_value(each, name) for each in situation.catalogues}
        others = {release: text for release, text in own.items() if text not in (None, value)}
        if others and len(others) == len(own):
            values = {"name": name, "value": value, "own": list(others.values())[-1]}
            yield Answer(True, place=f"environment.{name}", values=values)
        elif others:
            yield only_for(situation, others, f"environment.{name}")


def _own_value(catalogue: Catalogue, name: str) -> str | None:
    """Return what the engine always assigns to a variable. None: nothing, or something that it computes."""
    sets = catalogue.set_by_engine(name)
    return next((each.value for each in sets if each.when == "always" and not each.computed), None)
