"""What the plan says of a driver that a case file can't say: values of mappings, and what must not be booted."""

from __future__ import annotations

from typing import Any

from unit.summary import observation

from glmprov import drift
from glmprov.plan import build
from glmprov.settings import from_variables

SPEC = "/etc/cdi/nvidia.yaml"


def differences(**host: Any) -> dict[str, drift.Difference]:
    seen = observation({"cards": [{}], "driver": "595.58.03", **host})
    plan = build(from_variables("gpu-1", {}), seen)
    return {each.key: each for each in drift.compare("gpu-1", plan.expected, seen.state, plan.reasons)}


def test_a_cdi_file_that_names_another_driver_is_told_by_its_path() -> None:
    found = differences(cdi_specs={SPEC: "580.105.08", "/var/run/cdi/nvidia.yaml": "595.58.03"})
    stale = found[f"gpu_driver.cdi_specs[{SPEC}]"]
    assert (stale.expected, stale.observed) == ("595.58.03", "580.105.08")
    assert not [key for key in found if "/var/run/cdi" in key]


def test_a_kernel_without_a_module_is_drift_that_no_reboot_mends() -> None:
    found = differences(next_kernel="6.1.0-99-amd64", next_kernel_module=False)[
        "gpu_driver.next_kernel_module"
    ]
    assert found.verdict is drift.Verdict.DRIFT and not found.pending_reboot
    assert found.reason == "kernel 6.1.0-99-amd64 boots next and has no nvidia module of 595.58.03"
