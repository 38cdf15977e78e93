"""The payload's last part: what is gathered, in which order, and how it is printed."""

import binascii
import os
import sys
import time

from glmprov.probe.payload.asking import collect, docker, spawn
from glmprov.probe.payload.pci import acs_of, pci_cards
from glmprov.probe.payload.reading import (
    LONGEST_FILE,
    lines_of,
    listing,
    numbers_behind,
    packages,
    present,
    read,
    read_all,
    read_hex,
    sums,
    tails,
    tally,
    to_json,
    within,
)
from glmprov.probe.payload.watching import end_of, start, still_hanging, wait_for


def gather_host(send, wanted):
    """Send everything but NVML, what may block last."""
    commands = {name: spawn(argv) for name, argv in wanted["commands"].items()}
    send("files", read_all(wanted["files"]))
    send("sums", sums(wanted["sums"]))
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
    send("docker", docker(wanted["docker"], wanted["docker_seconds"], LONGEST_FILE))
    end = time.monotonic() + wanted["command_seconds"]
    collected = {}
    for name in commands:
        collected[name] = collect(commands[name], max(0.1, round(end - time.monotonic(), 1)), LONGEST_FILE)
    send("commands", collected)
    cards = pci_cards()
    send("pci", cards)
    send("driver_files", read_all(wanted["driver_files"]))
    above = [part for card in cards for part in card["path"].split("/")[:-1] if part.count(":") == 2]
    send("acs", acs_of(sorted(set(above))))


def gather_nvml(send, source):
    """Send what NVML says. The source is compiled only here: most of it is of no use on a bare host."""
    space = {"__name__": "payload_nvml"}
    exec(compile(source, "payload_nvml", "exec"), space)
    space["gather"](send, read, space)


def main(mark, wanted, nvml_source):
    """Gather and print the answer between two lines that begin with the mark."""
    answer = ['"version":1', '"python":' + to_json(list(sys.version_info[:3]))]
    if sys.version_info >= (3, 8):
        answer += gather(wanted, nvml_source)
    body = ("{" + ",".join(answer) + "}").encode("ascii")
    head = "\n%s %d %08x\n" % (mark, len(body), binascii.crc32(body) & 0xFFFFFFFF)
    text = head.encode() + body + ("\n%s END\n" % mark).encode()
    while text:
        text = text[os.write(1, text) :]


def gather(wanted, nvml_source):
    """Return the parts of the answer as JSON texts."""
    loaded = isinstance(read("/proc/driver/nvidia/version"), str)
    library = any(os.path.exists(path) for path in wanted["nvml_libraries"])
    hung, children = [], []
    for name, needed, work, seconds in (
        ("host", True, lambda send: gather_host(send, wanted), wanted["host_seconds"]),
        ("nvml", loaded and library, lambda send: gather_nvml(send, nvml_source), wanted["nvml_seconds"]),
    ):
        if needed:
            before = still_hanging(name, seconds)
            if before:
                hung.append(before)
            else:
                children.append(start(name, work, seconds))
    answer = [
        '"uid":%d' % os.geteuid(),
        '"time":%d' % int(time.time()),
        '"uname":' + to_json(tuple(os.uname())),
    ]
    answer += ['"nvml_library":' + to_json(library), '"driver_loaded":' + to_json(loaded)]
    wait_for(children)
    for child in children:
        trouble = end_of(child)
        if trouble:
            hung.append(trouble)
        # A child that was killed may have left half a line behind.
        lines = b"".join(child["parts"]).split(b"\n")[:-1]
        answer += [line.decode("ascii") for line in lines]
    answer.append('"hung":' + to_json(hung))
    return answer
