"""What is left is given to a role as the host has it, or not at all; everything else is given as planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.summary import observation, uuid

from glmprov.drift.compare import Leaf, leaves, same
from glmprov.plan import build
from glmprov.settings import from_variables
from glmprov.state import (
    SECTIONS,
    ContainerEngine,
    Dropped,
    GpuDriver,
    GpuPower,
    HostState,
    HostTuning,
    Kind,
    Later,
    NcclEnv,
    Setting,
    Unit,
    Unknown,
    as_found,
    kind_of,
    role_variables,
    under,
)

HOST = observation(
    {"cards": [{"node": 0}, {"node": 0}, {"node": 1}], "driver": "580.95.05", "engine": "docker.io"}
)
FULL = build(from_variables("gpu-1", {}), HOST).expected
KEYS = [leaf.key for leaf in leaves(FULL, FULL)]
OUTCOMES = {f"{s}.{f.name}" for s in SECTIONS for f in fields(getattr(FULL, s)) if kind_of(f) is Kind.OUTCOME}


def prefixes() -> list[str]:
    """Return what may be left: sections, fields, items, and the parts of a setting."""
    found = {key for key in KEYS if not key.endswith((".enabled", ".active"))}
    found |= {key.partition("].")[0] + "]" for key in KEYS if "[" in key}
    found |= {key.partition("[")[0] for key in KEYS if "[" in key}
    found |= {".".join(key.split(".")[:2]) for key in KEYS if "[" not in key}
    return sorted(found | set(SECTIONS) | {"nccl_env.env[NCCL_DEBUG]"})


def lost_or(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.just(Unknown("can't be read")), values)


def observed_of(value: Any, extra: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return what may be found where a value is expected."""
    if isinstance(value, Mapping):
        items = {name: observed_of(item, {}) for name, item in (value | extra).items()}
        return lost_or(st.fixed_dictionaries({}, optional=items))
    if isinstance(value, Setting):
        part = lost_or(st.sampled_from([value.declared, "other"]))
        return lost_or(st.builds(Setting, part, part))
    if isinstance(value, Unit):
        part = st.one_of(st.booleans(), st.just(Unknown("can't be read")))
        return lost_or(st.builds(Unit, part, part))
    return lost_or(st.booleans() if isinstance(value, bool) else st.sampled_from([value, "other"]))


def observed_section(section: Any) -> st.SearchStrategy[Any]:
    extra = {"NCCL_DEBUG": "INFO"} if isinstance(section, NcclEnv) else {}
    found = {f.name: observed_of(getattr(section, f.name), extra) for f in fields(section)}
    return st.one_of(st.none(), st.builds(type(section), **found))


OBSERVED = st.builds(HostState, **{name: observed_section(getattr(FULL, name)) for name in SECTIONS})
LEFT = st.sets(st.sampled_from(prefixes()), max_size=8)
APPLIED = st.one_of(st.none(), st.just(FULL), st.just(replace(FULL, host_tuning=None, gpu_driver=None)))


def told(state: HostState, observed: HostState) -> dict[str, Leaf]:
    return {leaf.key: leaf for leaf in leaves(state, observed)}


@given(OBSERVED, LEFT, APPLIED)
def test_what_is_left_differs_in_nothing_that_a_role_sets(
    observed: HostState, keys: set[str], applied: HostState | None
) -> None:
    left = under(keys)
    for key, leaf in told(as_found(FULL, observed, left, applied), observed).items():
        if left(key) and not isinstance(leaf.observed, Unknown):
            assert same(leaf.expected, leaf.observed), key


@given(OBSERVED, LEFT, APPLIED)
def test_what_is_not_left_is_as_planned(
    observed: HostState, keys: set[str], applied: HostState | None
) -> None:
    left = under(keys)
    result = as_found(FULL, observed, left, applied)
    planned, given_to_role = told(FULL, FULL), told(result, FULL)
    for key, leaf in planned.items():
        section = key.partition(".")[0]
        if left(key) or getattr(result, section) is None or tied(key, left):
            continue
        assert given_to_role[key].expected == leaf.expected, key
    assert set(given_to_role) <= set(planned) | {"nccl_env.env[NCCL_DEBUG]"}


def tied(key: str, left: Any) -> bool:
    """Say whether a key goes with another one that is left."""
    if key.startswith(("gpu_driver.origin", "gpu_driver.branch", "gpu_driver.version")):
        return bool(left("gpu_driver.branch") or left("gpu_driver.version.declared"))
    if key.startswith("container_engine.service"):
        return bool(left("container_engine.nvidia_runtime") or left("container_engine.cgroup_driver"))
    return bool(key.endswith(".effective") and left(key.removesuffix("effective") + "declared"))


@given(OBSERVED, APPLIED)
def test_nothing_left_changes_nothing(observed: HostState, applied: HostState | None) -> None:
    assert as_found(FULL, observed, under(()), applied) == FULL


