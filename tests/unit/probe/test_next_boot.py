"""Which kernel boots next, and whether it has the driver's module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from glmprov.probe.answer import Answer
from glmprov.probe.next_boot import kernel_of, next_line
from glmprov.probe.parse_kernels import (
    SIGNED,
    next_kernel,
    next_kernel_configured,
    next_kernel_module,
    signing_key_enrolled,
)
from glmprov.probe.wanted import GRUB, MOK_LIST
from glmprov.state import Unknown

CASES = Path(__file__).parents[2] / "cases" / "probe" / "next_boot"
MENU = (CASES / "grub.cfg").read_text().splitlines()
NEW, OLD = "6.1.0-49-amd64", "6.1.0-48-amd64"
BUILT = f"/lib/modules/{NEW}/updates/dkms/nvidia.ko"


@pytest.mark.parametrize(
    "case", yaml.safe_load((CASES / "choices.yml").read_text()), ids=lambda case: case["about"]
)
def test_the_entry_that_boots_next(case: dict[str, str]) -> None:
    assert kernel_of(next_line(MENU, case)) == case["kernel"]


def test_a_menu_of_one_level_whose_default_is_a_number() -> None:
    lines = [
        "set default=1",
        "menuentry 'a' {",
        "linux /vmlinuz-1 x",
        "}",
        "menuentry 'b' {",
        "linux /vmlinuz-2 y",
        "}",
    ]
    assert next_line(lines, {}) == "linux /vmlinuz-2 y"


@pytest.mark.parametrize("lines", [[], ["menuentry 'unclosed", "}"], ["}", "}"], ["menuentry 'a' {"]])
def test_a_menu_that_makes_no_sense_names_no_kernel(lines: list[str]) -> None:
    assert next_line(lines, {"saved_entry": "7>x"}) == ""


def answer(**parts: Any) -> Answer:
    given = {
        "lines": {GRUB: MENU},
        "files": {"/boot/grub/grubenv": None},
        "present": [],
        "tails": {},
        "within": {},
    }
    return Answer(given | parts)


def test_without_grub_the_newest_image_boots() -> None:
    images = ["/boot/vmlinuz-6.8.0-9-generic", "/boot/vmlinuz-6.8.0-64-generic"]
    assert next_kernel(answer(lines={GRUB: None}, present=images)) == "6.8.0-64-generic"
    assert next_kernel(answer(lines={GRUB: None})) is None


@pytest.mark.parametrize(
    ("tails", "present", "expected"),
    [
        ({}, [], False),
        ({BUILT: ""}, [], True),
        ({BUILT: ""}, [f"/var/lib/dkms/nvidia/580.95.05/{NEW}/x86_64/module"], True),
        ({BUILT: ""}, [f"/var/lib/dkms/nvidia/570.169/{NEW}/x86_64/module"], False),
        ({BUILT.replace(NEW, OLD): ""}, [], False),
        ({f"/lib/modules/{NEW}/kernel/nvidia-580srv-open/nvidia.ko.zst": ""}, [], True),
        ({f"/lib/modules/{NEW}/kernel/nvidia-595srv-open/nvidia.ko": ""}, [], False),
        ({f"/lib/modules/{NEW}/extra/nvidia.ko.xz": ""}, [], True),
    ],
)
def test_a_module_is_of_this_kernel_and_this_version(
    tails: dict[str, str], present: list[str], expected: bool
) -> None:
    found = next_kernel_module(answer(tails=tails, present=present), "580.95.05", secure_boot=False)
    assert found is expected


@pytest.mark.parametrize(("tail", "expected"), [("x" * 28, False), (SIGNED, True)])
def test_under_secure_boot_a_module_needs_a_signature(tail: str, expected: bool) -> None:
    assert next_kernel_module(answer(tails={BUILT: tail}), "580.95.05", secure_boot=True) is expected


def test_a_compressed_module_is_taken_to_be_signed() -> None:
    assert next_kernel_module(answer(tails={BUILT + ".zst": "x"}), "580.95.05", secure_boot=True) is True


def test_nothing_is_said_of_a_host_without_driver_packages() -> None:
    assert next_kernel_module(answer(), None, secure_boot=False) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, None),
        ({"a": None}, None),
        ({"a": False, "b": None}, False),
        ({"a": False, "b": True}, True),
        ({"a": {"error": "no list"}}, Unknown("no list")),
    ],
)
def test_the_key_that_signs_modules(found: dict[str, Any], expected: Any) -> None:
    assert signing_key_enrolled(answer(within={MOK_LIST: found})) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("install ok installed", True),
        ("hold ok half-configured", False),
        ("install ok unpacked", False),
        ("deinstall ok config-files", None),
    ],
)
def test_a_kernel_that_dpkg_only_unpacked_is_not_configured(status: str, expected: bool | None) -> None:
    rows = [[f"linux-image-{OLD}", "install ok installed", "6.1.1"], [f"linux-image-{NEW}", status, "6.1.2"]]
    images = [f"/boot/vmlinuz-{NEW}", f"/boot/vmlinuz-{OLD}"]
    assert next_kernel_configured(answer(lines={GRUB: None}, present=images, packages=rows)) is expected


def test_of_a_kernel_without_a_package_nobody_says_that_it_is_configured() -> None:
    assert (
        next_kernel_configured(answer(lines={GRUB: None}, present=[f"/boot/vmlinuz-{NEW}"], packages=[]))
        is None
    )
