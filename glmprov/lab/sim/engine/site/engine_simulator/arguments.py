"""The command line as the engine's own parser takes it, by the catalogue of its version."""

import sys
from typing import Any, NoReturn

from engine_simulator.identity import Identity


def parse(who: Identity, program: str, argv: list[str]) -> dict[str, Any]:
    """Return arguments by full name. Ends with 2 and the parser's words where the engine's parser would."""
    given: dict[str, Any] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            given["model" if who.is_vllm else "model-path"] = word
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals:
            value = words.pop(0) if words and not words[0].startswith("-") else True
        given[{"tp": "tp-size", "dp": "dp-size"}.get(name, name)] = value
    return given


def refuse(program: str, text: str) -> NoReturn:
    """End as argparse does."""
    sys.stderr.write(f"usage: {program} [options]\n{program}: error: {text}\n")
    sys.exit(2)
