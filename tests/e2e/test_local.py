"""A rig's owner logs in on the rig and lets it provision itself: ansible_connection=local, nothing but Python on it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distribution

import pytest
from packaging.requirements import Requirement
from rehearsal import ROOT, Fleet, Node

pytestmark = pytest.mark.fleet

NAME = "genoa-4x"
HOME = "/opt/glmprov"
PLAYBOOK_SCRIPT = b"#!/usr/bin/python3\nfrom ansible.cli.playbook import main\nmain()\n"


def needed() -> Iterator[Distribution]:
    """Yield what glmprov asks for and what that asks for, as pip would install it."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    seen: set[str] = set()
    while asked:
        requirement = Requirement(asked.pop())
        unwanted = requirement.marker and not requirement.marker.evaluate({"extra": ""})
        if requirement.name.lower() not in seen and not unwanted:
            seen.add(requirement.name.lower())
            found = distribution(requirement.name)
            asked += found.requires or []
            yield found


def archive() -> bytes:
    """Return glmprov and all that it needs as a tar, to be unpacked in HOME."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for each in needed():
            for file in each.files or ():
                if ".." not in file.parts and "__pycache__" not in file.parts:
                    tar.add(str(file.locate()), f"lib/{file}")
        for folder in ("glmprov", "playbooks", "roles"):
            tar.add(
                ROOT / folder,
                f"lib/{folder}",
                filter=lambda member: member if "__pycache__" not in member.name else None,
            )
        script = tarfile.TarInfo("bin/ansible-playbook")
        script.mode, script.size = 0o755, len(PLAYBOOK_SCRIPT)
        tar.addfile(script, io.BytesIO(PLAYBOOK_SCRIPT))
    return packed.getvalue()


def inventory(fleet: Fleet) -> str:
    """Return the fleet's inventory as the rig's owner would write it for the rig itself."""
    text = re.sub(
        r"^(\S+) ansible_host=.*$", r"\1 ansible_connection=local", fleet.inventory.read_text(), flags=re.M
    )
    return re.sub(r"^ansible_(user|ssh)\S*=.*\n", "", text, flags=re.M)


def put(node: Node, path: str, content: bytes, how: str = "cat > {}") -> None:
    command = ["ssh", "-F", str(node.ssh_config), "-l", "root", node.name, how.format(path)]
    subprocess.run(command, input=content, check=True, timeout=120)


def on_the_rig(node: Node, *arguments: str) -> tuple[int, dict[str, object]]:
    environment = f"PATH={HOME}/bin:$PATH PYTHONPATH={HOME}/lib"
    done = node.try_ssh(f"{environment} python3 -m glmprov {' '.join(arguments)} --json -i /root/local.ini")
    assert done.stdout.startswith("{") and "Traceback" not in done.stderr, done.stdout + done.stderr
    document = json.loads(done.stdout)
    (host,) = document["hosts"]
    return done.returncode, host


def test_a_host_provisions_itself(bring_up: Callable[..., Fleet]) -> None:
    fleet = bring_up("genoa-4x-workstation")
    node = fleet.nodes[NAME]
    put(node, HOME, archive(), "mkdir -p {0} && tar -x --no-same-owner -C {0}")
    put(node, "/root/local.ini", inventory(fleet).encode())
    boot = node.boot_id

    code, host = on_the_rig(node, "provision", "--yes", "--reboot")
    assert code == 0, host
    results = {each["key"]: each["result"] for each in host["keys"]}
    assert set(results.values()) == {"FIXED", "PENDING REBOOT"}
    pending = {key for key, result in results.items() if result == "PENDING REBOOT"}
    assert pending and all(key.startswith("host_tuning.kernel_arguments") for key in pending)
    assert node.boot_id == boot, "it rebooted the machine that it runs on"

    fleet.reboot(NAME)
    code, host = on_the_rig(node, "audit")
    assert (code, host["differences"]) == (0, [])
    code, host = on_the_rig(node, "provision", "--yes")
    assert (code, host["keys"], host["applied"]) == (0, [], False)
