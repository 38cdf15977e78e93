"""One walk compares every section: what is the same is silent, what differs is named exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.summary import observation, uuid

from glmprov.drift import Verdict, audit, compare, compare_files, written
from glmprov.observation import Observation
from glmprov.plan import HostPlan, build
from glmprov.receipt import Receipt
from glmprov.settings import from_variables
from glmprov.state import (
    SECTIONS,
    ContainerEngine,
    Disruption,
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
    kind_of,
)

HOST = observation(
    {"cards": [{"node": 0}, {"node": 0}, {"node": 1}], "driver": "580.95.05", "engine": "docker.io"}
)
PLAN = build(from_variables("gpu-1", {}), HOST)
FULL = PLAN.expected


@dataclass(frozen=True)
class Place:
    """Where one value of a state lies."""

    section: str
    field: str
    item: str | None = None
    part: str | None = None

    @property
    def key(self) -> str:
        return (
            f"{self.section}.{self.field}"
            + (f"[{self.item}]" if self.item else "")
            + (f".{self.part}" if self.part else "")
        )


def places(state: HostState) -> list[Place]:
    found: list[Place] = []
    for section in SECTIONS:
        content = getattr(state, section)
        for field in fields(content):
            value = getattr(content, field.name)
            if value is None or kind_of(field) not in (Kind.SETTING, Kind.OUTCOME):
                continue
            items = value.items() if isinstance(value, Mapping) else [(None, value)]
            for item, single in items:
                parts = {Setting: ("declared", "effective"), Unit: ("enabled", "active")}.get(
                    type(single), (None,)
                )
                found += [Place(section, field.name, item, part) for part in parts]
    return found


def changed(state: HostState, place: Place, new: Any) -> HostState:
    section = getattr(state, place.section)
    value = getattr(section, place.field)
    single = value[place.item] if place.item else value
    single = replace(single, **{place.part: new}) if place.part else new
    value = {**value, place.item: single} if place.item else single
    return replace(state, **{place.section: replace(section, **{place.field: value})})


OTHERS = st.one_of(
    st.none(), st.text(min_size=3).filter(lambda t: t not in ("nvidia",)), st.integers(1000, 9999)
)


def test_the_same_has_no_difference() -> None:
    assert compare("gpu-1", FULL, FULL) == ()


@given(st.sampled_from(places(FULL)), OTHERS)
def test_a_single_change_is_named_exactly(place: Place, other: Any) -> None:
    found = compare("gpu-1", FULL, changed(FULL, place, other), PLAN.reasons)
    assert [difference.key for difference in found] == [place.key]
    assert found[0].verdict is Verdict.DRIFT
    assert found[0].observed == other
    assert found[0].section == place.section


@given(st.sampled_from(places(FULL)), st.text())
def test_what_cannot_be_read_is_unknown_with_its_reason(place: Place, reason: str) -> None:
    found = compare("gpu-1", FULL, changed(FULL, place, Unknown(reason)))
    assert [(d.key, d.verdict, d.reason) for d in found] == [(place.key, Verdict.UNKNOWN, reason)]


@given(st.lists(st.sampled_from(places(FULL)), unique=True))
def test_several_changes_are_all_named(changes: list[Place]) -> None:
    state = FULL
    for place in changes:
        state = changed(state, place, "something else")
    assert {d.key for d in compare("gpu-1", FULL, state)} == {place.key for place in changes}


@given(st.sampled_from(places(FULL)))
def test_what_is_not_managed_is_not_compared(place: Place) -> None:
    if place.item or place.part:
        return
    assert compare("gpu-1", changed(FULL, place, None), FULL) == ()


def test_an_unmanaged_section_is_not_compared_and_an_unobserved_one_is_unknown() -> None:
    expected = HostState(gpu_driver=GpuDriver(pinned=True))
    assert compare("gpu-1", HostState(), FULL) == ()
    (difference,) = compare("gpu-1", expected, HostState())
    assert difference.verdict is Verdict.UNKNOWN


def test_later_is_neither_right_nor_wrong() -> None:
    expected = HostState(gpu_power=GpuPower(limit_watts=Later("known after the driver is installed")))
    (difference,) = compare("gpu-1", expected, HostState(gpu_power=GpuPower(limit_watts=None)))
    assert (difference.verdict, difference.reason) == (Verdict.LATER, "known after the driver is installed")


def test_a_foreign_key_is_drift_only_where_the_field_is_exact() -> None:
    expected = HostState(nccl_env=NcclEnv(env={}), container_engine=ContainerEngine(daemon={}))
    observed = HostState(
        nccl_env=NcclEnv(env={"NCCL_DEBUG": "INFO"}), container_engine=ContainerEngine(daemon={"debug": True})
    )
    (difference,) = compare("gpu-1", expected, observed)
    assert (difference.key, difference.expected, difference.observed) == (
        "nccl_env.env[NCCL_DEBUG]",
        None,
        "INFO",
    )


@pytest.mark.parametrize(
    ("field", "value", "waits"),
    [
        ("kernel_arguments", {"iommu": Setting("pt", "pt")}, True),
        ("sysctl", {"a.b": Setting("pt", "pt")}, False),
    ],
)
def test_declared_and_not_effective_waits_for_a_reboot_where_one_mends_it(
    field: str, value: Any, waits: bool
) -> None:
    name = next(iter(value))
    expected = HostState(host_tuning=HostTuning(**{field: value}))
    observed = HostState(host_tuning=HostTuning(**{field: {name: Setting("pt", None)}}))
    (difference,) = compare("gpu-1", expected, observed)
    assert (difference.key, difference.pending_reboot) == (f"host_tuning.{field}[{name}].effective", waits)


@pytest.mark.parametrize(
    ("declared", "effective", "found"),
    [
        ("off", "off", {"declared": False, "effective": False}),
        (None, "off", {"effective": True}),
        (None, None, {}),
        ("off", None, {"declared": False}),
    ],
)
def test_what_was_dropped_is_expected_to_be_gone_and_then_waits_for_the_boot(
    declared: str | None, effective: str | None, found: dict[str, bool]
) -> None:
    gone = Dropped("off")
    expected = HostState(host_tuning=HostTuning(kernel_arguments={"a": Setting(gone, gone)}))
    observed = HostState(host_tuning=HostTuning(kernel_arguments={"a": Setting(declared, effective)}))
    differences = compare("gpu-1", expected, observed)
    assert {d.key.rpartition(".")[2]: d.pending_reboot for d in differences} == found
    assert all(d.expected is None and d.observed == "off" for d in differences)


@pytest.mark.parametrize(("now", "told"), [("10m", (None, "10m")), ("50m", (None, "50m")), (None, None)])
def test_a_dropped_key_of_a_mapping_is_expected_to_be_gone(now: str | None, told: Any) -> None:
    differences = _of_daemon(Dropped("10m"), now)
    assert [(d.expected, d.observed) for d in differences] == ([told] if told else [])
    assert all(d.disruption is Disruption.DOCKER and not d.pending_reboot for d in differences)


def test_a_dropped_key_goes_back_to_what_was_before() -> None:
    (difference,) = _of_daemon(Dropped("10m", "50m"), "10m")
    assert (difference.expected, difference.observed) == ("50m", "10m")
    assert not _of_daemon(Dropped("10m", "50m"), "50m")


def _of_daemon(expected: Any, now: Any) -> tuple[Any, ...]:
    there = {} if now is None else {"max-size": now}
    return compare(
        "gpu-1",
        HostState(container_engine=ContainerEngine(daemon={"max-size": expected})),
        HostState(container_engine=ContainerEngine(daemon=there)),
    )


def test_an_installed_driver_that_is_not_loaded_waits_for_a_reboot() -> None:
    expected = HostState(gpu_driver=GpuDriver(version=Setting("580.95.05", "580.95.05")))
    observed = HostState(gpu_driver=GpuDriver(version=Setting("580.95.05", "570.169")))
    (difference,) = compare("gpu-1", expected, observed)
    assert difference.pending_reboot
    assert difference.disruption is Disruption.DRIVER


@pytest.mark.parametrize("shown", ["1", "Y", 1, True])
def test_the_kernel_spells_a_switch_in_several_ways(shown: Any) -> None:
    expected = HostState(host_tuning=HostTuning(module_options={"m.o": Setting("1", "1")}))
    observed = HostState(host_tuning=HostTuning(module_options={"m.o": Setting("1", shown)}))
    assert compare("gpu-1", expected, observed) == ()


@pytest.mark.parametrize(
    "key",
    [
        "gpu_driver.branch",
        "gpu_driver.version",
        f"gpu_power.limit_watts[{uuid(0)}]",
        "host_tuning.sysctl[vm.swappiness]",
    ],
)
def test_a_difference_carries_the_reason_of_its_value(key: str) -> None:
    found = compare("gpu-1", FULL, HostState(*(type(getattr(FULL, s))() for s in SECTIONS)), PLAN.reasons)
    told = [d.reason for d in found if d.key.startswith(key)]
    assert told
    assert set(told) == {PLAN.reasons[key]}


# The audit: declared × applied × effective.


def provisioned(files: Mapping[str, str] | None = None) -> Observation:
    receipt = Receipt("2026-11-22T19:00:00Z", "op", "desk", "0.1.0", FULL, (uuid(0),), files=files or {})
    return replace(HOST, state=FULL, receipt=receipt, files=dict(files or {}))


def test_a_provisioned_host_is_clean() -> None:
    assert audit(provisioned(), PLAN) == ()


def test_a_host_without_a_receipt_was_never_provisioned() -> None:
    found = audit(HOST, PLAN)
    assert {d.verdict for d in found} == {Verdict.PENDING}
    assert {d.reason for d in found} == {"never provisioned"}


@given(st.sampled_from(places(FULL)))
def test_a_change_behind_our_back_is_drift(place: Place) -> None:
    seen = replace(provisioned(), state=changed(FULL, place, "something else"))
    assert [(d.key, d.verdict) for d in audit(seen, PLAN)] == [(place.key, Verdict.DRIFT)]


@given(st.sampled_from(places(FULL)))
def test_a_changed_wish_is_pending_and_not_drift(place: Place) -> None:
    wish = HostPlan("gpu-1", changed(FULL, place, "something else"))
    assert [(d.key, d.verdict) for d in audit(provisioned(), wish)] == [(place.key, Verdict.PENDING)]


def test_a_variable_that_is_no_longer_wanted_is_pending_and_a_foreign_one_is_drift() -> None:
    nothing = replace(FULL, nccl_env=NcclEnv(env={}))
    (pending,) = audit(provisioned(), HostPlan("gpu-1", nothing))
    assert (pending.key, pending.verdict) == ("nccl_env.env[NCCL_P2P_LEVEL]", Verdict.PENDING)
    env = {
        **(FULL.nccl_env.env if FULL.nccl_env and isinstance(FULL.nccl_env.env, Mapping) else {}),
        "NCCL_DEBUG": "INFO",
    }
    seen = replace(provisioned(), state=replace(FULL, nccl_env=NcclEnv(env=env)))
    assert [(d.key, d.verdict) for d in audit(seen, PLAN)] == [("nccl_env.env[NCCL_DEBUG]", Verdict.DRIFT)]


def test_what_the_plan_cannot_know_is_held_against_the_receipt() -> None:
    blind = replace(FULL, gpu_power=GpuPower(limit_watts=Later("known when the driver answers")))
    seen = replace(provisioned(), state=replace(FULL, gpu_power=GpuPower(limit_watts=Unknown("NVML hangs"))))
    (difference,) = audit(seen, HostPlan("gpu-1", blind))
    assert (difference.verdict, difference.reason) == (Verdict.UNKNOWN, "NVML hangs")


def test_a_receipt_that_cannot_be_read_is_unknown() -> None:
    found = audit(replace(provisioned(), receipt=Unknown("no JSON")), PLAN)
    assert [(d.key, d.verdict, d.reason) for d in found] == [("receipt", Verdict.UNKNOWN, "no JSON")]


NCCL = "/etc/glmprov/nccl.env"
DAEMON = "/etc/docker/daemon.json"


def test_an_edited_file_is_told_where_its_values_do_not_tell_it() -> None:
    seen = replace(provisioned({NCCL: "a" * 64}), files={NCCL: "b" * 64})
    (difference,) = audit(seen, PLAN)
    assert (difference.key, difference.verdict) == (f"nccl_env.files[{NCCL}]", Verdict.DRIFT)
    assert difference.section == "nccl_env"


def test_an_edited_value_is_told_once() -> None:
    seen = replace(provisioned({NCCL: "a" * 64}), files={NCCL: "b" * 64})
    seen = replace(seen, state=replace(FULL, nccl_env=NcclEnv(env={"NCCL_P2P_LEVEL": "PIX"})))
    assert [d.key for d in audit(seen, PLAN)] == ["nccl_env.env[NCCL_P2P_LEVEL]"]


@pytest.mark.parametrize(("now", "verdict"), [({}, Verdict.DRIFT), ({NCCL: None}, Verdict.UNKNOWN)])
def test_a_file_that_is_gone_or_cannot_be_read(now: Mapping[str, str | None], verdict: Verdict) -> None:
    (difference,) = compare_files(replace(provisioned({NCCL: "a" * 64}), files=now))
    assert (difference.key, difference.verdict) == (f"nccl_env.files[{NCCL}]", verdict)


@pytest.mark.parametrize(("now", "left"), [("b", 1), ("a", 0), ("c", 0)])
def test_what_a_run_has_written_is_no_drift(now: str, left: int) -> None:
    """It was found edited (b); the run leaves it so, brings back what the receipt knows, or writes something new."""
    seen = replace(provisioned({NCCL: "a" * 64}), files={NCCL: now * 64})
    assert len(compare_files(seen, before={NCCL: "b" * 64})) == left


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/etc/apt/sources.list.d/glmprov-nvidia.sources", "gpu_driver"),
        ("/etc/apt/keyrings/glmprov-toolkit.asc", "container_engine"),
        ("/etc/apt/preferences.d/glmprov-driver", "gpu_driver"),
        ("/usr/local/lib/glmprov/gpu-power", "gpu_power"),
        ("/etc/systemd/system/glmprov-host-tuning.service", "host_tuning"),
        ("/etc/systemd/system/glmprov-device-links.service", "container_engine"),
        ("/etc/modprobe.d/glmprov-nouveau.conf", "gpu_driver"),
        ("/etc/modprobe.d/glmprov.conf", "host_tuning"),
    ],
)
def test_a_file_belongs_to_the_section_that_writes_it(path: str, section: str) -> None:
    (difference,) = compare_files(replace(provisioned({path: "a" * 64}), files={path: "b" * 64}))
    assert difference.section == section


def test_a_shared_file_is_judged_by_its_values() -> None:
    assert compare_files(replace(provisioned({DAEMON: "a" * 64}), files={DAEMON: "b" * 64})) == ()


def test_a_removed_engine_setting_is_drift_even_if_their_options_moved_the_plan() -> None:
    theirs = replace(
        HOST.state.container_engine or ContainerEngine(), daemon={"exec-opts": ["native.umask=normal"]}
    )
    seen = replace(provisioned(), state=replace(FULL, container_engine=theirs))
    plan = build(from_variables("gpu-1", {}), seen)
    found = {d.key: d.verdict for d in audit(seen, plan)}
    assert found["container_engine.daemon[exec-opts]"] is Verdict.DRIFT
    assert found["container_engine.daemon[runtimes.nvidia.path]"] is Verdict.DRIFT


@pytest.mark.parametrize(
    ("now", "before", "kept"),
    [
        ({NCCL: "a" * 64}, {NCCL: "a" * 64}, "a" * 64),
        ({NCCL: "c" * 64}, {NCCL: "b" * 64}, "c" * 64),  # the run wrote it
        ({NCCL: "b" * 64}, {NCCL: "b" * 64}, "a" * 64),  # edited before the run, and not mended
        ({NCCL: None}, {NCCL: None}, "a" * 64),  # a link now
        ({}, {}, "a" * 64),  # gone before the run, and not put back
        ({}, {NCCL: "a" * 64}, None),  # the run took it away
    ],
)
def test_a_receipt_takes_only_what_a_run_wrote_for_ours(
    now: dict[str, str | None], before: dict[str, str | None], kept: str | None
) -> None:
    assert written(replace(provisioned({NCCL: "a" * 64}), files=now), before).get(NCCL) == kept
