"""The host's default NCCL environment: profile × topology → variables, each with its reason. Pure.

Levels are given by name, never as integers: NCCL's numbers don't mean what tables on the web say.
Sources: NVIDIA/nccl issue 2080 (P2P cut-off); local-inference-lab/rtx6kpro, optimization/nccl-tuning.md and
hardware/asus-esc8000a-e13p-broadcom-switches.md; the recipe book's "NCCL High-Throughput Config for Turin".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glmprov.topology import Kind, Topology

PUBLISHED = {
    "NCCL_P2P_DISABLE": "1",
    "NCCL_MIN_NCHANNELS": "32",
    "NCCL_MAX_NCHANNELS": "64",
    "NCCL_BUFFSIZE": "67108864",
    "CUDA_DEVICE_MAX_CONNECTIONS": "64",
}
"""The recipe book's values, by Festr, 2026-02-27, for a dual-socket Turin host.

P2P is off in it, so the buffers lie in the host's memory (engines/nccl.py): up to 4 GiB of it for each card.
"""

THROUGHPUT = {
    "NCCL_P2P_DISABLE": "1",
    "NCCL_MIN_NCHANNELS": "16",
    "NCCL_MAX_NCHANNELS": "32",
    "NCCL_BUFFSIZE": "8388608",
    "CUDA_DEVICE_MAX_CONNECTIONS": "32",
}
"""The lighter variant of the published values: up to 0.25 GiB of the host's memory for each card."""

DEFAULT_PROFILE = "latency"


@dataclass(frozen=True)
class NcclDefaults:
    """Variables with their reasons, and what a person should know."""

    env: Mapping[str, str]
    reasons: Mapping[str, str]
    notes: tuple[str, ...] = ()


def environment(
    profile: str, topology: Topology, p2p: Mapping[tuple[str, str], str], overrides: Mapping[str, str | None]
) -> NcclDefaults:
    """Given profile, topology, NVML's P2P status by pair and the inventory's variables, return the variables.

    An override wins; one that is None takes the variable out.
    """
    base = _by_profile(profile, topology, p2p)
    env, reasons = dict(base.env), dict(base.reasons)
    for name, value in overrides.items():
        if value is None:
            env.pop(name, None)
            reasons.pop(name, None)
        else:
            env[name], reasons[name] = value, "inventory"
    return NcclDefaults(env, reasons, base.notes)


def _by_profile(profile: str, topology: Topology, p2p: Mapping[tuple[str, str], str]) -> NcclDefaults:
    if profile == "none":
        return NcclDefaults({}, {})
    if profile == "published":
        fits = topology.kind is Kind.DUAL_SOCKET
        note = f"nccl_env_profile published is meant for a dual-socket Turin host; here: {topology.kind}"
        return _same_reason(
            PUBLISHED, "published for dual-socket Turin (recipe book, 2026-02-27)", () if fits else (note,)
        )
    if profile == "throughput" and topology.kind is Kind.DUAL_SOCKET:
        reason = "two sockets: from about 100 requests at once, shared memory on all DRAM channels wins"
        return _same_reason(THROUGHPUT, reason)
    return _latency(topology, p2p)


def _same_reason(env: Mapping[str, str], reason: str, notes: tuple[str, ...] = ()) -> NcclDefaults:
    return NcclDefaults(env, dict.fromkeys(env, reason), notes)


def _latency(topology: Topology, p2p: Mapping[tuple[str, str], str]) -> NcclDefaults:
    """Widen NCCL's P2P cut-off: on AMD hosts with three cards and more neighbors use shared memory."""
    if len(topology.cards) < 2:
        return NcclDefaults({}, {}, ("one card: NCCL needs no settings",))
    if topology.kind in (Kind.VIRTUAL, Kind.UNKNOWN):
        return NcclDefaults({}, {}, (f"{topology.kind}: NCCL is left to find its own way",))
    refused = sorted(
        {status for status in p2p.values() if status != "OK" and not status.startswith("unknown")}
    )
    if refused:
        return NcclDefaults(
            {}, {}, (f"the driver refuses P2P between cards ({', '.join(refused)}): NCCL_P2P_LEVEL left out",)
        )
    if topology.one_node:
        return _same_reason(
            {"NCCL_P2P_LEVEL": "PHB"}, "all cards on one NUMA node: P2P through the host bridge"
        )
    return _same_reason({"NCCL_P2P_LEVEL": "SYS"}, "cards on several NUMA nodes: P2P between sockets too")
