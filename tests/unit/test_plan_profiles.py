"""The rehearsal fleet's hardware through the plan, bare and with a driver, from its data."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import yaml
from unit.summary import observation

from glmprov import topology
from glmprov.plan import build
from glmprov.settings import from_variables
from glmprov.state import role_variables

PROFILES = files("glmprov.lab") / "profiles"

EXPECTED: dict[str, tuple[list[int], dict[str, str], int]] = {
    "turin-8x-server": ([4, 4], {"NCCL_P2P_LEVEL": "SYS"}, 8),
    "turin-6x": ([4, 2], {"NCCL_P2P_LEVEL": "SYS"}, 6),
    "genoa-4x-workstation": ([4], {"NCCL_P2P_LEVEL": "PHB"}, 4),
    "workstation-4x-maxq": ([4], {"NCCL_P2P_LEVEL": "PHB"}, 0),
    "mixed-4x": ([4], {"NCCL_P2P_LEVEL": "PHB"}, 3),
    "ubuntu-4x-server": ([4], {"NCCL_P2P_LEVEL": "PHB"}, 4),
    "h200-x2": ([2], {}, 0),
}
"""Sizes of the sets, NCCL environment, number of cards with a power limit."""


def summary(name: str, driver: str | None) -> dict[str, Any]:
    profile = yaml.safe_load((PROFILES / f"{name}.yml").read_text())
    hidden = profile.get("numa_node_hidden", False)
    return {
        "cards": [
            {
                "bus_id": card["bus_id"],
                "edition": {"maxq": "max-q"}.get(card["edition"], card["edition"]),
                "node": -1 if hidden else card["node"],
                "root": card["path"][0],
                "bridges": tuple(reversed(card["path"][1:])),
            }
            for card in profile["cards"]
        ],
        "nodes": len(profile["numa"]),
        "sockets": profile["cpu"]["sockets"],
        "virtualization": "QEMU" if profile["system"]["virtual"] else None,
        "driver": driver,
    }


@pytest.mark.parametrize("driver", [None, "580.95.05"])
@pytest.mark.parametrize("name", EXPECTED)
def test_a_profile_is_planned(name: str, driver: str | None) -> None:
    sizes, env, limited = EXPECTED[name]
    seen = observation(summary(name, driver))
    variables = role_variables(build(from_variables(name, {}), seen).expected)
    assert [len(gpu_set.keys) for gpu_set in topology.gpu_sets(seen.hardware)] == sizes
    assert variables["nccl_env_env"] == env
    assert len(variables.get("gpu_power_limit_watts", {})) == (limited if driver else 0)


def test_every_profile_has_its_row() -> None:
    kept = {path.name.removesuffix(".yml") for path in PROFILES.iterdir() if path.name.endswith(".yml")}
    assert kept - {"editions"} == set(EXPECTED)
