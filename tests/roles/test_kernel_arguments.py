"""The kernel's command line: ours is set, everything else stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.roles.modules import load

kernel = load("kernel_arguments")
CASES = sorted((Path(__file__).parents[1] / "cases/roles/kernel_line").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_line_is_merged(path: Path) -> None:
    case = json.loads(path.read_text())
    assert kernel.merge(case["line"], case["arguments"]) == case["merged"]
    assert kernel.missing(case["line"], case["arguments"]) == case["missing"]
    assert kernel.missing(case["merged"], case["arguments"]) == []


words = st.from_regex(r"[a-z_.]{1,8}(=[a-z0-9,:/]{0,8})?", fullmatch=True)


@given(st.lists(words, max_size=8), words)
def test_other_arguments_stay_in_their_order(line: list[str], ours: str) -> None:
    name, _, value = ours.partition("=")
    merged = kernel.merge(" ".join(line), {name: value}).split()
    assert [w for w in merged if w.partition("=")[0] != name] == [
        w for w in line if w.partition("=")[0] != name
    ]
    assert kernel.missing(" ".join(merged), {name: value}) == []


@given(st.lists(words, max_size=8), words)
def test_an_argument_is_taken_out_and_the_others_stay_byte_for_byte(line: list[str], ours: str) -> None:
    name = ours.partition("=")[0]
    others = [word for word in line if word.partition("=")[0] != name]
    assert kernel.without("  ".join([*others, ours]), {name}) == "  ".join(others)
    assert kernel.without("  ".join([ours, *others]), {name}) == "  ".join(others)
    assert kernel.without("  ".join(others), {name}) == "  ".join(others)
    assert kernel.without("  ".join(line), set()) == "  ".join(line)


BEFORE = "root=/dev/sda1  ro  iommu=pt quiet\n"


class Host:
    """A host without any tool that would pass a command line on."""

    check_mode = False

    def get_bin_path(self, _name: str) -> None:
        return None


@pytest.mark.parametrize(
    ("arguments", "gone", "after"),
    [
        ({}, {"iommu"}, "root=/dev/sda1  ro  quiet\n"),
        ({"iommu": "pt"}, set(), "root=/dev/sda1  ro  iommu=pt quiet\n"),
        ({"iommu": "pt"}, {"quiet"}, "root=/dev/sda1  ro  iommu=pt\n"),
        ({"nosmt": ""}, {"iommu"}, "root=/dev/sda1  ro  quiet nosmt\n"),
    ],
)
def test_without_grub_only_what_is_named_changes(
    arguments: dict[str, str], gone: set[str], after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cmdline = tmp_path / "cmdline"
    cmdline.write_text(BEFORE)
    monkeypatch.setattr(kernel, "CMDLINE", str(cmdline))
    changes = kernel.through_cmdline(Host(), arguments, gone)
    assert (cmdline.read_text(), bool(changes)) == (after, after != BEFORE)
    assert kernel.through_cmdline(Host(), arguments, gone) == []


# GRUB's own files can't hold quotes inside these values either.
@pytest.mark.parametrize("path", [p for p in CASES if p.stem != "quoted-spaces"], ids=lambda path: path.stem)
def test_grub_reads_our_drop_in_as_a_shell_does(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text())
    drop_in = tmp_path / "90-glmprov.cfg"
    drop_in.write_text(kernel.drop_in(case["arguments"]))
    script = f'set -e; GRUB_CMDLINE_LINUX="" GRUB_CMDLINE_LINUX_DEFAULT="{case["line"]}"; . {drop_in}; '
    script += 'echo "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"'
    line = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout
    assert kernel.missing(line, case["arguments"]) == []
    assert sorted(line.split()) == sorted(case["merged"].split())


def test_the_entry_that_boots_by_default_counts() -> None:
    menu = "menuentry 'a' {\n\tlinux\t/vmlinuz-6.1 root=/dev/sda1 ro iommu=pt\n}\nlinux /vmlinuz-6.1 single\n"
    assert kernel.first_linux_line(menu) == "root=/dev/sda1 ro iommu=pt"
    assert kernel.first_linux_line(None) == ""
