"""How a word is written where systemd or Docker read it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_PLAIN = re.compile(r"[A-Za-z0-9_@:,./=+-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "%": "%%", "$": "$$"}
_IN_FILE = {character: f"\\{character}" for character in '"\\`$'}


def exec_line(argv: Iterable[str]) -> str:
    """Return a command as an Exec line of a unit holds it (systemd.service, "Command lines")."""
    return " ".join(map(exec_word, argv))


def exec_lines(argv: Iterable[str]) -> str:
    """Return a long command the same way, on a line for each of its options."""
    words = list(map(exec_word, argv))
    return "".join((" \\\n  " if word.startswith("-") else " ") + word for word in words).removeprefix(" ")


def exec_word(word: str) -> str:
    """Return one word of an Exec line: % and $ are systemd's there, quotes and backslashes too."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + "".join(_ESCAPES.get(character, character) for character in word) + '"'


def unit_value(text: str) -> str:
    """Return text as the value of a unit's other settings: on one line, % doubled."""
    return " ".join(text.split()).replace("%", "%%")


def environment_file(variables: Mapping[str, str]) -> str:
    """Return variables as EnvironmentFile= reads them (systemd.exec): each value in quotes."""
    return "".join(f'{name}="{_in_file(value)}"\n' for name, value in variables.items())


def docker_environment_file(variables: Mapping[str, str]) -> str:
    """Return variables as `docker run --env-file` reads them: literally, a line each.

    Raise ValueError for a value that no line can hold.
    """
    wrong = [name for name, value in variables.items() if "\n" in value or "\r" in value]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: Docker's environment file can't hold a line break")
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def _in_file(value: str) -> str:
    return "".join(_IN_FILE.get(character, character) for character in value)
