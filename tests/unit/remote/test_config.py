"""What ssh would do, and which channel follows from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from glmprov.errors import GlmprovError, InventoryError
from glmprov.inventory import Host
from glmprov.remote import ConnectOptions, connect
from glmprov.remote.ansible_defaults import with_ansible_defaults
from glmprov.remote.choice import needs_openssh
from glmprov.remote.config import SshConfig, fast_first
from glmprov.remote.for_ansible import shared_options
from glmprov.remote.openssh import ssh_arguments
from glmprov.remote.resolve import resolve


def resolved(
    tmp_path: Path, text: str = "", options: ConnectOptions | None = None, **variables: object
) -> SshConfig:
    file = tmp_path / "ssh_config"
    file.write_text(
        f"{text}\nHost *\n  UserKnownHostsFile {tmp_path}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
    )
    host = Host("gpu-1", {"ansible_ssh_common_args": f"-F {file}", **variables})
    return resolve(host, options or ConnectOptions())


def test_inventory_variables(tmp_path: Path) -> None:
    key = tmp_path / "a key"
    key.touch()
    config = resolved(
        tmp_path,
        ansible_host="10.0.0.1",
        ansible_port=2222,
        ansible_user="ops",
        ansible_ssh_private_key_file=str(key),
    )
    assert (config.hostname, config.port, config.user) == ("10.0.0.1", 2222, "ops")
    assert config.identity_files == (key,)
    assert config.host_key_name == "[10.0.0.1]:2222"
    assert config.known_hosts_files == (tmp_path / "known_hosts", Path("/dev/null"))


def test_ssh_config_with_include(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host gpu-1\n  HostName 10.0.0.9\n  User deep\n  HostKeyAlias rack\n")
    config = resolved(tmp_path, f"Include {tmp_path}/more")
    assert (config.hostname, config.user, config.port, config.host_key_name) == (
        "10.0.0.9",
        "deep",
        22,
        "rack",
    )


def test_a_hosts_variables_win_over_the_command_line(tmp_path: Path) -> None:
    options = ConnectOptions(user="line")
    assert resolved(tmp_path, options=options).user == "line"
    assert resolved(tmp_path, options=options, ansible_user="own").user == "own"
    assert resolved(tmp_path, "Host gpu-1\n  User config", options=options).user == "line"


@pytest.mark.parametrize(
    "variables, place",
    [
        ({"ansible_port": "http"}, "ansible_port"),
        ({"ansible_host": "-oProxyCommand=evil"}, "ansible_host"),
        ({"ansible_host": "{{ nowhere }}"}, "ansible_host"),
        ({"ansible_ssh_private_key_file": "/no/such/key"}, "/no/such/key"),
        ({"ansible_ssh_extra_args": '-o "Port=1'}, "ansible_ssh_extra_args"),
        ({"ansible_ssh_extra_args": "-o NoSuchOption=1"}, "ssh_config or ansible_ssh_*_args"),
    ],
)
def test_variables_that_make_no_sense(tmp_path: Path, variables: dict[str, object], place: str) -> None:
    with pytest.raises(InventoryError) as caught:
        resolved(tmp_path, **variables)
    assert (caught.value.host, caught.value.place) == ("gpu-1", place)


@pytest.mark.parametrize("variables", [{"ansible_connection": "winrm"}, {"glmprov_channel": "telnet"}])
def test_channels_that_are_none(variables: dict[str, object]) -> None:
    with pytest.raises(InventoryError):
        connect(Host("gpu-1", variables))


def test_a_channel_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMPROV_CHANNEL", "telnet")
    with pytest.raises(GlmprovError, match="telnet") as caught:
        connect(Host("gpu-1"))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", None),
        ("Port 2222", None),
        ("ProxyJump edge", "proxyjump edge"),
        ("ProxyCommand nc %h %p", "proxycommand"),
        ("PKCS11Provider /usr/lib/p11.so", "pkcs11provider"),
        ("CertificateFile ~/.ssh/id-cert.pub", "certificatefile"),
        ("AddressFamily inet6", "addressfamily"),
        ("BindAddress 10.0.0.1", "bindaddress"),
        ("IdentityAgent ~/other.sock", "the agent"),
        ("KnownHostsCommand /bin/keys", "knownhostscommand"),
        ("CanonicalizeHostname yes", "canonicalizehostname"),
    ],
)
def test_what_is_beyond_paramiko(tmp_path: Path, text: str, reason: str | None) -> None:
    found = needs_openssh(resolved(tmp_path, f"Host gpu-1\n  {text}"))
    assert (found is None) if reason is None else (found is not None and reason in found)


def test_certificates_and_hardware_keys_are_beyond_paramiko(tmp_path: Path) -> None:
    key = tmp_path / "id"
    key.touch()
    variables = {"ansible_ssh_private_key_file": str(key)}
    assert needs_openssh(resolved(tmp_path, **variables)) is None
    (tmp_path / "id.pub").write_text("sk-ssh-ed25519@openssh.com AAAA me\n")
    assert "hardware" in str(needs_openssh(resolved(tmp_path, **variables)))
    (tmp_path / "id-cert.pub").touch()
    assert "certificate" in str(needs_openssh(resolved(tmp_path, **variables)))


def test_a_certificate_authority_is_beyond_paramiko(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text("@cert-authority gpu-* ssh-ed25519 AAAA\n")
    assert "known_hosts:1" in str(needs_openssh(resolved(tmp_path)))


@pytest.mark.parametrize(
    "argument, beyond", [("-o Compression=yes", False), ("-C", False), ("-L 1:a:2", True), ("-A", True)]
)
def test_arguments_beyond_options(tmp_path: Path, argument: str, beyond: bool) -> None:
    assert bool(needs_openssh(resolved(tmp_path, ansible_ssh_extra_args=argument))) == beyond


def test_the_cheap_key_exchange_comes_first_and_none_is_added() -> None:
    allowed = [
        "sntrup761x25519-sha512",
        "diffie-hellman-group14-sha256",
        "curve25519-sha256",
        "mlkem768x25519-sha256",
    ]
    assert fast_first(allowed) == (
        "mlkem768x25519-sha256",
        "curve25519-sha256",
        "diffie-hellman-group14-sha256",
        "sntrup761x25519-sha512",
    )


def test_ssh_accepts_what_ansible_is_given(tmp_path: Path) -> None:
    host = Host("gpu-1", {"ansible_host": "10.0.0.1"})
    answer = subprocess.run(
        ["ssh", "-G", *ssh_arguments(host), "10.0.0.1"], capture_output=True, text=True, check=True
    )
    assert "stricthostkeychecking true" in answer.stdout or "stricthostkeychecking yes" in answer.stdout
    assert "controlpath " in answer.stdout and "controlpersist 60" in answer.stdout


def test_another_way_has_another_master(tmp_path: Path) -> None:
    one, two = (resolved(tmp_path, ansible_user=user).fingerprint for user in ("ops", "root"))
    assert one != two == resolved(tmp_path, ansible_user="root").fingerprint


def test_ansible_cfg_fills_the_gaps(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\nremote_user = cfg\nprivate_key_file = key\ntimeout = 4\n"
        "[privilege_escalation]\nbecome = yes\n"
        "[ssh_connection]\nssh_args = -C -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=5\n"
    )
    filled = with_ansible_defaults(ConnectOptions(), tmp_path, {"HOME": "/none"})
    assert (filled.user, filled.private_key, filled.become, filled.connect_seconds) == (
        "cfg", str(tmp_path / "key"), True, 4.0,
    )  # fmt: skip
    kept = resolve(Host("gpu-1"), filled).extra_arguments
    assert kept == ("-C", "-o", "ServerAliveInterval=5")
    assert resolve(
        Host("gpu-1", {"ansible_ssh_args": "-oPort=7 -oControlPath=x"}), filled
    ).extra_arguments == ("-oPort=7",)
    by_hand = with_ansible_defaults(ConnectOptions(user="me"), tmp_path, {"ANSIBLE_REMOTE_USER": "env"})
    assert by_hand.user == "me"
    assert with_ansible_defaults(ConnectOptions(), tmp_path, {"ANSIBLE_REMOTE_USER": "env"}).user == "env"


def test_an_ansible_cfg_that_makes_no_sense(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\ntimeout = soon\n")
    with pytest.raises(InventoryError) as caught:
        with_ansible_defaults(ConnectOptions(), tmp_path, {"HOME": "/none"})
    assert caught.value.place == str(tmp_path / "ansible.cfg")


@pytest.mark.parametrize(
    ("options", "variables", "channel"),
    [
        (ConnectOptions(), {}, "openssh"),
        (ConnectOptions(channel="paramiko"), {}, "paramiko"),
        (ConnectOptions(), {"glmprov_channel": "libssh2"}, "auto"),
    ],
)
def test_a_connection_for_ansible_too_is_opensshs_unless_another_is_asked_for(
    options: ConnectOptions, variables: dict[str, object], channel: str
) -> None:
    assert shared_options(Host("gpu-1", variables), options).channel == channel
