"""The command line as the engine's own parser takes it, by the catalogue of its version."""

import sys
from pathlib import Path
from typing import Any, NoReturn

from engine_simulator.identity import Identity
from glmprov.engines.faults import Kind
from glmprov.engines.flags import Catalogue
from glmprov.engines.parsing import parse as parsed_by_catalogue

_PROGRAMS = {
    "python -m vllm.entrypoints.openai.api_server": "api_server.py",
    "python -m sglang.launch_server": "launch_server.py",
}


def parse(who: Identity, command: str, argv: list[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return arguments by their destination, spelled with hyphens, and what the parser warns of.

    Ends with 2 and the parser's words where the engine's parser would.
    """
    catalogue = Catalogue(who.engine, who.version, who.catalogue())
    try:
        words = _with_configuration(argv)
    except OSError as error:
        refuse(command, f"the configuration can't be read: {error}")
    found = parsed_by_catalogue(catalogue, words, command=command)
    if found.refused:
        # argparse ends at the first, and looks for what it doesn't know last of all.
        first = min(
            found.refused, key=lambda fault: (fault.kind is Kind.UNKNOWN, fault.index is None, fault.index)
        )
        refuse(command, first.sentence)
    given = {one.flag.destination.replace("_", "-"): one.value for one in found.given if one.wins}
    given |= {"model" if who.is_vllm else "model-path": found.model} if found.model else {}
    warnings = tuple(fault.sentence for fault in found.faults if fault.kind is Kind.DEPRECATED)
    return {name: value for name, value in given.items() if value is not False}, warnings


def refuse(command: str, text: str) -> NoReturn:
    """End as argparse does."""
    program = _PROGRAMS.get(command, command)
    sys.stderr.write(f"usage: {program} [options]\n{program}: error: {text}\n")
    sys.exit(2)


def _with_configuration(argv: list[str]) -> list[str]:
    """Put the lines of a file (--config) before the other flags, which then win. Knows `name: value` only."""
    for place, word in enumerate(argv):
        name, equals, file = word.partition("=")
        if name == "--config" and (equals or place + 1 < len(argv)):
            rest = [*argv[:place], *argv[place + (1 if equals else 2) :]]
            first = next((number for number, one in enumerate(rest) if one.startswith("-")), len(rest))
            return [*rest[:first], *_configured(Path(file or argv[place + 1])), *rest[first:]]
    return argv


def _configured(file: Path) -> list[str]:
    words = []
    for line in file.read_text().splitlines():
        name, colon, value = line.partition(":")
        text = value.strip().strip("\"'")
        if not colon or line.lstrip().startswith("#") or text == "false":
            continue
        words += [f"--{name.strip()}"] if text == "true" else [f"--{name.strip()}", text]
    return words
