"""What tests of the driver ask of a host."""

from __future__ import annotations

from glmprov_program import Ran
from rehearsal import Fleet, Node

from glmprov.state import SECTIONS

DEBIAN, UBUNTU = "genoa-4x", "ubuntu-4x"
OLD, NEW = "580.105.08", "595.58.03"
PROVISION = ("provision", "--yes", "--json")
MODULE = "gpu_driver.next_kernel_module"


def only_managing(fleet: Fleet, *sections: str) -> None:
    """Leave the other sections out: they are rehearsed elsewhere, and take their time."""
    left = [section for section in SECTIONS if section not in sections]
    with fleet.inventory.open("a") as inventory:
        inventory.write("".join(f"{section}_manage=ignore\n" for section in left))


def loaded(node: Node) -> str:
    """Return the version of the driver that answers."""
    return node.ssh("nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0")


def packages(node: Node) -> dict[str, str]:
    """Return the driver's packages with their full versions."""
    listing = node.ssh(
        "dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n' '*nvidia*'", check=False
    )
    rows = (line.split() for line in listing.splitlines() if line.startswith("installed "))
    return {name: version for _, name, version in rows if "container" not in name}


def installed(node: Node) -> dict[str, str]:
    """Return the driver's packages with their upstream versions."""
    return {name: version.partition("-")[0] for name, version in packages(node).items()}


def results(ran: Ran, host: str) -> dict[str, str]:
    """Return what became of each key of a provisioned host."""
    return {each["key"]: each["result"] for each in ran.host(host)["keys"]}


def reasons(ran: Ran, host: str) -> dict[str, str]:
    """Return why each key of a provisioned host became what it did."""
    return {each["key"]: each["reason"] for each in ran.host(host)["keys"]}
