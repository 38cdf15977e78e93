"""Shell lines as people paste them, prompts, comments, exports and wrappers included → what they launch. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from glmprov.errors import RecipeError
from glmprov.recipe.arguments import launcher_of
from glmprov.recipe.command import Pasted, understood
from glmprov.recipe.pasted.tokens import Word, simple_commands

_PROMPT = re.compile(r"^\s*(?:\([\w.-]+\)\s*)?(?:[\w.-]+@[\w.-]+[^$#]*[$#]|\$|>)\s+")
_ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*)=(.*)$", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|([A-Za-z_]\w*))")
_LONG_DASHES = ("\u2013", "\u2014")
_REDIRECTION = re.compile(r"^(?:\d*|&)(?:>{1,2}(?:&\d)?|<)(?!.*>$)")
"""`2>&1`, `> log`; not `<your token>`, which stands for something."""
_INSTALLED = re.compile(r"^(vllm|sglang)(?:\[[^\]]*\])?==([\w.]+)$")
_CURLY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "})


@dataclass
class _Shell:
    """What a shell would know while it goes through the lines."""

    variables: dict[str, str] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)
    installed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    found: list[Pasted] = field(default_factory=list)


def from_script(text: str, place: str) -> Pasted:
    """Return the one launch in the lines. Raise RecipeError for none, several, or a quote that isn't closed."""
    shell = _Shell()
    straight = text.translate(_CURLY)
    if straight != text:
        shell.notes.append("curly quotes, as chat programs make them, were read as straight ones")
    cleaned = _cleaned(straight)
    try:
        for words in simple_commands(cleaned):
            _step(shell, words)
    except ValueError as error:
        raise RecipeError(str(error), place=place, next_step="paste the whole command") from error
    if len(shell.found) != 1:
        what = "several servers are started: give one" if shell.found else "no command that starts an engine"
        left = "".join(f"\n{note}" for note in shell.notes)
        raise RecipeError(what + left, place=place, next_step=_FORMS)
    pasted = shell.found[0]
    version = pasted.launch.version or shell.installed.get(pasted.launch.engine, "")
    notes = tuple(dict.fromkeys((*shell.notes, *pasted.notes)))
    return Pasted(replace(pasted.launch, version=version), notes, cleaned.strip("\n") + "\n")


_FORMS = "paste `docker run …`, `vllm serve …`, `python -m sglang.launch_server …`, a compose file or a systemd unit"


def _cleaned(text: str) -> str:
    """Return the lines without fences, prompts, and lines that are comments: `\\` before one goes on behind it."""
    lines = [_PROMPT.sub("", line) for line in text.split("\n")]
    return "\n".join(line for line in lines if not line.lstrip().startswith(("```", "#")))


def _step(shell: _Shell, command: Sequence[Word]) -> None:
    """Do what a shell would do with one command, as far as it matters to what is launched."""
    words = [_filled(shell, word) for word in _without_redirections(command)]
    if not words:
        return
    if words[0] == "export":
        shell.exported |= dict(_assignments(words[1:]))
        shell.variables |= shell.exported
        return
    if all(_ASSIGNMENT.match(word) for word in words):
        shell.variables |= dict(_assignments(words))
        return
    inner = _inner_script(words)
    if inner is not None:
        for each in simple_commands(_cleaned(inner)):
            _step(shell, each)
        return
    start = _start(words)
    if start is None:
        _leave_out(shell, words)
        return
    before = [word for word in words[:start] if not _ASSIGNMENT.match(word)]
    if before:
        shell.notes.append(f"left out: {' '.join(before)}")
    assigned = {**shell.exported, **dict(_assignments(words[:start]))}
    shell.found.append(understood(words[start:], assigned))


def _start(words: Sequence[str]) -> int | None:
    """Return where the command begins that starts an engine, behind `sudo`, `env`, `numactl …` and the like."""
    for at, word in enumerate(words):
        program = word.rpartition("/")[2]
        if program in ("docker", "podman", "nerdctl") and _runs(words[at + 1 : at + 3]):
            return at
        if launcher_of(words[at:])[0]:
            return at
    return None


def _runs(words: Sequence[str]) -> bool:
    return "run" in words[:1] or list(words) == ["container", "run"]


def _inner_script(words: Sequence[str]) -> str | None:
    """Return what `bash -c '…'` is given."""
    start = _start(words)
    for at, word in enumerate(words[:-2] if start is None else ()):
        if word.rpartition("/")[2] in ("bash", "sh") and re.fullmatch(r"-[a-z]*c", words[at + 1]):
            return words[at + 2]
    return None


def _leave_out(shell: _Shell, words: Sequence[str]) -> None:
    for word in words:
        found = _INSTALLED.match(word)
        if found:
            shell.installed[found.group(1)] = found.group(2)
    shell.notes.append(f"left out: {' '.join(words)}")


def _without_redirections(words: Sequence[Word]) -> list[Word]:
    kept: list[Word] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif _REDIRECTION.match(word.bare):
            skip = word.bare[-1] in "<>"
        else:
            kept.append(word)
    return kept


def _filled(shell: _Shell, word: Word) -> str:
    """Return a word with the variables that the lines have set. What they haven't is told, and stays."""
    text, end = "", 0
    for found in _VARIABLE.finditer(word.bare):
        name = found.group(1) or found.group(3)
        written = word.text[found.start() : found.end()]
        value = shell.variables.get(name, found.group(2))
        if value is None:
            shell.notes.append(f"to do: {written} isn't known here, write its value")
        text += word.text[end : found.start()] + (written if value is None else value)
        end = found.end()
    text += word.text[end:]
    if re.search(r"`|\$\(", word.bare) or word.bare.startswith("~"):
        shell.notes.append(
            f"to do: {text} means something to the shell that it was pasted from only, write its value"
        )
    if word.bare.startswith(_LONG_DASHES):
        shell.notes.append(f"{text}: a long dash, as chat programs make it, was read as --")
        text = "--" + text.lstrip("".join(_LONG_DASHES) + "-")
    return text


def _assignments(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        found = _ASSIGNMENT.match(word)
        if found:
            yield found.group(1), found.group(2)
