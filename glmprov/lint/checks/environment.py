"""Rules about variables."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from glmprov.lint.finding import Answer, unknown
from glmprov.lint.situation import Situation

LEVELS = ("LOC", "PIX", "PXB", "PHB", "SYS", "SYS")
"""What NCCL reads integers of NCCL_P2P_LEVEL as. NVIDIA/nccl, src/graph/paths.cc, levelsOldToNew."""

WITHOUT_EFFECT = ("NCCL_NET_GDR_LEVEL", "NCCL_ALLOC_P2P_NET_LL_BUFFERS", "NCCL_TUNER_PLUGIN")
"""Copied widely; nobody shows an effect on one host. voipmonitor/rtx6kpro, nccl-tuning.md."""

OWN_PREFIXES = ("VLLM_", "SGLANG_", "SGL_")
"""Variables that only an engine reads, and so one that the engine's package doesn't name is read by nobody."""

GIB = 2**30
MOST_BUFFERS = GIB
"""Buffers of a card that 4-card FP8 hardly spares: with MTP and 0.95 there are 6 GiB for the KV cache."""


def p2p_level_integer(situation: Situation) -> Iterator[Answer]:
    """An integer is a name to NCCL, and lists that circulate give others."""
    level = situation.environment["NCCL_P2P_LEVEL"]
    if level.isdigit():
        yield Answer(True, values={"name": LEVELS[min(int(level), len(LEVELS) - 1)]})


def nccl_buffers_memory(situation: Situation) -> Iterator[Answer]:
    """Channels × buffer size is memory of each card: an upper bound for one set of connections."""
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
        if not name.startswith(OWN_PREFIXES):
            continue
        if situation.flags is None or not situation.launch.version:
            yield unknown(f"whether the release reads {name}", f"environment.{name}")
        elif name not in situation.flags.variables:
            near = get_close_matches(name, situation.flags.variables, n=1, cutoff=0.85)
            values = {"name": name, "hint": f"; did you mean {near[0]}?" if near else ""}
            yield Answer(True, place=f"environment.{name}", values=values)
