"""The talk with a host's shell, byte by byte."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.errors import BecomeError, UnreachableError
from glmprov.remote.become import Become, explain_refusal
from glmprov.remote.conversation import Conversation
from glmprov.secret import Secret


def talk(become: Become | None = None, limit: int = 1 << 20, stdin: bytes = b"in") -> Conversation:
    return Conversation(
        ["probe"], host="gpu-1", stdin=stdin, deadline_seconds=60, max_output_bytes=limit, become=become
    )


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@given(st.binary(), st.binary(), st.binary(), st.integers(0, 255), st.lists(st.integers(0, 10_000)))
def test_however_it_is_cut_and_whatever_is_printed(
    noise: bytes, out: bytes, err: bytes, status: int, cuts: list[int]
) -> None:
    conversation = talk()
    marks = conversation.marks
    assert conversation.opening().endswith(b"\nin") and conversation.finished_saying
    for piece in pieces(noise + marks.begun + marks.ready + err + marks.ended + b"%d\n" % status, cuts):
        conversation.hear_stderr(piece)
    for piece in pieces(noise + marks.ready + out, cuts):
        conversation.hear_stdout(piece)
    completed = conversation.result(255)
    assert (completed.returncode, completed.stdout, completed.stderr) == (status, out, err)


@given(st.binary(), st.lists(st.binary()), st.lists(st.integers(0, 10_000)))
def test_lines_are_whole_however_they_come(noise: bytes, words: list[bytes], cuts: list[int]) -> None:
    lines = [word.replace(b"\n", b" ") for word in words]
    heard: list[bytes] = []
    conversation = Conversation(
        ["probe"], host="gpu-1", stdin=b"", deadline_seconds=60, max_output_bytes=10, on_line=heard.append
    )
    marks = conversation.marks
    conversation.hear_stderr(marks.begun + marks.ready)
    for piece in pieces(noise + marks.ready + b"".join(line + b"\n" for line in lines), cuts):
        conversation.hear_stdout(piece)
    assert conversation.result(0).stdout == b"" and heard == lines


@given(st.lists(st.integers(0, 10_000)))
def test_the_password_is_said_once_and_only_when_asked(cuts: list[int]) -> None:
    conversation = talk(Become(password=Secret("pw")))
    marks = conversation.marks
    assert b"in" not in conversation.opening().split(b"\n")[1:]
    said = b""
    for piece in pieces(marks.begun + b"lecture\n" + marks.prompt.encode(), cuts):
        said += conversation.hear_stderr(piece)
    assert said == b"pw\n" and not conversation.finished_saying
    for piece in pieces(b"\n" + marks.ready, cuts):
        said += conversation.hear_stderr(piece)
    assert said == b"pw\nin" and conversation.finished_saying and not conversation.enough


def test_a_second_question_ends_the_talk() -> None:
    conversation = talk(Become(password=Secret("pw")))
    conversation.opening()
    conversation.hear_stderr(conversation.marks.begun + conversation.marks.prompt.encode())
    assert conversation.hear_stderr(b"Sorry, try again.\n" + conversation.marks.prompt.encode()) == b""
    assert conversation.enough
    with pytest.raises(BecomeError, match="wrong"):
        conversation.result(None)


def test_the_script_has_neither_password_nor_marks_in_it() -> None:
    conversation = talk(Become(password=Secret("pw-text")))
    line = conversation.opening()
    assert line.count(b"\n") == 1
    assert b"pw-text" not in line
    assert conversation.marks.ready not in line and conversation.marks.begun not in line


@pytest.mark.parametrize(
    "heard, message",
    [(b"", "before a shell started"), (b"begun", "before probe started"), (b"ready", "while probe ran")],
)
def test_a_connection_that_is_lost(heard: bytes, message: str) -> None:
    conversation = talk()
    conversation.hear_stderr(b"noise" if not heard else conversation.marks.begun)
    if heard == b"ready":
        conversation.hear_stderr(conversation.marks.ready)
    with pytest.raises(UnreachableError, match=message):
        conversation.result(None)


def test_a_flood_before_the_command_is_forgotten() -> None:
    conversation = talk()
    for _ in range(100):
        conversation.hear_stdout(b"x" * 65_536)
        conversation.hear_stderr(b"x" * 65_536)
    assert len(conversation.stdout.before) <= 65_536
    conversation.hear_stdout(conversation.marks.ready + b"out")
    conversation.hear_stderr(conversation.marks.ready + conversation.marks.ended + b"0\n")
    assert conversation.result(0).stdout == b"out"


@pytest.mark.parametrize(
    "said, message",
    [
        ("sudo: a password is required", "asks for a password"),
        (
            "ops is not in the sudoers file.  This incident has been reported to the administrator.",
            "may not become",
        ),
        ("Sorry, user ops is not allowed to execute '/bin/sh' as root on gpu-1.", "may not become"),
        ("Sorry, user ops may not run sudo on gpu-1.", "may not become"),
        ("sudo: sorry, you must have a tty to run sudo", "wants a terminal"),
        ("/bin/sh: 1: sudo: not found", "not installed"),
        ("sudo: account validation failure, is your account locked?", "expired"),
        ("sudo: 1 incorrect password attempt", "wrong"),
        ("sudo: unable to stat /etc/sudoers: Permission denied", "unable to stat"),
        ("", "no reason given"),
    ],
)
def test_what_sudo_means(said: str, message: str) -> None:
    found, next_step = explain_refusal(said, "sudo", answered=False, asked_again=False)
    assert message in found and next_step


def test_time_counts_from_the_first_word_and_not_while_a_channel_waits_for_its_turn() -> None:
    conversation = talk()
    conversation.begun_at -= 3600
    conversation.opening()
    assert conversation.give_up_at > time.monotonic()
