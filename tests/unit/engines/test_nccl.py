"""How NCCL reads its variables."""

from __future__ import annotations

import pytest

from glmprov.engines.nccl import p2p_level, through_host_memory


@pytest.mark.parametrize(
    ("level", "wanted"),
    [("SYS", "SYS"), ("PHB", "PHB"), ("NODE", None), ("sys", None), ("", None), ("NET", None),
     ("0", "LOC"), ("2", "PXB"), ("4", "SYS"), ("99", "SYS"), ("0x3", "PHB"), ("010", "SYS")],
)  # fmt: skip
def test_a_level_by_name_or_by_its_old_number(level: str, wanted: str | None) -> None:
    assert p2p_level({"NCCL_P2P_LEVEL": level}) == wanted


@pytest.mark.parametrize(
    ("switch", "wanted"),
    [("1", "LOC"), ("01", "LOC"), ("0", "SYS"), ("2", "SYS"), ("true", "SYS"), ("", "SYS")],
)
def test_only_1_turns_p2p_off_whatever_the_level(switch: str, wanted: str) -> None:
    assert p2p_level({"NCCL_P2P_DISABLE": switch, "NCCL_P2P_LEVEL": "SYS"}) == wanted


def test_buffers_lie_in_the_hosts_memory_when_nothing_else_is_left() -> None:
    assert through_host_memory({"NCCL_P2P_DISABLE": "1"})
    assert through_host_memory({"NCCL_P2P_LEVEL": "LOC"})
    assert not through_host_memory({"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1"})
    assert not through_host_memory({"NCCL_P2P_LEVEL": "SYS"}) and not through_host_memory({})