@given(OBSERVED, APPLIED, st.sampled_from(SECTIONS))
def test_a_section_that_is_left_is_not_applied(
    observed: HostState, applied: HostState | None, section: str
) -> None:
    assert getattr(as_found(FULL, observed, under({section}), applied), section) is None
    every = {key for key in KEYS if key.startswith(f"{section}.")}
    assert getattr(as_found(FULL, FULL, under(every), applied), section) is None


def test_a_prefix_names_whole_parts() -> None:
    left = under({"host_tuning.sysctl[vm.swappiness]", "gpu_power"})
    assert left("host_tuning.sysctl[vm.swappiness].declared")
    assert left("gpu_power.limit_watts[GPU-1].effective")
    assert not left("host_tuning.sysctl[vm.swappiness2].declared")
    assert not left("host_tuning.sysctl")


def tuning(**values: Any) -> HostState:
    return HostState(host_tuning=HostTuning(limits={"memlock": "unlimited"}, **values))


SWAP = {"vm.swappiness": Setting("0", "0")}
IOMMU = {"iommu": Setting("pt", "pt")}


@pytest.mark.parametrize(
    ("expected", "observed", "applied", "variables"),
    [
        # Never ours: left out, so that we don't claim what somebody else has set.
        ({"sysctl": SWAP}, {"sysctl": {"vm.swappiness": Setting("10", "10")}}, {}, {"host_tuning_sysctl": None}),
        # Ours: it stays in our file as it is.
        ({"kernel_arguments": IOMMU}, {"kernel_arguments": {"iommu": Setting("pt", None)}},
         {"kernel_arguments": IOMMU}, {"host_tuning_kernel_arguments": {"iommu": "pt"}}),
        # Ours, and changed in the running system by somebody: the role would set it back.
        ({"sysctl": SWAP}, {"sysctl": {"vm.swappiness": Setting("0", "60")}}, {"sysctl": SWAP},
         {"host_tuning_sysctl": None}),
        # Our own file tells what is ours, also where another one overrides it, or where there is no receipt.
        ({"sysctl": SWAP},
         {"sysctl": {"vm.swappiness": Setting("10", "0")}, "ours": {"sysctl": {"vm.swappiness": "0"}}},
         {}, {"host_tuning_sysctl": {"vm.swappiness": "0"}}),
        ({"sysctl": SWAP}, {"sysctl": {"vm.swappiness": Setting("10", "10")}, "ours": {"sysctl": {}}}, {"sysctl": SWAP},
         {"host_tuning_sysctl": None}),
        # What can't be read is what was applied.
        ({"sysctl": SWAP}, {"sysctl": Unknown("no")}, {"sysctl": SWAP}, {"host_tuning_sysctl": {"vm.swappiness": "0"}}),
        ({"cpu_governor": Setting("performance", "performance")}, {"cpu_governor": Setting(None, "powersave")}, {},
         {"host_tuning_cpu_governor": None}),
        ({"boot_unit": Unit(True, True)}, {"boot_unit": None}, {}, {"host_tuning_boot_unit": None}),
        ({"boot_unit": Unit(True, True)}, {"boot_unit": Unit(True, False)}, {},
         {"host_tuning_boot_unit": {"enabled": True, "active": False}}),
    ],
)  # fmt: skip
def test_a_role_gets_what_leaves_the_key_alone(
    expected: dict[str, Any], observed: dict[str, Any], applied: dict[str, Any], variables: dict[str, Any]
) -> None:
    (field,) = expected
    result = as_found(
        tuning(**expected), tuning(**observed), under({f"host_tuning.{field}"}), tuning(**applied)
    )
    assert role_variables(result)["host_tuning_limits"] == {"memlock": "unlimited"}
    assert {name: role_variables(result)[name] for name in variables} == variables


def test_a_foreign_variable_stays_in_a_file_that_is_ours_alone() -> None:
    expected = HostState(nccl_env=NcclEnv(env={"NCCL_P2P_LEVEL": "SYS"}, reasons={"NCCL_P2P_LEVEL": "why"}))
    observed = HostState(nccl_env=NcclEnv(env={"NCCL_P2P_LEVEL": "PIX", "NCCL_DEBUG": "INFO"}))
    debug = as_found(expected, observed, under({"nccl_env.env[NCCL_DEBUG]"})).nccl_env
    assert debug and debug.env == {"NCCL_P2P_LEVEL": "SYS", "NCCL_DEBUG": "INFO"}
    level = as_found(expected, observed, under({"nccl_env.env[NCCL_P2P_LEVEL]"})).nccl_env
    assert level and (level.env, level.reasons) == ({"NCCL_P2P_LEVEL": "PIX"}, {})


