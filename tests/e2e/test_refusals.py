"""Whatever is wrong: one clear message with place and next step, the right exit code, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from glmprov_program import Ran, run
from rehearsal import Fleet, Node

pytestmark = pytest.mark.fleet

NAME = "genoa-4x"


@pytest.fixture
def node(fleet: Fleet) -> Node:
    return fleet.nodes[NAME]


@pytest.fixture(autouse=True)
def nothing_is_written(fleet: Fleet) -> Iterator[None]:
    """Hold every case to the rule that a refused run leaves the host as it was."""
    look = "find /etc /usr/local /var/lib/glmprov -type f -printf '%p %T@ %s\\n' 2>/dev/null | sort"
    before = fleet.nodes[NAME].ssh(look)
    yield
    assert fleet.nodes[NAME].ssh(look) == before


def inventory(
    tmp_path: Path, fleet: Fleet, extra: str = "", known_hosts: Path | None = None, **variables: str
) -> Path:
    """Write an inventory of one node, with what is wrong in it."""
    host = {
        "ansible_host": fleet.nodes[NAME].address,
        "ansible_user": "ops",
        "ansible_ssh_private_key_file": str(fleet.directory / "id_ed25519"),
        "ansible_ssh_common_args": f"'-o UserKnownHostsFile={known_hosts or fleet.directory / 'known_hosts'}'",
        **variables,
    }
    path = tmp_path / "bad.ini"
    path.write_text(f"{NAME} " + " ".join(f"{name}={value}" for name, value in host.items()) + f"\n{extra}")
    return path


def refused(ran: Ran, code: int, *words: str) -> None:
    """Hold a run to its exit code, and what a person reads to words."""
    ran.expect(code)
    for word in words:
        assert word in ran.out + ran.err, f"{word!r} isn't in\n{ran.out}\n{ran.err}"


def test_no_inventory(fleet: Fleet, tmp_path: Path) -> None:
    refused(run(fleet, "audit", inventory=tmp_path / "lab.ini"), 2, "lab.ini", "next:")


def test_broken_ini(fleet: Fleet, tmp_path: Path) -> None:
    path = inventory(tmp_path, fleet, extra="[rigs\nrig-1\n")
    refused(run(fleet, "provision", "--yes", inventory=path), 2, "bad.ini", "2")


def test_no_host_matches(fleet: Fleet) -> None:
    refused(run(fleet, "provision", "--yes", "--limit", "nobody"), 7, "nobody", "next:")


def test_a_misspelt_variable(fleet: Fleet, tmp_path: Path) -> None:
    path = inventory(tmp_path, fleet, gpu_power_limit_wats="400")
    refused(
        run(fleet, "provision", "--yes", inventory=path),
        2,
        NAME,
        "gpu_power_limit_wats",
        "gpu_power_limit_watts",
    )


def test_a_wrong_type(fleet: Fleet, tmp_path: Path) -> None:
    path = inventory(tmp_path, fleet, gpu_power_limit_watts="plenty", nccl_env_profile="fastest")
    ran = run(fleet, "provision", "--yes", inventory=path)
    refused(ran, 2, NAME, "gpu_power_limit_watts", "plenty", "nccl_env_profile", "latency")


def test_a_limit_beyond_the_card(fleet: Fleet, tmp_path: Path, node: Node) -> None:
    if node.try_ssh("nvidia-smi -L").returncode:
        pytest.skip("the card's maximum is known once its driver is there")
    path = inventory(tmp_path, fleet, gpu_power_limit_watts="900")
    refused(run(fleet, "provision", "--yes", inventory=path), 1, NAME, "900", "600")


def test_a_wrong_vault_password(fleet: Fleet, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("right\n")
    wrong.write_text("wrong\n")
    vault = [str(Path(sys.executable).parent / "ansible-vault"), "encrypt_string"]
    secret = subprocess.run(
        [*vault, "--vault-password-file", str(right), "hunter22", "--name", "ansible_become_password"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    path = inventory(tmp_path, fleet)
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / f"{NAME}.yml").write_text(secret)
    refused(run(fleet, "audit", "--vault-password-file", str(wrong), inventory=path), 2, "vault")
    refused(run(fleet, "audit", inventory=path), 2, "vault")
    ran = run(fleet, "facts", "--json", "--vault-password-file", str(right), inventory=path).expect(0)
    assert "hunter22" not in ran.out + ran.err


@pytest.mark.parametrize("channel", ["openssh", "libssh2", "paramiko"])
def test_an_unknown_host_key(fleet: Fleet, tmp_path: Path, channel: str) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    path = inventory(tmp_path, fleet, known_hosts=empty)
    refused(
        run(fleet, "provision", "--yes", "--channel", channel, inventory=path),
        4,
        NAME,
        f"glmprov host trust {NAME}",
    )
    assert empty.read_text() == ""


@pytest.mark.parametrize("channel", ["openssh", "libssh2", "paramiko"])
def test_a_changed_host_key(fleet: Fleet, tmp_path: Path, node: Node, channel: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    key = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    changed = tmp_path / "known_hosts"
    changed.write_text(f"{node.address} {key}\n")
    path = inventory(tmp_path, fleet, known_hosts=changed)
    refused(
        run(fleet, "provision", "--yes", "--channel", channel, inventory=path),
        4,
        NAME,
        "changed",
        f"{changed}:1",
    )


def test_trusting_a_host_key(fleet: Fleet, tmp_path: Path) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    path = inventory(tmp_path, fleet, known_hosts=empty)
    refused(run(fleet, "host", "trust", NAME, inventory=path), 2, "SHA256:", "--yes")
    assert empty.read_text() == ""
    refused(run(fleet, "host", "trust", "--yes", NAME, inventory=path), 0, "SHA256:", "added")
    assert empty.read_text().count("\n") == 1
    run(fleet, "facts", inventory=path).expect(0)


@pytest.mark.parametrize("channel", ["openssh", "libssh2", "paramiko"])
def test_a_refused_key(fleet: Fleet, tmp_path: Path, channel: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    path = inventory(tmp_path, fleet, ansible_ssh_private_key_file=str(tmp_path / "other"))
    refused(run(fleet, "provision", "--yes", "--channel", channel, inventory=path), 4, NAME, "next:")


@pytest.mark.parametrize(("user", "words"), [("nosudo", "sudo"), ("opspw", "password")])
def test_sudo_that_refuses_or_prompts(fleet: Fleet, tmp_path: Path, user: str, words: str) -> None:
    path = inventory(tmp_path, fleet, ansible_user=user)
    refused(run(fleet, "provision", "--yes", inventory=path), 1, NAME, words, "next:")


@contextmanager
def broken(node: Node, how: str, mend: str) -> Iterator[None]:
    node.ssh(how)
    try:
        yield
    finally:
        node.ssh(mend)


def test_no_python(fleet: Fleet, node: Node) -> None:
    with broken(
        node, "mv /usr/bin/python3 /usr/bin/python3.away", "mv /usr/bin/python3.away /usr/bin/python3"
    ):
        refused(run(fleet, "provision", "--yes", "--limit", NAME), 4, NAME, "python3", "next:")


def test_an_unsupported_distribution(fleet: Fleet, node: Node) -> None:
    file = "/usr/lib/os-release"
    how = f"sed 's/^ID=.*/ID=arch/' {file} > /run/other-release && mount --bind /run/other-release {file}"
    with broken(node, how, "umount /usr/lib/os-release"):
        refused(run(fleet, "provision", "--yes", "--limit", NAME), 1, NAME, "arch", "debian", "next:")


def test_no_card(fleet: Fleet, node: Node) -> None:
    with broken(node, "mount -t tmpfs none /sys/bus/pci/devices", "umount /sys/bus/pci/devices"):
        refused(run(fleet, "provision", "--yes", "--limit", NAME), 1, NAME, "no NVIDIA card", "next:")


def test_nobody_answers(fleet: Fleet) -> None:
    fleet.fault(NAME, "unreachable", "on")
    try:
        refused(run(fleet, "audit", "--limit", NAME), 4, NAME)
    finally:
        fleet.fault(NAME, "unreachable", "off")


def test_a_wrong_option(fleet: Fleet) -> None:
    refused(run(fleet, "audit", "--fail-on", "drizzle"), 2, "drift")
