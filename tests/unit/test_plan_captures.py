"""Captured machines through the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from unit.probe.test_captures import observed

from glmprov import drift
from glmprov.errors import PlanError
from glmprov.observation import Observation
from glmprov.plan import HostPlan, build
from glmprov.settings import from_variables
from glmprov.state import Unknown, role_variables


def planned(seen: Observation, variables: Mapping[str, Any]) -> HostPlan:
    """The Turin capture holds no os-release; its host ran Ubuntu 24.04."""
    system = replace(seen.hardware.system, distribution="ubuntu", release="24.04", architecture="x86_64")
    seen = replace(seen, hardware=replace(seen.hardware, system=system), receipt=None)
    return build(from_variables(seen.host, variables), seen)


def test_turin_is_planned_as_it_is() -> None:
    seen = observed("turin-8x-server")
    plan = planned(seen, {})
    variables = role_variables(plan.expected)
    assert sorted(variables["gpu_power_limit_watts"].values()) == [400] * 8
    assert variables["gpu_driver_branch"] == "595"
    assert variables["nccl_env_env"] == {"NCCL_P2P_LEVEL": "SYS"}
    assert variables["host_tuning_kernel_arguments"] is None
    assert any("iommu=off amd_iommu=off: left alone" in note for note in plan.notes)
    above = {key for key in drift.audit(replace(seen, receipt=None), plan) if key.key.endswith("].effective")}
    assert len([d for d in above if d.key.startswith("gpu_power.limit_watts") and d.observed == 600]) == 8


def test_cards_that_we_do_not_know_are_left_alone() -> None:
    plan = planned(observed("h200-x2"), {"gpu_driver_source": "existing", "gpu_power_limit_watts": 500})
    variables = role_variables(plan.expected)
    assert variables["gpu_power_limit_watts"] == {}
    assert variables["nccl_env_env"] == {}
    assert variables["host_tuning_kernel_arguments"] is None
    assert "every card: NVIDIA H200 isn't in the catalog: power limit left alone" in plan.notes


@pytest.mark.parametrize("name", ["turin-8x-server", "h200-x2"])
@pytest.mark.parametrize("profile", ["latency", "throughput", "published", "none"])
@pytest.mark.parametrize("source", ["nvidia", "ubuntu", "existing"])
def test_every_capture_is_planned_with_a_reason_for_what_differs(
    name: str, profile: str, source: str
) -> None:
    seen = observed(name)
    plan = planned(seen, {"nccl_env_profile": profile, "gpu_driver_source": source})
    found = drift.compare(seen.host, plan.expected, seen.state, plan.reasons)
    assert found
    assert not [d.key for d in found if d.verdict is drift.Verdict.DRIFT and not d.reason]
    assert not [
        d.key for d in found if isinstance(d.observed, Unknown) and d.verdict is not drift.Verdict.UNKNOWN
    ]


def test_a_capture_without_a_distribution_is_refused_and_says_so() -> None:
    with pytest.raises(PlanError, match="a system without /etc/os-release isn't supported"):
        build(from_variables("gpu-1", {}), observed("turin-8x-server"))


@pytest.mark.parametrize(
    ("name", "forced", "note"),
    [
        ("turin-8x-server", True, ""),
        ("h200-x2", False, "P2P isn't forced: not every card is in the catalog"),
    ],
)
def test_p2p_is_forced_where_the_topology_needs_it(name: str, forced: bool, note: str) -> None:
    """On Turin pairs share a switch, and switches meet at host bridges; the H200 are in a virtual machine."""
    plan = planned(observed(name), {"gpu_driver_source": "existing", "host_tuning_p2p": "auto"})
    options = role_variables(plan.expected)["host_tuning_module_options"]
    assert ("nvidia.NVreg_RegistryDwords" in options) is forced
    assert forced or any(note in told for told in plan.notes)


def test_the_order_to_force_p2p_is_refused_on_a_virtual_machine() -> None:
    settings = {"gpu_driver_source": "existing", "host_tuning_p2p": "forced"}
    with pytest.raises(PlanError, match="host_tuning_p2p forced: the host is a virtual machine"):
        planned(observed("h200-x2"), settings)


def test_a_budget_on_turin_lowers_eight_cards_alike() -> None:
    plan = planned(observed("turin-8x-server"), {"gpu_power_budget_watts": 2900})
    assert sorted(role_variables(plan.expected)["gpu_power_limit_watts"].values()) == [362] * 8
    with pytest.raises(PlanError, match=r"8 × 300 W \(at least\) = 2400 W, 400 W above it"):
        planned(observed("turin-8x-server"), {"gpu_power_budget_watts": 2000})
