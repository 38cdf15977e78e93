"""The Ansible inventory of a fleet: it reads like one of real hosts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from glmprov.lab.authority import SERVER_NAME
from glmprov.lab.node import Node
from glmprov.lab.places import Place


def default_path(place: Place) -> Path:
    """Return ./inventories/FLEET.ini where people keep inventories in that directory, else one beside the state."""
    here = Path("inventories")
    return (here.resolve() if here.is_dir() else place.directory) / f"{place.fleet}.ini"


def write(file: Path, place: Place, nodes: Sequence[Node], packages: Path) -> None:
    """Write the inventory of a fleet that is up."""
    lines = [_title(place), "", "[lab]"]
    for node in nodes:
        port = "" if node.ssh_port == 22 else f" ansible_port={node.ssh_port}"
        lines.append(f"{node.name} ansible_host={node.address}{port}")
    known_hosts = shlex.quote(str(place.known_hosts))
    lines += [
        "",
        "[lab:vars]",
        "ansible_user=ops",
        f"ansible_ssh_private_key_file={place.ssh_key}",
        f"ansible_ssh_common_args=-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes",
        *_repositories(packages),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def is_of(file: Path, place: Place) -> bool:
    """Tell whether this fleet wrote the file: somebody's own file of that name is not ours to remove."""
    try:
        return file.read_text().splitlines()[0] == _title(place)
    except (OSError, IndexError):
        return False


def _title(place: Place) -> str:
    return f"# The rehearsal fleet {place.identity}, written by `glmprov lab up`, removed by `glmprov lab down`."


def _repositories(packages: Path) -> list[str]:
    fingerprint = packages / "fingerprint"
    if not fingerprint.exists():
        return []
    lines = []
    for variable, directory in (("gpu_driver", "nvidia"), ("container_engine_toolkit", "toolkit")):
        lines += [
            f"{variable}_repository_url=https://{SERVER_NAME}/{directory}",
            f"{variable}_repository_key_url=https://{SERVER_NAME}/lab.asc",
            f"{variable}_repository_key_fingerprint={fingerprint.read_text().strip()}",
        ]
    return lines
