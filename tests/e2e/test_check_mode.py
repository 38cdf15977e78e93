"""Looking without touching: --check and --diff, and the playbook as people run it without glmprov."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from glmprov_program import Ran, run
from rehearsal import ROOT, Fleet, Node

pytestmark = pytest.mark.fleet

NAME = "genoa-4x"
NCCL_FILE = "/etc/glmprov/nccl.env"
PLAYBOOK = ROOT / "playbooks/provision.yml"


@pytest.fixture
def node(fleet: Fleet) -> Iterator[Node]:
    """A node whose NCCL file differs from the plan, bare or not; left as it was."""
    node = fleet.nodes[NAME]
    before = node.ssh(f"cat {NCCL_FILE}", check=False)
    node.ssh(f"mkdir -p /etc/glmprov && echo NCCL_P2P_LEVEL=LOC > {NCCL_FILE}")
    yield node
    node.ssh(f"cat > {NCCL_FILE} <<'END'\n{before}\nEND" if before else "rm -r /etc/glmprov")


def files(node: Node) -> str:
    where = "/etc /usr/local /boot /var/lib/glmprov /var/lib/dpkg/status"
    return node.ssh(f"find {where} -printf '%p %y %s %T@ %m\\n' 2>/dev/null | sort", check=False)


def check(fleet: Fleet, *options: str) -> Ran:
    return run(fleet, "provision", "--check", "--limit", NAME, *options).expect(0)


def test_check_changes_nothing_and_diff_shows_how_files_would_change(fleet: Fleet, node: Node) -> None:
    before = files(node)
    ran = check(fleet, "--diff")
    assert files(node) == before
    assert "--- /etc/glmprov/nccl.env" in ran.err
    assert "-NCCL_P2P_LEVEL=LOC" in ran.err and "+NCCL_P2P_LEVEL=PHB" in ran.err
    assert "SKIPPED" in ran.out and "nccl_env.env[NCCL_P2P_LEVEL]" in ran.out and "check only" in ran.out


def test_without_diff_no_file_is_shown(fleet: Fleet, node: Node) -> None:
    ran = check(fleet)
    assert "nccl_env.env[NCCL_P2P_LEVEL]" in ran.out
    assert "+NCCL_P2P_LEVEL" not in ran.err + ran.out and "@@" not in ran.err + ran.out


def test_no_secret_is_in_what_a_check_prints(fleet: Fleet, node: Node, tmp_path: Path) -> None:
    inventory = tmp_path / "lab.ini"
    text = fleet.inventory.read_text().replace("ansible_user=ops", "ansible_user=opspw")
    inventory.write_text(text + "ansible_become_password=rehearsal\n")
    ran = run(
        fleet, "-vv", "provision", "--check", "--diff", "--json", "--limit", NAME, inventory=inventory
    ).expect(0)
    assert {each["result"] for each in ran.host(NAME)["keys"]} == {"SKIPPED"}
    assert not re.search(r"rehearsal(?! fleet)", ran.out + ran.err), "the sudo password"


def playbook(fleet: Fleet, *options: str) -> str:
    """Run ansible-playbook in the clone as somebody who has never heard of glmprov; return what it printed."""
    bin_directory = Path(sys.executable).parent
    command = [bin_directory / "ansible-playbook", "-i", fleet.inventory, "--limit", NAME, PLAYBOOK, *options]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": f"{bin_directory}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_playbook_is_plain_ansible(fleet: Fleet) -> None:
    assert "playbook: " in playbook(fleet, "--syntax-check")


def test_the_playbook_checks_a_host_with_the_defaults_of_the_roles(fleet: Fleet, node: Node) -> None:
    before = files(node)
    recap = playbook(fleet, "--check").rpartition("PLAY RECAP")[2]
    assert "unreachable=0" in recap and "failed=0" in recap
    assert files(node) == before
