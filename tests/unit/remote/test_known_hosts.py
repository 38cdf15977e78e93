"""known_hosts, compared with what ssh-keygen and OpenSSH make of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from glmprov.errors import HostKeyError
from glmprov.remote import known_hosts

ED = "AAAAC3NzaC1lZDI1NTE5AAAAIGJcV8sKkFvbGJhY2sgdGVzdCBrZXkgMDAwMDAwMDAwMDA"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIG90aGVyIGtleSBmb3IgdGVzdHMgMDAwMDAwMDAwMDAwMDA"


def write(folder: Path, *lines: str) -> Path:
    file = folder / "known_hosts"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize(
    "names, name, speaks",
    [
        ("host", "host", True),
        ("HOST", "host", True),
        ("a,host,b", "host", True),
        ("*.example.com", "gpu.example.com", True),
        ("*.example.com,!gpu.example.com", "gpu.example.com", False),
        ("10.0.0.?", "10.0.0.7", True),
        ("[host]:2222", "[host]:2222", True),
        ("[host]:2222", "host", False),
        ("host", "[host]:2222", False),
        ("[*.example.com]:2222", "[gpu.example.com]:2222", True),
        ("hos", "host", False),
    ],
)
def test_names(tmp_path: Path, names: str, name: str, speaks: bool) -> None:
    file = write(tmp_path, "# comment", "", f"{names} ssh-ed25519 {ED} a comment")
    found = known_hosts.look_up([tmp_path / "none", file], name)
    assert [line.place for line in found] == ([f"{file}:3"] if speaks else [])


def test_names_that_ssh_keygen_hashed(tmp_path: Path) -> None:
    file = write(tmp_path, f"host,[host]:2222 ssh-ed25519 {ED}")
    subprocess.run(["ssh-keygen", "-H", "-f", file], check=True, capture_output=True)
    assert "host" not in file.read_text()
    for name in ("host", "[host]:2222"):
        assert len(known_hosts.look_up([file], name)) == 1
    assert not known_hosts.look_up([file], "other")


def test_ssh_keygen_finds_what_we_hash(tmp_path: Path) -> None:
    file = write(tmp_path, f"{known_hosts.hashed('[host]:2222')} ssh-ed25519 {ED}")
    found = subprocess.run(
        ["ssh-keygen", "-F", "[host]:2222", "-f", file], capture_output=True, text=True, check=True
    )
    assert ED in found.stdout


@pytest.mark.parametrize(
    "line, message",
    [
        ("", "unknown"),
        (f"host ssh-ed25519 {OTHER}", "changed"),
        (f"host ssh-rsa {OTHER}", "unknown .*another kind"),
        (f"@revoked host ssh-ed25519 {ED}", "revoked"),
        (f"@cert-authority host ssh-ed25519 {ED}", "unknown"),
        ("host ssh-ed25519", "unknown"),
    ],
)
def test_keys_that_are_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(HostKeyError, match=message):
        known_hosts.check([write(tmp_path, line)], "host", "ssh-ed25519", ED, host="gpu-1")


@pytest.mark.parametrize(
    "names, name", [("host", "host"), ("host", "[host]:2222"), ("[host]:2222", "[host]:2222")]
)
def test_keys_that_are_known(tmp_path: Path, names: str, name: str) -> None:
    file = write(tmp_path, f"{names} ssh-ed25519 {OTHER}", f"{names} ssh-ed25519 {ED}")
    known_hosts.check([file], name, "ssh-ed25519", ED, host="gpu-1")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file = write(tmp_path, f"host ssh-ed25519 {OTHER}")
    assert known_hosts.look_up([file], "host")[0].key == OTHER
    write(tmp_path, f"host ssh-ed25519 {ED}", "# longer")
    assert known_hosts.look_up([file], "host")[0].key == ED


def test_without() -> None:
    hashed = known_hosts.hashed("host")
    text = (
        f"# host\nhost,two ssh-rsa A\nhost ssh-rsa B\n{hashed} ssh-rsa C\n"
        "*ost ssh-rsa D\n@revoked host ssh-rsa E\nlast ssh-rsa F"
    )
    assert known_hosts.without(text, "host") == (
        "# host\ntwo ssh-rsa A\n*ost ssh-rsa D\n@revoked host ssh-rsa E\nlast ssh-rsa F"
    )
