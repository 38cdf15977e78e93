"""How NCCL reads the variables that say how far P2P reaches. Pure.

Source: NVIDIA/nccl, src/graph/paths.cc (ncclGetLevel), 2.18.1 to 2.30.7; that other values are ignored was seen with
NCCL 2.28.9 on two H200.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NAMES = ("LOC", "NVL", "NVB", "C2C", "PIX", "PXB", "P2C", "PXN", "PHB", "SYS")
"""What NCCL_P2P_LEVEL may be, from nowhere to everywhere. `nvidia-smi topo` has a NODE too; that is PHB to NCCL."""

BY_NUMBER = ("LOC", "PIX", "PXB", "PHB", "SYS", "SYS")
"""What NCCL takes a number for: levelsOldToNew."""


def p2p_level(environment: Mapping[str, str]) -> str | None:
    """Return the level that NCCL takes from its variables. None: from neither, so its own choice holds."""
    if _number(environment.get("NCCL_P2P_DISABLE", "")) == 1:
        return "LOC"
    said = environment.get("NCCL_P2P_LEVEL", "")
    if said in NAMES:
        return said
    return BY_NUMBER[min(_number(said), len(BY_NUMBER) - 1)] if said[:1].isdecimal() else None


def through_host_memory(environment: Mapping[str, str]) -> bool:
    """Say whether cards talk through the host's memory alone, so that NCCL's buffers lie there, not on the cards.

    Source: src/transport/shm.cc, shmRecvSetup, and p2p.cc, p2pRecvSetup. Seen with 32 channels of 64 MiB on two H200,
    NCCL 2.28.9: with P2P 2.8 GiB of each card; without, 0.5 GiB of each card and 4.4 GiB of /dev/shm for both.
    """
    return p2p_level(environment) == "LOC" and _number(environment.get("NCCL_SHM_DISABLE", "")) != 1


def _number(text: str) -> int:
    """Return what C's strtol makes of a text, base 0: its leading number, 0 where there is none."""
    found = re.match(r"\s*[+-]?(0[xX][0-9a-fA-F]+|\d+)", text)
    if found is None:
        return 0
    digits = found[1].lower()
    if digits.startswith("0x"):
        return int(digits, 16)
    octal = re.match(r"0[0-7]*", digits)
    return int(octal[0], 8) if octal else int(digits)
