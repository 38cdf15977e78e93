"""Plans as artefacts: exported for plain Ansible; saved, applied exactly, or refused because something moved on.

One node, one story: bare → provisioned by plain ansible-playbook → drifted → repaired by a saved plan.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from glmprov_program import Ran, run
from rehearsal import Fleet, Node, running_fleet

pytestmark = pytest.mark.fleet

NAME = "genoa-4x"
NCCL_FILE = "/etc/glmprov/nccl.env"
NCCL_KEY = "nccl_env.env[NCCL_P2P_LEVEL]"


@pytest.fixture(scope="module")
def lab(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet of one node for this story."""
    with running_fleet(tmp_path_factory.mktemp("lab"), "genoa-4x-workstation") as up:
        yield up


@pytest.fixture(scope="module")
def node(lab: Fleet) -> Node:
    return lab.nodes[NAME]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export") / "project"


@pytest.fixture(scope="module")
def repository(lab: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory in a Git repository."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "rigs.ini").write_text(lab.inventory.read_text())
    git(folder, "init", "-q")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=op", "-c", "user.email=op@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True)


def commit(folder: Path) -> None:
    git(folder, "add", "rigs.ini")
    git(folder, "commit", "-q", "--allow-empty", "-m", "Change")


def playbook(lab: Fleet, project: Path, *options: str) -> str:
    """Run ansible-playbook in the exported project, where nothing knows of glmprov; return what it printed."""
    bin_directory = Path(sys.executable).parent
    path = f"{bin_directory}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": os.environ["HOME"], "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        ["ansible-playbook", "-i", lab.inventory, "-i", "inventory.yml", "provision.yml", *options],
        cwd=project, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(recap: str) -> int:
    (count,) = re.findall(rf"{NAME} +:.* changed=(\d+) ", recap)
    return int(count)


def export(lab: Fleet, project: Path) -> Ran:
    return run(lab, "plan", "--exit-code", "--export", str(project))


def test_a_bare_host_is_exported_with_what_is_known_and_the_rest_is_said(lab: Fleet, exported: Path) -> None:
    ran = export(lab, exported).expect(3)
    assert "export again when these are known: gpu_driver.version" in ran.err
    assert f"ansible-playbook -i {lab.inventory} -i inventory.yml provision.yml" in ran.err
    assert "gpu_power" not in (exported / f"host_vars/{NAME}/glmprov.yml").read_text().split("---")[1]


def test_plain_ansible_reaches_the_end_state_of_the_plan(lab: Fleet, node: Node, exported: Path) -> None:
    assert changed(playbook(lab, exported)) > 0
    export(lab, exported).expect(3)  # the cards answer now
    assert changed(playbook(lab, exported)) > 0
    lab.reboot(NAME)
    plan = run(lab, "plan", "--exit-code", "--json").expect(0).host(NAME)
    assert plan["differences"] == []
    assert set(node.ssh("nvidia-smi --query-gpu=power.limit --format=csv,noheader").split("\n")) == {
        "400.00 W"
    }
    assert node.ssh("ls /var/lib/glmprov/receipt.json", check=False) == "", "no glmprov was on the way"


def test_plain_ansible_changes_nothing_the_second_time(lab: Fleet, exported: Path) -> None:
    assert changed(playbook(lab, exported)) == 0


def test_check_and_diff_show_what_would_change_and_nothing_else(
    lab: Fleet, node: Node, exported: Path
) -> None:
    drift(node)
    shown = playbook(lab, exported, "--check", "--diff")
    assert changed(shown) == 1
    assert "-NCCL_P2P_LEVEL=LOC" in shown and "+NCCL_P2P_LEVEL=PHB" in shown
    assert node.ssh(f"grep -c LOC {NCCL_FILE}") == "1"


def drift(node: Node) -> None:
    node.ssh(f"sed -i s/=PHB/=LOC/ {NCCL_FILE}")


Say = Callable[..., Ran]


