"""What goes back, what stays and why, from what a receipt recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.summary import observation, uuid

from glmprov import undo
from glmprov.actions.provision.work import Work
from glmprov.actions.revert import reviewer, what_is_left
from glmprov.drift import Difference, Verdict
from glmprov.errors import PlanError
from glmprov.inventory import Host
from glmprov.observation import Observation
from glmprov.receipt import Packages, Receipt, from_json, packages_from_json, to_json
from glmprov.results.facts import HostFacts
from glmprov.settings import from_variables
from glmprov.state import (
    ContainerEngine,
    Disruption,
    GpuPower,
    HostState,
    HostTuning,
    NcclEnv,
    Setting,
    Unknown,
)
from glmprov.undo.keys import parse, value_at

SYSCTL = "host_tuning.sysctl[vm.swappiness]"
LIMIT = f"gpu_power.limit_watts[{uuid(0)}]"
CONF, PROGRAM = "/etc/glmprov/gpu-power.conf", "/usr/local/lib/glmprov/gpu-power"
UNIT = "/etc/systemd/system/glmprov-gpu-power.service"
SYSCTL_CONF, GRUB = "/etc/sysctl.d/90-glmprov.conf", "/etc/default/grub.d/90-glmprov.cfg"
ALL = undo.Wanted()


def host(
    before: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
    now: Mapping[str, str | None] | None = None,
    packages: Packages | Unknown | None = None,
) -> Observation:
    """A host with one card and 400 W, swappiness 0 and iommu=pt, of which the receipt knows what was before."""
    seen = observation({"cards": [{"limit": 400}], "driver": "580.95.05", "engine": "docker.io"})
    tuning = HostTuning(
        sysctl={"vm.swappiness": Setting("0", "0")},
        kernel_arguments={"iommu": Setting("pt", "pt")},
        cpu_governor=Setting("performance", "performance"),
    )
    power = GpuPower(limit_watts={uuid(0): Setting(400, 400)}, persistence_mode={uuid(0): True})
    state = replace(
        seen.state, host_tuning=tuning, gpu_power=power, nccl_env=NcclEnv(env={"NCCL_DEBUG": "INFO"})
    )
    written = dict(files or {})
    receipt = Receipt("2026-11-22T19:00:00Z", "op", "desk", "0.1.0", state, files=written, before=before)
    return replace(
        seen,
        state=state,
        receipt=receipt,
        files={**written, **(now or {})},
        packages=packages or Packages(),
    )


def found(
    seen: Observation, wanted: undo.Wanted = ALL, left: frozenset[str] = frozenset()
) -> dict[str, Difference]:
    return {each.key: each for each in undo.build(seen, wanted, left.__contains__).differences}


def stays(seen: Observation, wanted: undo.Wanted = ALL, left: frozenset[str] = frozenset()) -> str:
    return "\n".join(undo.build(seen, wanted, left.__contains__).stays)


@pytest.mark.parametrize(
    ("key", "back", "now"),
    [
        (f"{LIMIT}.effective", 500, 400),
        (f"{LIMIT}.declared", None, 400),
        (f"{SYSCTL}.effective", "60", "0"),
        ("host_tuning.cpu_governor.effective", "schedutil", "performance"),
        (f"gpu_power.persistence_mode[{uuid(0)}]", False, True),
        ("nccl_env.env[NCCL_DEBUG]", None, "INFO"),
    ],
)
def test_a_key_goes_back_to_what_it_was(key: str, back: Any, now: Any) -> None:
    (difference,) = found(host({key: back})).values()
    assert (difference.key, difference.expected, difference.observed) == (key, back, now)
    assert difference.verdict is Verdict.DRIFT and not difference.pending_reboot


def test_a_key_that_is_as_it_was_is_no_difference() -> None:
    assert found(host({f"{SYSCTL}.effective": "0", f"{LIMIT}.effective": 400})) == {}


def test_a_key_that_nobody_changed_is_left_alone() -> None:
    assert found(host({})) == {}


def test_what_is_in_force_waits_for_the_boot_once_it_is_no_longer_declared() -> None:
    keys = {f"host_tuning.kernel_arguments[iommu].{part}": None for part in ("declared", "effective")}
    seen = host(keys)
    assert {key: each.pending_reboot for key, each in found(seen).items()} == dict.fromkeys(keys, False)
    tuning = HostTuning(kernel_arguments={"iommu": Setting(None, "pt")})
    (left,) = found(replace(seen, state=replace(seen.state, host_tuning=tuning))).values()
    assert left.key.endswith(".effective") and left.pending_reboot
    assert left.disruption is Disruption.REBOOT


def test_a_card_that_is_gone_keeps_nobody_from_going_on() -> None:
    gone = f"gpu_power.limit_watts[{uuid(7)}].effective"
    seen = host({gone: 600, f"{LIMIT}.effective": 600})
    assert list(found(seen)) == [f"{LIMIT}.effective"]
    assert f"{gone} stays: the card is gone" in stays(seen)


@pytest.mark.parametrize(
    ("now", "before", "back"),
    [
        (["native.cgroupdriver=cgroupfs", "isolation=x"], None, ["isolation=x"]),
        (["native.cgroupdriver=cgroupfs"], None, None),
        (
            ["isolation=x", "native.cgroupdriver=cgroupfs"],
            ["native.umask=n"],
            ["isolation=x", "native.umask=n"],
        ),
    ],
)
def test_items_that_others_added_to_a_list_stay(now: list[str], before: list[str] | None, back: Any) -> None:
    key = "container_engine.daemon[exec-opts]"
    seen = host({key: before})
    assert isinstance(seen.receipt, Receipt)
    ours = ContainerEngine(daemon={"exec-opts": ["native.cgroupdriver=cgroupfs"]})
    receipt = replace(seen.receipt, expected=replace(seen.receipt.expected, container_engine=ours))
    state = replace(seen.state, container_engine=replace(ours, daemon={"exec-opts": now}))
    seen = replace(seen, state=state, receipt=receipt)
    (difference,) = found(seen).values()
    assert (difference.key, difference.expected, difference.observed) == (key, back, now)
    said = f"{key} keeps isolation=x: somebody else added it" if "isolation=x" in now else ""
    assert (
        stays(seen) == said
        and stays(seen, left=frozenset({key})) == f"{key} stays: it is left to others (manage)"
    )


def test_what_could_not_be_read_before_stays() -> None:
    seen = host({f"{SYSCTL}.effective": {"unknown": "no permission"}})
    assert found(seen) == {}
    assert "could not be read (no permission)" in stays(seen)


def test_what_cannot_be_read_now_is_unknown() -> None:
    seen = host({f"{LIMIT}.effective": 600})
    blind = replace(seen.state, gpu_power=GpuPower(limit_watts=Unknown("NVML hangs")))
    (difference,) = found(replace(seen, state=blind)).values()
    assert (difference.verdict, difference.reason) == (Verdict.UNKNOWN, "NVML hangs")


def test_only_the_sections_that_are_asked_for() -> None:
    seen = host(
        {f"{SYSCTL}.effective": "60", f"{LIMIT}.effective": 600}, {CONF: "a" * 64, SYSCTL_CONF: "b" * 64}
    )
    assert set(found(seen, undo.Wanted(("gpu_power",)))) == {f"{LIMIT}.effective", f"gpu_power.files[{CONF}]"}


# Files.


def test_a_file_of_ours_goes_with_the_disruption_of_what_it_carries() -> None:
    differences = found(host({}, {SYSCTL_CONF: "a" * 64, GRUB: "b" * 64}))
    assert {key: each.disruption for key, each in differences.items()} == {
        f"host_tuning.files[{SYSCTL_CONF}]": Disruption.NONE,
        f"host_tuning.files[{GRUB}]": Disruption.REBOOT,
    }


def test_a_file_that_is_gone_is_nothing_to_do() -> None:
    seen = host({}, {SYSCTL_CONF: "a" * 64})
    assert found(replace(seen, files={})) == {}


@pytest.mark.parametrize(
    ("now", "why"), [("c" * 64, "edited since 2026-11-22"), (None, "can't be read, or is a link")]
)
def test_a_file_that_somebody_edited_stays_with_its_values(now: str | None, why: str) -> None:
    seen = host(
        {f"{SYSCTL}.effective": "60", f"{SYSCTL}.declared": None}, {SYSCTL_CONF: "a" * 64}, {SYSCTL_CONF: now}
    )
    assert found(seen) == {}
    assert f"{SYSCTL_CONF} stays: " in stays(seen) and why in stays(seen)


def test_a_boot_unit_stays_or_goes_with_its_program_and_its_settings() -> None:
    written = {CONF: "a" * 64, PROGRAM: "b" * 64, UNIT: "c" * 64}
    before = {f"{LIMIT}.declared": None, "gpu_power.boot_unit.enabled": None, f"{LIMIT}.effective": 600}
    assert len(found(host(before, written))) == 5
    seen = host(before, written, {PROGRAM: "d" * 64})
    assert found(seen) == {}
    assert f"{UNIT} stays: it belongs to {PROGRAM}" in stays(seen)


def test_files_that_are_not_ours_are_not_named() -> None:
    seen = host({}, {"/etc/docker/daemon.json": "a" * 64, "/etc/glmprov/notes.txt": "b" * 64})
    assert found(seen) == {}


# The boundary: what is left to others.


def test_what_is_left_to_others_is_not_touched_and_neither_is_its_file() -> None:
    seen = host({f"{SYSCTL}.effective": "60", f"{LIMIT}.effective": 600}, {SYSCTL_CONF: "a" * 64})
    left = frozenset({f"{SYSCTL}.effective"})
    assert set(found(seen, left=left)) == {f"{LIMIT}.effective"}
    assert f"{SYSCTL_CONF} stays: host_tuning.sysctl is left to others (manage)" in stays(seen, left=left)


def test_the_inventory_says_what_is_left_to_others() -> None:
    seen = host({f"{SYSCTL}.effective": "60", f"{LIMIT}.effective": 600})
    settings = from_variables("gpu-1", {"host_tuning_manage": "audit"})
    review = reviewer(ALL)(HostFacts("gpu-1", seen), settings, lambda *_: ())
    assert [each.key for each in review.differences] == [f"{LIMIT}.effective"]


# Packages.

OURS = Packages(
    {
        "docker.io": None,
        "nvidia-driver-cuda": None,
        "nvidia-kernel-open-dkms": None,
        "dkms": None,
        "libcuda1": "570.1-1",
    },
    ("nvidia-driver-cuda",),
    {"/etc/apt/sources.list.d/glmprov-nvidia.sources": "e" * 64},
)


def test_packages_stay_unless_they_are_asked_for() -> None:
    seen = host({"gpu_driver.branch": None, "container_engine.service.active": None}, packages=OURS)
    assert found(seen) == {}
    assert "docker.io, nvidia-driver-cuda, nvidia-kernel-open-dkms, dkms, libcuda1" in stays(seen)


def test_packages_go_back_with_what_they_brought() -> None:
    source = "/etc/apt/sources.list.d/glmprov-nvidia.sources"
    seen = host({"gpu_driver.branch": None, f"{LIMIT}.effective": 600}, now={source: "e" * 64}, packages=OURS)
    differences = found(seen, undo.Wanted(packages=True))
    assert {key: each.disruption for key, each in differences.items() if key.startswith("packages[")} == {
        "packages[docker.io]": Disruption.DOCKER,
        "packages[nvidia-driver-cuda]": Disruption.DRIVER,
        "packages[nvidia-kernel-open-dkms]": Disruption.DRIVER,
        "packages[dkms]": Disruption.DRIVER,
        "packages[libcuda1]": Disruption.DRIVER,
    }
    assert differences["packages[libcuda1]"].expected == "570.1-1"
    assert f"gpu_driver.files[{source}]" in differences
    assert "gpu_driver.version.effective" in differences, "the driver that we brought is gone after a boot"
    assert not any(key.startswith(LIMIT) for key in differences), "limits go with the driver"


def test_on_the_second_look_the_driver_waits_for_the_boot_and_nobody_asks_for_its_cards() -> None:
    seen = host({f"{LIMIT}.effective": 600, f"{LIMIT}.declared": None})
    assert isinstance(seen.receipt, Receipt) and seen.state.gpu_driver
    state = replace(
        seen.state,
        gpu_driver=replace(seen.state.gpu_driver, version=Setting(None, "580.95.05")),
        gpu_power=GpuPower(limit_watts=Unknown("libnvidia-ml.so.1 is not installed")),
    )
    after = replace(seen, state=state, receipt=replace(seen.receipt, installed=OURS.before))
    (left,) = found(after, undo.Wanted(packages=True)).values()
    assert (left.key, left.pending_reboot) == ("gpu_driver.version.effective", True)


def test_a_hold_goes_where_it_is_still_there() -> None:
    seen = host({}, packages=OURS)
    held = (
        replace(seen.state.gpu_driver, held={"nvidia-driver-cuda": True}) if seen.state.gpu_driver else None
    )
    assert "gpu_driver.held[nvidia-driver-cuda]" in found(
        replace(seen, state=replace(seen.state, gpu_driver=held))
    )
    assert found(seen) == {}


def test_a_unit_that_was_there_before_goes_back_without_its_package() -> None:
    keys = ("gpu_driver.persistence_daemon.enabled", "container_engine.service.enabled")
    assert set(found(host(dict.fromkeys(keys, False)))) == {keys[0]}
    assert found(host(dict.fromkeys(keys, None))) == {}


def test_packages_go_without_a_receipt_too() -> None:
    seen = replace(host({}, packages=OURS), receipt=None)
    assert set(found(seen, undo.Wanted(packages=True))) >= {"packages[docker.io]", "packages[dkms]"}
    assert "nothing to revert" in stays(seen) and "docker.io" in stays(seen)


@pytest.mark.parametrize("text", ["[]", "3", '{"packages": []}', '{"holds": {}}', "{"])
def test_a_damaged_record_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        packages_from_json(text)


# What can't be known.


@pytest.mark.parametrize("part", ["receipt", "packages"])
def test_nothing_is_taken_back_where_nobody_knows_what_was_done(part: str) -> None:
    seen = replace(host({f"{SYSCTL}.effective": "60"}), **{part: Unknown("it was edited by hand")})
    with pytest.raises(PlanError, match="edited by hand") as caught:
        undo.build(seen, ALL)
    assert caught.value.next_step


def test_a_receipt_tells_that_somebody_edited_it() -> None:
    receipt = host({f"{SYSCTL}.effective": "60"}).receipt
    assert isinstance(receipt, Receipt)
    text = to_json(receipt)
    assert from_json(text) == receipt
    assert from_json(text.replace("\n", " ")) == receipt, "its form doesn't matter"
    with pytest.raises(ValueError, match="edited by hand"):
        from_json(text.replace('"60"', '"61"'))


# The receipt that is left.


def test_the_receipt_goes_when_nothing_is_left() -> None:
    receipt = host({f"{SYSCTL}.effective": "60"}, {CONF: "a" * 64}).receipt
    assert isinstance(receipt, Receipt)
    assert what_is_left(receipt, [], ALL) is None


def test_the_receipt_keeps_the_sections_that_are_left() -> None:
    receipt = host(
        {f"{SYSCTL}.effective": "60", f"{LIMIT}.effective": 600}, {CONF: "a" * 64, SYSCTL_CONF: "b" * 64}
    ).receipt
    assert isinstance(receipt, Receipt)
    left = what_is_left(receipt, [], undo.Wanted(("gpu_power",)))
    assert left and left.expected.gpu_power is None and left.expected.host_tuning
    assert left.before == {f"{SYSCTL}.effective": "60"}
    assert left.files == {SYSCTL_CONF: "b" * 64}


# Keys.


@given(st.text(min_size=1), st.sampled_from(["declared", "effective"]))
def test_any_item_is_found_again_by_its_key(item: str, part: str) -> None:
    state = HostState(host_tuning=HostTuning(sysctl={item: Setting("a", "b")}))
    key = parse(f"host_tuning.sysctl[{item}].{part}")
    assert key and value_at(state, key) == {"declared": "a", "effective": "b"}[part]


@pytest.mark.parametrize(
    "text", ["receipt", "nowhere.field", "gpu_power.nothing", "gpu_driver.files[/etc/x]", ""]
)
def test_a_key_of_no_field_is_none(text: str) -> None:
    assert parse(text) is None


def test_a_drop_in_for_a_unit_of_ours_is_its_owners() -> None:
    assert found(host({}, {"/etc/systemd/system/glmprov-gpu-power.service.d/override.conf": "a" * 64})) == {}


def test_nothing_waits_where_nothing_serves_and_docker_waits_for_every_container() -> None:
    seen = replace(
        host({"container_engine.daemon[exec-opts]": None, f"{SYSCTL}.effective": "60"}), containers=("web",)
    )
    engine = (
        replace(seen.state.container_engine, daemon={"exec-opts": ["a"]})
        if seen.state.container_engine
        else None
    )
    seen = replace(seen, state=replace(seen.state, container_engine=engine))
    settings = from_variables("gpu-1", {})
    works = {}
    for name, each in {"quiet": replace(seen, containers=()), "busy": seen}.items():
        works[name] = Work(
            Host("gpu-1", {}), reviewer(ALL)(HostFacts("gpu-1", each), settings, lambda *_: ())
        )
    assert not works["quiet"].waiting
    assert [each.key for each in works["busy"].waiting] == ["container_engine.daemon[exec-opts]"]
    assert [each.key for each in works["busy"].actionable] == [f"{SYSCTL}.effective"]
    assert works["busy"].serving == ("container web",)
