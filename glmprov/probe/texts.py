"""Small texts of Linux, understood: one pure function a format. A line that makes no sense is left out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache

QUOTED = re.compile(r"""["'\\#]""")
"""What keeps a line from being its words between blanks."""


def cpu_list(text: str) -> tuple[int, ...]:
    """Given the kernel's list form ("0-3,8,10-11"), return the CPU numbers in order, each once.

    Raise ValueError if the text isn't such a list.
    """
    cpus: set[int] = set()
    for part in text.strip().split(","):
        if not part:
            continue
        first, dash, last = part.partition("-")
        cpus.update(range(int(first), int(last if dash else first) + 1))
    return tuple(sorted(cpus))


def key_values(text: str, comment: str = "#") -> list[tuple[str, str]]:
    """Return the `key = value` lines of a text in order, quotes around a value taken off."""
    pairs = []
    for line in text.split("\n"):
        key, equals, value = line.partition("=")
        if equals and key.strip() and not line.lstrip().startswith(tuple(comment)):
            pairs.append((key.strip(), _unquoted(value.strip())))
    return pairs


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def kernel_arguments(text: str) -> dict[str, str]:
    """Given a kernel command line, return its arguments by name, "" for a flag.

    Of a repeated one the last counts; what follows "--" is for init and not for the kernel.
    """
    arguments = {}
    for word in _quoted_words(text):
        if word == "--":
            break
        name, _, value = word.partition("=")
        if name and not name.startswith("$"):
            arguments[name] = _unquoted(value)
    return arguments


def _quoted_words(text: str) -> Iterator[str]:
    """Split at blanks outside of double quotes, as the kernel does."""
    return (word for word in re.findall(r'(?:[^\s"]|"[^"]*"?)+', text))


def boot_entry_arguments(line: str) -> str:
    """Given a `linux` line of grub.cfg, return the kernel's command line in it."""
    words = line.split(None, 2)
    return words[2] if len(words) == 3 else ""


def meminfo_bytes(text: str, key: str = "MemTotal") -> int:
    """Return a value of /proc/meminfo or of a node's meminfo in bytes, 0 if it isn't there."""
    found = re.search(rf"\b{key}:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


@lru_cache(maxsize=4)  # one answer is asked for unit after unit
def unit_blocks(text: str) -> dict[str, dict[str, str]]:
    """Given the output of `systemctl show` for several units, return each unit's properties by its Id."""
    units = {}
    for block in re.split(r"\n\s*\n", text):
        properties = dict(line.partition("=")[::2] for line in block.strip().split("\n") if "=" in line)
        if "Id" in properties:
            units[properties["Id"]] = properties
    return units


def modprobe_options(text: str) -> dict[str, str]:
    """Given a modprobe.d file, return the options in it as "module.option"."""
    options = {}
    for line in text.replace("\\\n", " ").split("\n"):
        words = shell_words(line, comments=True) if line.lstrip().startswith("options") else ()
        if len(words) > 2 and words[0] == "options":
            for word in words[2:]:
                name, _, value = word.partition("=")
                options[f"{words[1].replace('-', '_')}.{name}"] = value
    return options


def modprobe_blocks(text: str, module: str) -> bool:
    """Given a modprobe.d file, tell whether it keeps the module from loading."""
    for line in text.split("\n"):
        words = line.split()
        if words[:2] == ["blacklist", module]:
            return True
        if words[:2] == ["install", module] and words[2:3] in (
            ["/bin/false"],
            ["/bin/true"],
            ["/usr/bin/false"],
        ):
            return True
    return False


@lru_cache(maxsize=4096)  # hosts of a fleet have most lines in common
def shell_words(line: str, comments: bool = False) -> tuple[str, ...]:
    """Split a line as a shell does; nothing comes of one that makes no sense to it."""
    if not QUOTED.search(line):
        return tuple(line.split())
    try:
        return tuple(shlex.split(line, comments=comments))
    except ValueError:
        return ()


def by_precedence(files: Mapping[str, str], folders: tuple[str, ...]) -> dict[str, str]:
    """Return the files that count of a *.d configuration, in the order in which they are read.

    Of files with the same name the one in the earlier folder counts; they are read in the order of names.
    """
    chosen: dict[str, str] = {}
    for folder in folders:
        for path in files:
            base = path.removeprefix(folder + "/")
            if base != path and "/" not in base:
                chosen.setdefault(base, path)
    return {chosen[base]: files[chosen[base]] for base in sorted(chosen)}
