"""Becoming root by real sudo."""

from __future__ import annotations

import pytest

from glmprov.errors import BecomeError
from glmprov.remote import ConnectOptions, connect
from glmprov.secret import Secret
from tests.unit.remote.conftest import as_root
from tests.unit.remote.sshd import PASSWORD, Sshd

pytestmark = as_root
WHO = ["sh", "-c", "id -un; cat"]


# pytest puts a test's name into the environment: without names of their own, the password would be in it.
@pytest.mark.parametrize(
    "user, password",
    [("ops", None), ("ops", PASSWORD), ("opspw", PASSWORD), ("noisy", None), ("root", None)],
    ids=["free", "free with a password", "with a password", "noisy", "root"],
)
def test_root_with_input(server: Sshd, over: str, user: str, password: str | None) -> None:
    host = server.host(over, ansible_user=user, ansible_become=True, ansible_become_password=password)
    data = b"first line\n" * 100_000
    with connect(host) as channel:
        assert channel.becomes
        completed = channel.run(WHO, stdin=data, become=True)
    assert completed.stdout == b"root\n" + data
    assert (completed.returncode, completed.stderr) == (0, b"")


def test_options_of_the_command_line(server: Sshd, over: str) -> None:
    options = ConnectOptions(become=True, become_password=Secret(PASSWORD))
    with connect(server.host(over, ansible_user="opspw"), options) as channel:
        assert channel.run(["id", "-un"], become=True).stdout == b"root\n"
        assert channel.run(["id", "-un"]).stdout == b"opspw\n"


@pytest.mark.parametrize(
    "user, password, message",
    [
        ("opspw", None, "asks for a password and there is none"),
        ("opspw", "wrong", "password is wrong"),
        ("nosudo", PASSWORD, "may not become root"),
        ("nosudo", None, "asks for a password and there is none"),
        ("ttyonly", None, "wants a terminal"),
    ],
    ids=["none given", "wrong", "not allowed", "not allowed, none given", "terminal"],
)
def test_refusals(server: Sshd, over: str, user: str, password: str | None, message: str) -> None:
    host = server.host(over, ansible_user=user, ansible_become=True, ansible_become_password=password)
    with connect(host) as channel, pytest.raises(BecomeError, match=message) as caught:
        channel.run(WHO, stdin=b"data", become=True, deadline_seconds=20)
    assert caught.value.host == "gpu-1" and caught.value.next_step
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "variables, message",
    [
        ({}, "login isn't root"),
        ({"ansible_become": True, "ansible_become_method": "su"}, "only with sudo, not with su"),
        ({"ansible_become": "yes", "ansible_become_user": "postgres"}, "become postgres"),
        ({"ansible_become": True, "ansible_become_exe": "/no/sudo"}, "not installed"),
    ],
)
def test_ways_that_are_none(server: Sshd, over: str, variables: dict[str, object], message: str) -> None:
    host = server.host(over, ansible_user="ops", **variables)
    with connect(host) as channel, pytest.raises(BecomeError, match=message):
        channel.run(WHO, become=True)


def test_the_deadline_kills_what_root_started(server: Sshd, over: str) -> None:
    host = server.host(over, ansible_user="ops", ansible_become=True)
    with connect(host) as channel:
        with pytest.raises(Exception, match="killed on the host"):
            channel.run(["sleep", "4321.5"], become=True, deadline_seconds=1)
        assert channel.run(["pgrep", "-f", "sleep 4321[.]5"], become=True).stdout == b""


def test_the_password_is_in_no_process_list(server: Sshd, over: str) -> None:
    host = server.host(over, ansible_user="opspw", ansible_become=True, ansible_become_password=PASSWORD)
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"
    with connect(host) as channel:
        seen = channel.run(["sh", "-c", look], become=True).stdout
    assert b"sudo" in seen and PASSWORD.encode() not in seen
