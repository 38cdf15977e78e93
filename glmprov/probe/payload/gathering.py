"""The payload's last part: what is gathered, in which order, and how it is printed."""

import binascii
import posix as os
import sys
import time

from glmprov.probe.payload.asking import collect, docker_answers, docker_asked, spawn
from glmprov.probe.payload.extracts import numbers_behind, packages, sockets, sums, tails, tally, within
from glmprov.probe.payload.instances import instance_names, instances, instances_asked
from glmprov.probe.payload.pci import acs_of, pci_cards
from glmprov.probe.payload.reading import (
    LONGEST_FILE,
    lines_of,
    listing,
    present,
    read,
    read_all,
    read_hex,
    sizes,
    there,
)
from glmprov.probe.payload.units import units
from glmprov.probe.payload.values import quote, to_json
from glmprov.probe.payload.watching import end_of, start, still_hanging, wait_for


def gather_host(send, wanted, loaded):
    """Send what no driver and no other machine can hold up. loaded: a driver is, so the journal may name its errors."""
    asked = dict(wanted["commands"], **wanted["driver_commands"] if loaded else {})
    shown = units(wanted["units"], wanted["unit_properties"], wanted["command_seconds"])
    if shown is not None:
        asked.pop("systemctl", None)
    deployed = instance_names(*wanted["instances"])
    if deployed:
        asked["instances"] = wanted["instance_command"] + ["glmprov-%s.service" % name for name in deployed]
    commands = {name: spawn(argv) for name, argv in asked.items()}
    wires = docker_asked(wanted["docker"])
    containers = instances_asked(deployed)
    send("files", read_all(wanted["files"]))
    send("sums", sums(wanted["sums"]))
    send("sizes", sizes(wanted["sizes"]))
    send("packages", packages(wanted["packages"]))
    send("lines", {path: lines_of(path, words) for path, words in wanted["lines"].items()})
    send("present", present(wanted["present"]))
    send("tails", tails(wanted["tails"], wanted["tail_bytes"]))
    send("numbers", {word: numbers_behind(patterns, word) for word, patterns in wanted["numbers"].items()})
    send("within", {path: within(path, parts) for path, parts in wanted["within"].items()})
    send("folders", {folder: listing(folder) for folder in wanted["folders"]})
    send("tallies", {pattern: tally(pattern) for pattern in wanted["tallies"]})
    send("heads", {path: read(path, 4096) for path in wanted["heads"]})
    send("hex", {path: read_hex(path) for path in wanted["hex"]})
    send("sockets", sockets(*wanted["sockets"]))
    cards = pci_cards()
    send("pci", cards)
    above = [part for card in cards for part in card["path"].split("/")[:-1] if part.count(":") == 2]
    send("acs", acs_of(sorted(set(above))))
    send("docker", docker_answers(wires, wanted["docker_seconds"], LONGEST_FILE))
    send("instances", instances(deployed, containers, wanted["docker_seconds"]))
    end = time.monotonic() + wanted["command_seconds"]
    collected = {} if shown is None else {"systemctl": {"status": 0, "output": shown}}
    for name in commands:
        collected[name] = collect(commands[name], max(0.1, round(end - time.monotonic(), 1)), LONGEST_FILE)
    send("commands", collected)


def gather_driver(send, wanted, nvml_code):
    """Send what a broken driver or a lost file server may hold up. nvml_code returns NVML's part, or is None."""
    send("driver_files", read_all(wanted["driver_files"]))
    send("homes", read_all(wanted["homes"]))
    if nvml_code:
        space = {"__name__": "payload_nvml"}
        exec(nvml_code(), space)
        space["gather"](send, read, space)


def main(nvml_code, mark, wanted):
    """Gather and print the answer between two lines that begin with the mark. nvml_code returns NVML's part."""
    answer = ['"version":1', '"python":' + to_json(list(sys.version_info[:3]))]
    if sys.version_info >= (3, 8):
        answer += gather(wanted, nvml_code)
    body = ("{" + ",".join(answer) + "}").encode("ascii")
    head = "\n%s %d %08x\n" % (mark, len(body), binascii.crc32(body) & 0xFFFFFFFF)
    text = head.encode() + body + ("\n%s END\n" % mark).encode()
    while text:
        text = text[os.write(1, text) :]


def gather(wanted, nvml_code):
    """Return the parts of the answer as JSON texts."""
    loaded = isinstance(read("/proc/driver/nvidia/version"), str)
    library = any(there(path) for path in wanted["nvml_libraries"])
    answer = [
        '"uid":%d' % os.geteuid(),
        '"time":%d' % int(time.time()),
        '"uname":' + to_json(tuple(os.uname())),
        '"nvml_library":' + to_json(library),
        '"driver_loaded":' + to_json(loaded),
    ]

    def send(key, value):
        answer.append(quote(key) + ":" + to_json(value))

    hung, child = start_driver(wanted, nvml_code if library else None) if loaded else ([], None)
    try:
        gather_host(send, wanted, loaded)
        if not loaded:
            gather_driver(send, dict(wanted, homes=()), None)
    except Exception as problem:
        send("failed_host", "%s: %s" % (type(problem).__name__, problem))
    if child:
        wait_for(child)
        trouble = end_of(child)
        if trouble:
            hung.append(trouble)
        # A child that was killed may have left half a line behind.
        answer += [line.decode("ascii") for line in b"".join(child["parts"]).split(b"\n")[:-1]]
    send("hung", hung)
    return answer


def start_driver(wanted, nvml_code):
    """Start the child that asks the driver, leaving out what hangs since an earlier look. Return (hung, child)."""
    seconds = wanted["nvml_seconds"]
    hung = {kind: still_hanging(kind, seconds) for kind in ("nvml", "driver")}
    asked = None if hung["nvml"] else nvml_code
    child = None
    if not hung["driver"]:
        child = start("nvml" if asked else "driver", lambda send: gather_driver(send, wanted, asked), seconds)
    return [record for record in hung.values() if record], child
