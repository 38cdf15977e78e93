"""Receipts of instances on a host: the one in force, and those before it, by number."""

from __future__ import annotations

from collections.abc import Sequence

from glmprov.deployed import CURRENT, FOLDER, INSTANCES_HOME, InstanceReceipt, from_json, numbered, to_json
from glmprov.errors import ApplyError
from glmprov.journal.asking import ask
from glmprov.remote import Channel


def write(channel: Channel, receipt: InstanceReceipt, *, home: str = INSTANCES_HOME) -> None:
    """Keep a receipt under its number, and make it the one in force. Each in one step, and on disk."""
    for name in (numbered(receipt.number), CURRENT):
        asked = {"home": f"{home}/{receipt.name}", "name": name, "text": to_json(receipt)}
        ask(channel, "store", asked)


def read(channel: Channel, name: str, number: int, *, home: str = INSTANCES_HOME) -> InstanceReceipt | None:
    """Return an instance's receipt by its number, None if there is none. Raise ApplyError if it can't be read."""
    text = ask(channel, "load", {"home": f"{home}/{name}", "name": numbered(number)}).get("text")
    if text is None:
        return None
    try:
        return from_json(text)
    except ValueError as error:
        raise ApplyError(str(error), place=f"{home}/{name}/{numbered(number)}") from error


def names(channel: Channel, *, home: str = INSTANCES_HOME) -> tuple[str, ...]:
    """Return the instances that have receipts on the host."""
    return tuple(ask(channel, "listed", {"home": home, "folder": "."}).get("names") or ())


def numbers(channel: Channel, name: str, *, home: str = INSTANCES_HOME) -> tuple[int, ...]:
    """Return the numbers of an instance's receipts, the first that was written first."""
    names = ask(channel, "listed", {"home": f"{home}/{name}", "folder": FOLDER}).get("names") or ()
    stems = (each.removesuffix(".json") for each in names if each.endswith(".json"))
    return tuple(sorted(int(stem) for stem in stems if stem.isdecimal()))


def drop(channel: Channel, name: str, gone: Sequence[int], *, home: str = INSTANCES_HOME) -> None:
    """Remove receipts by their numbers. The one in force lies beside them and stays."""
    ask(channel, "drop", {"home": f"{home}/{name}", "names": [numbered(number) for number in gone]})
