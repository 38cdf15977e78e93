"""The payload's answer → what shows that virtual machines run on a host."""

from __future__ import annotations

import re
from collections.abc import Iterator

from glmprov.probe.answer import Answer
from glmprov.probe.wanted import LIBVIRT, PROXMOX, VFIO
from glmprov.state import Unknown


def virtual_machines(answer: Answer) -> tuple[str, ...]:
    """Return in words what shows that virtual machines run, or that they are given devices."""
    return tuple(_signs(answer))


def _signs(answer: Answer) -> Iterator[str]:
    given = [name for name in _names(answer, VFIO) if re.fullmatch(r"[0-9a-f:]+\.[0-7]", name)]
    if given:
        yield f"vfio-pci has {', '.join(given)}"
    # libvirt keeps a machine's state there while it runs; drivers of its own have none.
    running = [name.removesuffix(".xml") for name in _names(answer, LIBVIRT) if name.endswith(".xml")]
    running += [
        f"{name.removesuffix('.pid')} (Proxmox)" for name in _names(answer, PROXMOX) if name.endswith(".pid")
    ]
    if running:
        yield f"{', '.join(running)} running"
    # The kernel counts each machine, and each open /dev/kvm, as a user of the processor's KVM module.
    modules = answer.text("/proc/modules")
    users = re.search(
        r"^(kvm_amd|kvm_intel) \d+ ([1-9]\d*) ", modules if isinstance(modules, str) else "", re.MULTILINE
    )
    if users:
        yield f"{users[1]} has {users[2]} users"


def _names(answer: Answer, folder: str) -> list[str]:
    folders = answer.part("folders")
    names = None if isinstance(folders, Unknown) else folders.get(folder)
    return [str(name) for name in names] if isinstance(names, list) else []
