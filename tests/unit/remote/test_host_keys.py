"""Unknown, changed and trusted host keys; jump hosts."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from glmprov.errors import HostKeyError, UnreachableError
from glmprov.inventory import Host
from glmprov.remote import ConnectOptions, connect
from glmprov.remote.trust import remember, scan, way
from tests.unit.remote.sshd import Sshd

OPTIONS = ConnectOptions()


def test_an_unknown_key_is_refused_with_the_command_that_trusts_it(own_server: Sshd, over: str) -> None:
    with pytest.raises(HostKeyError, match="unknown") as caught:
        connect(own_server.host(over))
    assert caught.value.exit_code == 4
    assert caught.value.next_step == "glmprov host trust gpu-1"
    assert own_server.known_hosts.read_text() == ""


def test_a_changed_key_is_refused_with_its_line(own_server: Sshd, server: Sshd, over: str) -> None:
    own_server.known_hosts.write_text(f"# ours\n{own_server.name} {server.host_key}\n")
    with pytest.raises(HostKeyError, match="changed") as caught:
        connect(own_server.host(over))
    assert caught.value.place == f"{own_server.known_hosts}:2"
    assert "--replace" in str(caught.value.next_step)


def test_strictness_cannot_be_argued_away(own_server: Sshd, over: str) -> None:
    lax = shlex.join(["-F", str(own_server.folder / "ssh_config"), "-o", "StrictHostKeyChecking=no"])
    with pytest.raises(HostKeyError):
        connect(own_server.host(over, ansible_ssh_common_args=lax))


@pytest.mark.parametrize("hash_names", ["yes", "no"])
def test_trust_and_connect(own_server: Sshd, over: str, hash_names: str) -> None:
    config = own_server.folder / "ssh_config"
    config.write_text(config.read_text().replace("HashKnownHosts no", f"HashKnownHosts {hash_names}"))
    host = own_server.host(over)
    (only,) = way(host, OPTIONS)
    shown = scan(only, host.name)
    keygen = subprocess.run(
        ["ssh-keygen", "-l", "-f", own_server.folder / "host_ed25519.pub"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.fingerprint == keygen.stdout.split()[1]
    assert not shown.trusted
    assert remember(shown)
    assert own_server.known_hosts.read_text().startswith("|1|" if hash_names == "yes" else own_server.name)
    assert own_server.known_hosts.stat().st_mode & 0o777 == 0o644
    assert not remember(scan(only, host.name))
    with connect(host) as channel:
        assert channel.run(["echo", "hello"]).stdout == b"hello\n"


def test_a_changed_key_is_replaced_only_when_asked(own_server: Sshd, server: Sshd, over: str) -> None:
    other = f"other,{own_server.name} {server.host_key}\n"
    own_server.known_hosts.write_text(f"# ours\n{other}")
    host = own_server.host(over)
    (only,) = way(host, OPTIONS)
    with pytest.raises(HostKeyError, match="holds another key"):
        remember(scan(only, host.name))
    assert own_server.known_hosts.read_text() == f"# ours\n{other}"
    assert remember(scan(only, host.name), replace=True)
    assert own_server.known_hosts.read_text() == (
        f"# ours\nother {server.host_key}\n{own_server.name} {own_server.host_key}\n"
    )
    with connect(host):
        pass


def _behind(jump: Sshd, target: Sshd) -> Host:
    """The target, reached through jump by an ssh_config."""
    config = target.folder / "ssh_config"
    config.write_text(
        f"Host jump\n  HostName {jump.address}\n  Port {jump.port}\n  User root\n  IdentityFile {jump.key}\n"
        f"Host inner\n  HostName {target.address}\n  ProxyJump jump\n"
        f"Host *\n  UserKnownHostsFile {target.known_hosts}\n  GlobalKnownHostsFile /dev/null\n  HashKnownHosts no\n"
    )
    return target.host("auto", ansible_host="inner")


def test_through_a_jump_host(server: Sshd, own_server: Sshd) -> None:
    host = _behind(server, own_server)
    with pytest.raises(HostKeyError) as caught:
        connect(host)
    assert "a jump host on the way (jump)" in str(caught.value)
    jump, inner = way(host, OPTIONS)
    with pytest.raises(HostKeyError):
        scan(inner, host.name)
    for config in (jump, inner):
        assert remember(scan(config, host.name))
    with connect(host) as channel:
        assert channel.run(["cat"], stdin=b"through").stdout == b"through"


def test_paramiko_says_that_it_cannot_jump(server: Sshd, own_server: Sshd) -> None:
    host = _behind(server, own_server)
    with pytest.raises(Exception, match="proxyjump jump") as caught:
        connect(Host(host.name, {**host.variables, "glmprov_channel": "paramiko"}))
    assert getattr(caught.value, "exit_code", None) == 2


def test_nobody_shows_a_key(own_server: Sshd, tmp_path: Path) -> None:
    own_server.stop()
    host = own_server.host()
    with pytest.raises(UnreachableError, match="refuses connections"):
        scan(way(host, OPTIONS)[0], host.name)
