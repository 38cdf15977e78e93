from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.probe.texts import by_precedence, cpu_list, modprobe_blocks
from glmprov.report.facts.tree import cpu_ranges

CPUS = st.sets(st.integers(0, 8191), max_size=300).map(lambda cpus: tuple(sorted(cpus)))


@given(CPUS)
def test_a_cpu_list_is_read_back_as_it_was(cpus: tuple[int, ...]) -> None:
    assert cpu_list(cpu_ranges(cpus) + "\n") == cpus


def test_holes_stay_holes() -> None:
    cpus = cpu_list("64-127,192-238,240-255\n")
    assert 239 not in cpus
    assert len(cpus) == 127


def test_no_cpus() -> None:
    assert cpu_list("\n") == ()


@pytest.mark.parametrize("text", ["0-", "a", "1;2"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        cpu_list(text)


def test_a_file_in_etc_hides_its_namesake_in_usr_and_names_give_the_order() -> None:
    files = {
        "/usr/lib/sysctl.d/50-a.conf": "vendor",
        "/etc/sysctl.d/50-a.conf": "admin",
        "/etc/sysctl.d/10-b.conf": "b",
    }
    read = by_precedence(files, ("/etc/sysctl.d", "/run/sysctl.d", "/usr/lib/sysctl.d"))
    assert list(read.values()) == ["b", "admin"]


@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("blacklist nouveau\noptions nouveau modeset=0\n", True),
        ("install nouveau /bin/false\n", True),
        ("# blacklist nouveau\n", False),
        ("blacklist nouveaux\n", False),
    ],
)
def test_nouveau(text: str, blocked: bool) -> None:
    assert modprobe_blocks(text, "nouveau") is blocked
