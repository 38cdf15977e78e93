"""What nccl_env should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from glmprov import nccl
from glmprov.plan.situation import Part, Situation
from glmprov.state import NcclEnv


def nccl_env(situation: Situation) -> Part[NcclEnv]:
    """Return the host's default NCCL environment."""
    settings = situation.settings.nccl_env
    profile = settings.profile or nccl.DEFAULT_PROFILE
    decided = nccl.environment(
        profile, situation.topology, situation.observation.hardware.p2p, settings.env or {}
    )
    return Part(
        NcclEnv(profile=profile, env=decided.env, reasons=decided.reasons),
        {f"nccl_env.env[{name}]": reason for name, reason in decided.reasons.items()},
        (*decided.notes, *_elsewhere(situation)),
    )


def _elsewhere(situation: Situation) -> Iterator[str]:
    observed = situation.observation.state.nccl_env
    if observed and isinstance(observed.elsewhere, Mapping):
        for place, value in observed.elsewhere.items():
            yield f"NCCL is also set in {place} = {value}"
