"""The names of a driver's packages: probe and role take the same ones for it, and a change of names moves all."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from glmprov.probe.driver_packages import FAMILY, KERNEL_META
from tests.roles.modules import ROLES, load

choice = load("glmprov_choice")
kept = load("glmprov_kept")

VARS: dict[str, Any] = yaml.safe_load((ROLES / "gpu_driver/vars/main.yml").read_text())
SET, META = VARS["__gpu_driver_names"].strip(), VARS["__gpu_driver_kernel_meta"].strip()
MODULES = "^linux-(modules|objects|signatures)-nvidia-"
NAMES = {
    "driver": (
        "nvidia-driver-cuda nvidia-kernel-open-dkms libnvidia-ml1 libcuda1 nvidia-dkms-580-open nvidia-firmware-580 "
        "nvidia-headless-no-dkms-580-server-open libnvidia-compute nvidia-modprobe cuda-drivers "
        "linux-modules-nvidia-580-server-open-6.8.0-88-generic linux-objects-nvidia-580-server-open-6.8.0-88-generic"
    ),
    "kernel": (
        "linux-image-amd64 linux-headers-amd64 linux-image-cloud-amd64 linux-generic linux-image-generic "
        "linux-headers-generic-hwe-24.04 linux-generic-hwe-24.04 linux-image-generic-6.17 linux-virtual"
        " linux-nvidia-hwe-24.04"
    ),
    "neither": (
        "nvidia-container-toolkit libnvidia-container1 nvidia-driver-pinning-580 linux-image-6.1.0-48-amd64 linux-base "
        "linux-headers-6.8.0-88-generic linux-modules-6.8.0-88-generic linux-libc-dev linux-tools-generic"
        " libnvme1 docker.io"
    ),
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names.split()]
)
def test_probe_and_role_agree_on_a_name(kind: str, name: str) -> None:
    assert (
        bool(FAMILY.match(name))
        is bool(re.search(SET, name) or re.search(MODULES, name))
        is (kind == "driver")
    )
    assert bool(KERNEL_META.fullmatch(name)) is bool(re.search(META, name)) is (kind == "kernel")


class Archive:
    """What a source offers: {name: {version: dependencies}}."""

    def __init__(self, offers: dict[str, dict[str, str]]) -> None:
        self.offers = offers

    def versions(self, name: str) -> list[str]:
        return list(self.offers.get(name, {}))

    def needs(self, name: str, version: str) -> set[str]:
        return set(self.offers[name][version].split())

    def depends(self, name: str, version: str) -> list[Any]:
        return []

    def admits(self, name: str, version: str, chosen: dict[str, str]) -> bool:
        return self.offers.get(name, {}).get(version, "") in ("", *chosen.values())


def wanted(branch: str, *names: str, version: str = "") -> Any:
    asked = {"packages": [], "names": names, "version": version, "branch": branch, "set": SET, "absent": ""}
    return choice.Wanted({**asked, "family": SET + "|" + MODULES})


def test_a_transition_to_another_branch_is_refused() -> None:
    name = "nvidia-headless-no-dkms-590-server-open"
    archive = Archive({name: {"595.58.03-0ubuntu0.24.04.1": "libc6 nvidia-headless-no-dkms-595-server-open"}})
    with pytest.raises(
        choice.OtherBranchError, match="would install nvidia-headless-no-dkms-595-server-open"
    ):
        choice.request(archive, wanted("590", name), {})


def test_names_with_a_branch_give_way_to_names_without() -> None:
    new = ("libnvidia-compute", "nvidia-dkms-open")
    archive = Archive({name: {"595.58.03-1ubuntu1": ""} for name in (*new, "nvidia-modprobe")})
    old = dict.fromkeys(
        ("libnvidia-compute-580", "nvidia-dkms-580-open", "nvidia-modprobe"), "580.105.08-1ubuntu1"
    )
    assert sorted(choice.request(archive, wanted("595", *new), old)) == [
        "libnvidia-compute-580-",
        "libnvidia-compute=595.58.03-1ubuntu1",
        "nvidia-dkms-580-open-",
        "nvidia-dkms-open=595.58.03-1ubuntu1",
        "nvidia-modprobe=595.58.03-1ubuntu1",
    ]


def test_prebuilt_modules_are_those_of_the_driver() -> None:
    modules, utils = "linux-modules-nvidia-580-server-open-6.8.0-88-generic", "nvidia-utils-580-server"
    archive = Archive(
        {
            modules: {
                "6.8.0-88.89+1": "580.105.08-0ubuntu0.24.04.1",
                "6.8.0-88.89": "580.95.05-0ubuntu0.24.04.1",
            },
            utils: {"580.105.08-0ubuntu0.24.04.1": "", "580.95.05-0ubuntu0.24.04.1": ""},
        }
    )
    asked = choice.request(archive, wanted("580", modules, utils, version="580.95.05"), {})
    assert asked == [f"{modules}=6.8.0-88.89", f"{utils}=580.95.05-0ubuntu0.24.04.1"]


FOREIGN = {
    "nvidia": r"^linux-(modules|objects|signatures)-nvidia-| .*-0ubuntu0[.][0-9]",
    "ubuntu": r"^(?!linux-)[^ ]+ (?!.*-0ubuntu0[.][0-9])",
}
ARCHIVES = {
    "libnvidia-compute-580-server": "580.105.08-0ubuntu0.24.04.1",
    "nvidia-headless-no-dkms-580-server-open": "580.105.08-0ubuntu0.24.04.1",
    "nvidia-modprobe": "595.58.03-0ubuntu0.24.04.1",
    "linux-modules-nvidia-580-server-open-6.8.0-88-generic": "6.8.0-88.89+1",
    "linux-objects-nvidia-580-server-open-6.8.0-88-generic": "6.8.0-88.89+1",
}
NVIDIAS = {
    "libnvidia-compute-580": "580.105.08-1ubuntu1",
    "nvidia-dkms-580-open": "580.105.08-1ubuntu1",
    "nvidia-modprobe": "580.105.08-1ubuntu1",
    "nvidia-driver-pinning-580": "580-1",
}


def from_source(source: str, *names: str) -> Any:
    """What the role asks for of a source on Ubuntu."""
    shared = "pinning)|nvidia-(modprobe|settings|prime)$" if source == "ubuntu" else "pinning)"
    return choice.Wanted(
        {
            "packages": [],
            "names": names,
            "version": "",
            "branch": "580",
            "set": SET.replace("pinning)", shared),
            "absent": "",
            "family": f"{SET.replace('pinning)', shared)}|^nvidia-driver-pinning-|{MODULES}",
            "foreign": FOREIGN[source],
            "shared": "^nvidia-modprobe$",
        }
    )


BOTH = Archive(
    {
        "libnvidia-compute-580": {"580.105.08-1ubuntu1": "nvidia-modprobe"},
        "nvidia-dkms-580-open": {"580.105.08-1ubuntu1": ""},
        "libnvidia-compute-580-server": {"580.105.08-0ubuntu0.24.04.1": "nvidia-modprobe"},
        "nvidia-modprobe": {
            "595.58.03-1ubuntu1": "",
            "595.58.03-0ubuntu0.24.04.1": "",
            "580.105.08-1ubuntu1": "",
        },
    }
)


def test_the_role_tells_the_sources_apart_as_the_test_does() -> None:
    for source, pattern in FOREIGN.items():
        assert pattern in VARS["__gpu_driver_foreign"], source


def test_the_archives_packages_give_way_to_nvidias_of_the_same_version() -> None:
    asked = choice.request(
        BOTH, from_source("nvidia", "libnvidia-compute-580", "nvidia-dkms-580-open"), ARCHIVES
    )
    assert sorted(asked) == [
        "libnvidia-compute-580-server-",
        "libnvidia-compute-580=580.105.08-1ubuntu1",
        "linux-modules-nvidia-580-server-open-6.8.0-88-generic-",
        "linux-objects-nvidia-580-server-open-6.8.0-88-generic-",
        "nvidia-dkms-580-open=580.105.08-1ubuntu1",
        "nvidia-headless-no-dkms-580-server-open-",
        "nvidia-modprobe=580.105.08-1ubuntu1",
    ]


def test_nvidias_packages_and_their_pin_give_way_to_the_archives() -> None:
    asked = choice.request(BOTH, from_source("ubuntu", "libnvidia-compute-580-server"), NVIDIAS)
    assert sorted(asked) == [
        "libnvidia-compute-580-",
        "libnvidia-compute-580-server=580.105.08-0ubuntu0.24.04.1",
        "nvidia-dkms-580-open-",
        "nvidia-driver-pinning-580-",
        "nvidia-modprobe=595.58.03-0ubuntu0.24.04.1",
    ]


def test_what_the_new_source_does_not_have_and_needs_stays() -> None:
    own = ["595.58.03-1ubuntu1", "580.105.08-1ubuntu1"]
    offers = {**BOTH.offers, "nvidia-modprobe": dict.fromkeys(own, "")}
    asked = choice.request(Archive(offers), from_source("ubuntu", "libnvidia-compute-580-server"), NVIDIAS)
    assert not [each for each in asked if "modprobe" in each]


def test_one_package_of_another_source_is_no_change_of_source() -> None:
    mixed = {**ARCHIVES, "nvidia-modprobe": "580.105.08-1ubuntu1"}
    assert not from_source("ubuntu").changes_source(mixed)
    assert from_source("nvidia").changes_source(mixed)


class Record:
    """What is kept of a version, in place of the host's folder."""

    def __init__(self, **packages: str) -> None:
        self.packages = packages

    def recorded(self, version: str) -> dict[str, str]:
        return self.packages


