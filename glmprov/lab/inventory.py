"""The Ansible inventory of a fleet: it reads like one of real hosts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from glmprov.lab.authority import REGISTRY_NAME, SERVER_NAME
from glmprov.lab.node import Node, distribution
from glmprov.lab.places import Place


def default_path(place: Place) -> Path:
    """Return inventories/FLEET.ini if that directory is here, else a file beside the fleet's state."""
    here = Path("inventories").absolute()
    return (here if here.is_dir() else place.directory) / f"{place.fleet}.ini"


def write(file: Path, place: Place, nodes: Sequence[Node], packages: Path) -> None:
    """Write the inventory of a fleet that is up."""
    lines = [_title(place), "", "[lab]"]
    for node in nodes:
        port = "" if node.ssh_port == 22 else f" ansible_port={node.ssh_port}"
        lines.append(f"{node.name} ansible_host={node.address}{port}{_own_repository(node)}")
    known_hosts = shlex.quote(str(place.known_hosts))
    lines += [
        "",
        "[lab:vars]",
        "ansible_user=ops",
        f"ansible_ssh_private_key_file={place.ssh_key}",
        f"ansible_ssh_common_args=-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes",
        *_repositories(packages),
        "",
        # The weakest place, so that a user's own group_vars win.
        "[all:vars]",
        # Hosts without a way out reach docker.io through a mirror: images keep the names that the world gives them.
        f'container_engine_daemon={{"registry-mirrors": ["https://{REGISTRY_NAME}"]}}',
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def remove(file: Path, place: Place) -> None:
    """Remove the fleet's inventory, unless somebody has put another file in its place."""
    with suppress(OSError):
        if file.read_text().startswith(_title(place) + "\n"):
            file.unlink()


def _title(place: Place) -> str:
    return (
        f"# The rehearsal fleet {place.identity}. `glmprov lab up` wrote this, `glmprov lab down` removes it."
    )


def _own_repository(node: Node) -> str:
    """Return the address of NVIDIA's repository where it isn't Debian's: there is one for each distribution."""
    if distribution(node) == "debian":
        return ""
    return f" gpu_driver_repository_url=https://{SERVER_NAME}/nvidia-{distribution(node)}"


def _repositories(packages: Path) -> list[str]:
    fingerprint = (packages / "fingerprint").read_text().strip()
    lines = []
    for variable, directory in (("gpu_driver", "nvidia"), ("container_engine_toolkit", "toolkit")):
        lines += [
            f"{variable}_repository_url=https://{SERVER_NAME}/{directory}",
            f"{variable}_repository_key_url=https://{SERVER_NAME}/lab.asc",
            f"{variable}_repository_key_fingerprint={fingerprint}",
        ]
    return lines
