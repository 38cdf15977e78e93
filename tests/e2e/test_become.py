"""Becoming root on a node of the fleet, as each of its users, through both channels."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rehearsal import Fleet

from glmprov.errors import BecomeError, UnreachableError
from glmprov.inventory import Host, load
from glmprov.remote import connect

pytestmark = pytest.mark.fleet
PASSWORD = "rehearsal"


@pytest.fixture(scope="module")
def gpu_host(fleet: Fleet) -> Host:
    return load([fleet.inventory], limit="genoa-4x")[0]


@pytest.fixture(params=["openssh", "libssh2", "paramiko"])
def over(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def as_user(host: Host, over: str, user: str, **variables: object) -> Host:
    return replace(
        host,
        variables={
            **host.variables,
            "ansible_user": user,
            "glmprov_channel": over,
            "ansible_become": True,
            **variables,
        },
    )


@pytest.mark.parametrize(
    "user, password", [("root", None), ("ops", None), ("ops", PASSWORD), ("opspw", PASSWORD)]
)
def test_root(gpu_host: Host, over: str, user: str, password: str | None) -> None:
    host = as_user(gpu_host, over, user, ansible_become_password=password)
    with connect(host) as channel:
        completed = channel.run(["sh", "-c", "id -un; cat"], stdin=b"x" * 300_000, become=True)
    assert completed.stdout == b"root\n" + b"x" * 300_000
    assert completed.stderr == b""


@pytest.mark.parametrize(
    "user, password, message",
    [
        ("opspw", None, "asks for a password"),
        ("opspw", "wrong", "password is wrong"),
        ("nosudo", None, "asks for a password"),
    ],
)
def test_refusals(gpu_host: Host, over: str, user: str, password: str | None, message: str) -> None:
    host = as_user(gpu_host, over, user, ansible_become_password=password)
    with connect(host) as channel, pytest.raises(BecomeError, match=message) as caught:
        channel.run(["id"], become=True)
    assert caught.value.host == gpu_host.name and caught.value.next_step


def test_the_deadline_kills_what_root_started(gpu_host: Host, over: str) -> None:
    with connect(as_user(gpu_host, over, "ops")) as channel:
        with pytest.raises(UnreachableError, match="killed on the host"):
            channel.run(["sleep", "4321.5"], become=True, deadline_seconds=1)
        assert channel.run(["pgrep", "-f", "sleep 4321[.]5"], become=True).stdout == b""
