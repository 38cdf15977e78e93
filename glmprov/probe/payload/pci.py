"""The payload's part that reads PCI: the cards before any driver, and the bridges above them."""

import posix as os

from glmprov.probe.payload.reading import failure, names, read

DEVICES = "/sys/bus/pci/devices"
ACS_CAPABILITY = 0x000D


def pci_cards():
    """Return the NVIDIA display devices as sysfs shows them."""
    cards = []
    for bus_id in names(DEVICES):
        base = DEVICES + "/" + bus_id + "/"
        if (read(base + "vendor", 64) or "") != "0x10de\n" or not str(read(base + "class", 64)).startswith(
            "0x03"
        ):
            continue
        card = {"bus_id": bus_id, "path": link(DEVICES + "/" + bus_id), "driver": link(base + "driver")}
        for name in (
            "device",
            "numa_node",
            "current_link_speed",
            "current_link_width",
            "max_link_speed",
            "max_link_width",
        ):
            card[name] = read(base + name, 256)
        cards.append(card)
    return cards


def link(path):
    """Return where a link points, "" if it is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def acs_of(bridges):
    """Return the Access Control Services registers of each bridge, by bus id."""
    return {bus_id: acs(DEVICES + "/" + bus_id + "/config") for bus_id in bridges}


def acs(path):
    """Return where a device's ACS capability lies, with its capability and control register.

    None: the device has no such capability.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        return failure(problem) or {"error": "no configuration space"}
    try:
        offset, steps = 0x100, 0
        while offset >= 0x100 and steps < 96:
            header = os.pread(descriptor, 4, offset)
            if len(header) < 4:
                size = os.fstat(descriptor).st_size
                return (
                    None
                    if size <= 256
                    else {"error": "extended configuration space can be read by root only"}
                )
            word = int.from_bytes(header, "little")
            if word in (0, 0xFFFFFFFF):
                return None
            if word & 0xFFFF == ACS_CAPABILITY:
                registers = os.pread(descriptor, 4, offset + 4)
                return {
                    "offset": offset,
                    "capability": int.from_bytes(registers[:2], "little"),
                    "control": int.from_bytes(registers[2:], "little"),
                }
            offset, steps = (word >> 20) & 0xFFC, steps + 1
        return None
    except OSError as problem:
        return {"error": str(problem.strerror)}
    finally:
        os.close(descriptor)
