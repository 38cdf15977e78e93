"""The answer is found among anything else that a host prints, or the error says what came instead."""

from __future__ import annotations

import json
from binascii import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.errors import ProbeError
from glmprov.probe.round_trip import answer_of
from glmprov.remote import Completed

MARK = "glmprov-0123456789abcdef"
ANSWER = {"version": 1, "python": [3, 11, 2], "uid": 0, "files": {"/etc/os-release": "ID=debian\n"}}


def framed(answer: object = ANSWER) -> bytes:
    body = json.dumps(answer).encode()
    return f"\n{MARK} {len(body)} {crc32(body):08x}\n".encode() + body + f"\n{MARK} END\n".encode()


def completed(stdout: bytes, stderr: bytes = b"", status: int = 0, truncated: bool = False) -> Completed:
    return Completed(status, stdout, stderr, truncated)


def refusal(found: Completed) -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        answer_of(found, MARK, "gpu-1")
    assert caught.value.host == "gpu-1"
    assert caught.value.next_step
    return caught.value


@given(st.binary(), st.binary())
def test_any_noise_around_it_is_ignored(before: bytes, after: bytes) -> None:
    assert answer_of(completed(before + framed() + after), MARK, "gpu-1") == ANSWER


def test_a_terminal_that_turns_line_ends_is_no_trouble() -> None:
    assert answer_of(completed(framed().replace(b"\n", b"\r\n")), MARK, "gpu-1") == ANSWER


def test_a_host_that_prints_the_program_back_does_not_confuse() -> None:
    echoed = f"main('{MARK}', …)\n{MARK} 12 00000000\nnot the answer".encode()
    assert answer_of(completed(echoed + framed()), MARK, "gpu-1") == ANSWER


def test_control_characters_do_not_come_in() -> None:
    found = answer_of(completed(framed(ANSWER | {"remark": "\x1b[2Jgone\x07"})), MARK, "gpu-1")
    assert found["remark"] == "gone\ufffd"


@given(st.integers(0, len(framed()) - 60))
def test_a_cut_answer_is_never_taken(length: int) -> None:
    refusal(completed(framed()[:length]))


@given(st.integers(len(MARK) + 20, len(framed()) - len(MARK) - 8), st.integers(1, 255))
def test_a_changed_answer_is_never_taken(position: int, change: int) -> None:
    broken = bytearray(framed())
    broken[position] ^= change
    refusal(completed(bytes(broken)))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (completed(b"", b"bash: line 1: python3: command not found\n", 127), "no python3"),
        (completed(b"sh: 1: python3: not found\n", b"", 127), "no python3"),
        (completed(b"x" * 100, truncated=True), "more than is read"),
        (completed(framed()[:-40]), "broken"),
        (completed(b"", b"Traceback\nMemoryError\n", 1), "status 1 and no answer: MemoryError"),
        (completed(framed({"version": 1, "python": [3, 6, 8]})), "python3 is 3.6.8, 3.8 or newer is needed"),
        (completed(framed({"version": 2, "python": [3, 11, 2]})), "another version"),
        (completed(framed([1, 2])), "another version"),
    ],
)
def test_what_came_instead_is_said(found: Completed, message: str) -> None:
    assert message in refusal(found).message


def test_an_error_line_with_escapes_is_shown_without_them() -> None:
    assert "\x1b" not in refusal(completed(b"", b"\x1b[31mfatal\x1b[0m\n", 1)).message