def test_a_change_of_source_that_was_cut_off_keeps_what_was_there_before_it() -> None:
    half = {**ARCHIVES, "libnvidia-compute-580": "580.105.08-1ubuntu1"}
    del half["libnvidia-compute-580-server"]
    assert kept.to_keep(from_source("nvidia"), half, Record(**ARCHIVES)) == ARCHIVES


def test_what_was_kept_of_the_other_source_is_not_mixed_with_what_is_there() -> None:
    assert kept.to_keep(from_source("ubuntu"), NVIDIAS, Record(**ARCHIVES)) == NVIDIAS
    upgrade = wanted("595")
    upgrade.is_foreign = from_source("nvidia").is_foreign
    assert kept.to_keep(upgrade, NVIDIAS, Record(**ARCHIVES)).keys() == NVIDIAS.keys() - {
        "nvidia-driver-pinning-580"
    }


def test_a_source_of_ours_stays_while_other_packages_come_from_it_alone() -> None:
    absent = load("glmprov_repository_absent")

    class Host:
        def installed(self) -> dict[str, str]:
            return {"cuda-toolkit-13": "13.0.1-1", "libc6": "2.39", "nvidia-modprobe": "580.105.08-1ubuntu1"}

        def offered_by(self, source: str) -> dict[str, set[str]]:
            return {
                "cuda-toolkit-13": {"13.0.0-1", "13.0.1-1"},
                "libc6": {"2.39"},
                "nvidia-modprobe": {"580.105.08-1ubuntu1"},
            }

        def sources_of(self, name: str, version: str) -> int:
            return 2 if name == "libc6" else 1

    assert absent.needed_by(Host(), "glmprov-nvidia.sources", "^nvidia-") == ["cuda-toolkit-13"]