@pytest.fixture
def plan_file(lab: Fleet, node: Node, repository: Path, tmp_path: Path) -> Path:
    """A plan, saved while one key of a provisioned host has drifted."""
    git(repository, "checkout", "-q", ".")
    run(lab, "provision", "--yes").expect(0)
    drift(node)
    path = tmp_path / "plan.json"
    run(lab, "plan", "--out", str(path), inventory=repository / "rigs.ini").expect(0)
    return path


@pytest.fixture
def provision(lab: Fleet, repository: Path) -> Say:
    """What applies a plan, with the inventory that it names."""

    def act(path: Path, *options: str) -> Ran:
        return run(
            lab, "provision", str(path), "--yes", "--json", *options, inventory=repository / "rigs.ini"
        )

    return act


def refused(ran: Ran, node: Node) -> str:
    """Return why a plan was refused, after a look whether the host was left alone."""
    ran.expect(1)
    assert node.ssh(f"grep -c LOC {NCCL_FILE}") == "1"
    error: dict[str, Any] = ran.document.get("error") or ran.host(NAME)["error"]
    assert error["kind"] == "MovedOnError"
    return str(error["message"])


def test_a_saved_plan_is_applied_exactly_and_then_nothing_is_left(
    plan_file: Path, provision: Say, lab: Fleet, node: Node
) -> None:
    saved = json.loads(plan_file.read_text())
    assert [change["key"] for change in saved["hosts"][0]["changes"]] == [NCCL_KEY]
    host = provision(plan_file).expect(0).host(NAME)
    assert [(each["key"], each["result"]) for each in host["keys"]] == [(NCCL_KEY, "FIXED")]
    # A plan knows its inventory.
    alone = [sys.executable, "-m", "glmprov", "provision", str(plan_file), "--yes", "--json"]
    done = subprocess.run(alone, env=dict(lab.environment), capture_output=True, text=True, timeout=300)
    again = Ran(done.returncode, done.stdout, done.stderr).expect(0).host(NAME)
    assert again["keys"] == [] and not again["applied"]
    assert f"plan {saved['id'][:12]} is applied already: nothing is left to do" in again["notes"]
    receipt = json.loads(node.ssh("cat /var/lib/glmprov/receipt.json"))
    assert receipt["plan"] == saved["id"]


def test_a_plan_is_refused_after_the_host_moved_on(plan_file: Path, provision: Say, node: Node) -> None:
    node.ssh("sysctl -q -w vm.swappiness=33")
    said = refused(provision(plan_file), node)
    assert "host_tuning.sysctl[vm.swappiness].effective: was as planned, is 33" in said
    assert node.ssh("sysctl -n vm.swappiness") == "33"


def test_a_plan_is_refused_after_the_inventory_and_its_commit_moved_on(
    plan_file: Path, provision: Say, node: Node, repository: Path
) -> None:
    inventory = repository / "rigs.ini"
    text = inventory.read_text()
    inventory.write_text(text + "nccl_env_profile=throughput\n")
    said = refused(provision(plan_file), node)
    assert f"{NAME}: nccl_env_profile: was absent, is throughput" in said
    assert "files of the inventory against their commit: was clean, is changed" in said
    inventory.write_text(text.replace(NAME, "genoa-5x", 1))
    assert f"{NAME}: it is no longer in the inventory" in refused(provision(plan_file), node)
    inventory.write_text(text)
    commit(repository)
    assert "commit of the inventory: was " in refused(provision(plan_file), node)


def test_a_plan_of_another_version_or_edited_by_hand_is_no_plan(
    plan_file: Path, provision: Say, node: Node
) -> None:
    text = plan_file.read_text()
    for change, message in (
        (("saved-plan/1", "saved-plan/9"), "it is of schema glmprov/saved-plan/9"),
        (('"PHB"', '"PIX"'), "it was changed after it was made"),
    ):
        plan_file.write_text(text.replace(*change))
        ran = provision(plan_file).expect(2)
        assert message in ran.document["error"]["message"]
    assert node.ssh(f"grep -c LOC {NCCL_FILE}") == "1"
