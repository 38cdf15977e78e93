"""Words as systemd and Docker read them."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmprov.instance.quoting import docker_environment_file, environment_file, exec_word
from glmprov.instance.ranges import ranges


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("--port", "--port"),
        ("", '""'),
        ("a b", '"a b"'),
        ("50%", '"50%%"'),
        ("$HOME", '"$$HOME"'),
        ('"device=GPU-a,GPU-b"', '"\\"device=GPU-a,GPU-b\\""'),
        ("a\\b", '"a\\\\b"'),
        (";", '";"'),
        ("one\ntwo", '"one\\ntwo"'),
        ('{"method":"mtp","n":1}', '"{\\"method\\":\\"mtp\\",\\"n\\":1}"'),
        ("it's", '"it\'s"'),
    ],
)
def test_a_word_of_an_exec_line(word: str, written: str) -> None:
    assert exec_word(word) == written


def test_environment_files() -> None:
    assert environment_file({"A": 'a "b" $c `d` \\'}) == 'A="a \\"b\\" \\$c \\`d\\` \\\\"\n'
    assert docker_environment_file({"A": 'a "b" $c'}) == 'A=a "b" $c\n'
    with pytest.raises(ValueError, match="A: Docker"):
        docker_environment_file({"A": "a\nb"})


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["A", "B_1"]), st.text(st.characters(codec="utf-8", exclude_categories=["C"]))
    )
)
def test_a_shell_reads_what_an_environment_file_says(tmp: dict[str, str]) -> None:
    """EnvironmentFile= is a subset of the shell's assignments, so the shell is a second reader of it."""
    script = environment_file(tmp) + "".join(f'printf "%s\\0" "${name}"\n' for name in tmp)
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout
    assert said.decode().split("\0")[:-1] == list(tmp.values())


def test_ranges() -> None:
    assert ranges([5, 0, 1, 2, 2]) == "0-2,5"
    assert ranges([]) == ""