def test_a_card_that_is_left_keeps_its_line() -> None:
    limits = {uuid(0): Setting(400, 400), uuid(1): Setting(400, 400)}
    expected = HostState(gpu_power=GpuPower(limit_watts=limits, boot_unit=Unit(True, True)))
    found = {uuid(0): Setting(450, 450), uuid(1): Setting(None, 600)}
    observed = HostState(gpu_power=GpuPower(limit_watts=found))
    power = as_found(expected, observed, under({f"gpu_power.limit_watts[{uuid(0)}]"})).gpu_power
    assert power and power.limit_watts == {uuid(0): Setting(450, 450), uuid(1): Setting(400, 400)}


OURS = GpuDriver(source="nvidia", branch="580", version=Setting("580.95.05", "580.95.05"), pinned=True)


def driver(expected: GpuDriver, observed: GpuDriver, applied: GpuDriver | None) -> GpuDriver | None:
    left = under({"gpu_driver.branch", "gpu_driver.version"})
    states = (HostState(gpu_driver=each) for each in (expected, observed))
    return as_found(*states, left, HostState(gpu_driver=applied)).gpu_driver


def test_a_driver_of_ours_that_is_left_is_given_as_it_is_installed() -> None:
    newer = replace(
        OURS, source="ubuntu", branch="595", version=Setting("595.58.03", "595.58.03"), rollback=True
    )
    for wanted in (newer, replace(newer, version=Later("the newest"))):
        given_to_role = driver(wanted, replace(OURS, pinned=False), OURS)
        assert given_to_role
        assert (given_to_role.source, given_to_role.branch, given_to_role.pinned) == ("nvidia", "580", True)
        assert given_to_role.rollback is None
        assert role_variables(HostState(gpu_driver=given_to_role))["gpu_driver_version"] == "580.95.05"


def test_no_driver_is_installed_where_it_is_left() -> None:
    assert driver(OURS, GpuDriver(pinned=False), None) is None
    assert driver(OURS, GpuDriver(pinned=False), OURS) is None
    assert driver(OURS, replace(OURS, pinned=False), None) is None, "somebody else's packages"


def test_no_engine_is_installed_where_it_is_left() -> None:
    expected = HostState(container_engine=ContainerEngine(package="docker.io", toolkit=True))
    left = under({"container_engine.package"})
    assert as_found(expected, HostState(container_engine=ContainerEngine()), left).container_engine is None
    theirs = HostState(container_engine=ContainerEngine(package="docker-ce"))
    engine = as_found(expected, theirs, left).container_engine
    assert engine and (engine.package, engine.toolkit) == ("docker-ce", True)


def test_a_daemon_that_is_left_is_not_restarted() -> None:
    engine = ContainerEngine(package="docker.io", service=Unit(True, True), nvidia_runtime=True, toolkit=True)
    observed = HostState(container_engine=replace(engine, nvidia_runtime=False))
    left = under({"container_engine.nvidia_runtime"})
    given_to_role = as_found(HostState(container_engine=engine), observed, left)
    assert role_variables(given_to_role)["container_engine_service"] is None


def test_what_is_to_be_taken_away_and_waits_is_given_as_it_is() -> None:
    gone, there = Dropped("off"), {"pcie_aspm": Setting("off", "off")}
    sysctl = {"vm.swappiness": Setting("0", "0")}
    expected = HostState(
        host_tuning=HostTuning(kernel_arguments={"pcie_aspm": Setting(gone, gone)}, sysctl=sysctl)
    )
    host = HostState(host_tuning=HostTuning(kernel_arguments=there, sysctl={}))
    waiting = under(["host_tuning.kernel_arguments"])
    given = role_variables(as_found(expected, host, waiting, host))
    assert given["host_tuning_kernel_arguments"] == {"pcie_aspm": "off"}
    assert given["host_tuning_sysctl"] == {"vm.swappiness": "0"}
    now = role_variables(as_found(expected, host, under(()), host))
    assert now["host_tuning_kernel_arguments"] == {"pcie_aspm": None}


@pytest.mark.parametrize("mark", [Dropped("10m"), Dropped("10m", "50m")])
@pytest.mark.parametrize("left", ["container_engine.daemon[max-size]", "container_engine.daemon"])
def test_a_key_of_daemon_json_that_is_left_is_not_taken_away(mark: Dropped, left: str) -> None:
    engine = ContainerEngine(package="docker.io", toolkit=True, daemon={"max-size": mark})
    host = HostState(container_engine=replace(engine, daemon={"max-size": "10m"}))
    given = role_variables(as_found(HostState(container_engine=engine), host, under([left]), host))
    assert given["container_engine_daemon"] == {"max-size": "10m"}
    unreadable = HostState(container_engine=replace(engine, daemon=Unknown("damaged")))
    half_done = HostState(container_engine=engine)
    given = role_variables(as_found(half_done, unreadable, under([left]), half_done))
    assert given["container_engine_daemon"] == {"max-size": "10m"}
    taken = role_variables(as_found(half_done, host, under(()), host))
    assert taken["container_engine_daemon"] == {"max-size": mark.back}
