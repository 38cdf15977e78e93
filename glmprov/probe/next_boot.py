"""Which entry of grub.cfg boots next. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from glmprov.probe.texts import shell_words


@dataclass
class Entry:
    """An entry of the menu, or a submenu with entries of its own. line is its `linux` line."""

    title: str = ""
    identifier: str = ""
    line: str = ""
    entries: list[Entry] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the `linux` lines of this entry and those below it."""
        if self.line:
            yield self.line
        for entry in self.entries:
            yield from entry.lines()


def next_line(lines: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the `linux` line of the entry that GRUB boots next, "" if there is none.

    lines are those of grub.cfg that wanted.BOOT_LINES names, environment is grubenv. A default that names no entry
    means the first one, as GRUB takes it.
    """
    menu = _menu(lines)
    chosen = _at(menu, _default(lines, environment))
    return next((chosen or menu).lines(), next(menu.lines(), ""))


def kernel_of(line: str) -> str:
    """Given a `linux` line or the path of an image, return the kernel's release, "" if it names none."""
    found = re.search(r"vmlinuz-(\S+)", line)
    return found[1] if found else ""


def _menu(lines: Sequence[str]) -> Entry:
    menu = Entry()
    open_blocks = [menu]
    for line in lines:
        word = line.split(None, 1)[0]
        if word in ("menuentry", "submenu", "function"):
            entry = _entry(line)
            if word != "function":
                open_blocks[-1].entries.append(entry)
            open_blocks.append(entry)
        elif word.startswith("linux") and not open_blocks[-1].line:
            open_blocks[-1].line = line
        elif word == "}" and len(open_blocks) > 1:
            open_blocks.pop()
    return menu


def _entry(line: str) -> Entry:
    words = shell_words(line)
    marks = [at for at, word in enumerate(words[:-1]) if word in ("$menuentry_id_option", "--id")]
    return Entry(words[1] if len(words) > 1 else "", words[marks[0] + 1] if marks else "")


def _default(lines: Sequence[str], environment: Mapping[str, str]) -> str:
    values = [found[1] for line in lines if (found := re.match(r'set default="?([^"]*)"?', line))]
    once = environment.get("next_entry", "")
    if once and any("next_entry" in value for value in values):
        return once
    value = values[-1] if values else ""
    return environment.get("saved_entry", "") if "saved_entry" in value else value


def _at(menu: Entry, path: str) -> Entry | None:
    """Return the entry that a default names: by position, title or identifier, "1>2" inside a submenu."""
    entry = menu
    for part in re.split(r"(?<!>)>(?!>)", path):
        named = [e for e in entry.entries if part in (e.title, e.identifier)]
        if part.isdigit() and int(part) < len(entry.entries):
            named = [entry.entries[int(part)]]
        if not part or not named:
            return None
        entry = named[0]
    return entry
