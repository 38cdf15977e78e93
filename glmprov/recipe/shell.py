"""A launch as a person would type it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from glmprov.recipe.launch import Launch, Value, spelled, words


def typed(launch: Launch) -> tuple[str, ...]:
    """Return the words of the command, assignments first; for an image, those of `docker run`."""
    return tuple(word for line in _lines(launch) for word in line)


def text(launch: Launch) -> str:
    """Return the command for a shell, a line for each option, argument and assignment."""
    return " \\\n  ".join(map(_quoted, _lines(launch))) + "\n"


def inside(launch: Launch) -> tuple[str, ...]:
    """Return what stands behind the image: the argv, without what `--entrypoint` already says."""
    entry = launch.options.get("entrypoint")
    argv = launch.argv()
    return argv[1:] if launch.launcher and argv[0] == entry else argv


def _lines(launch: Launch) -> Iterator[Sequence[str]]:
    """Yield the words that belong together. Assignments stay before the program, as a shell wants them."""
    assignments = [f"{name}={value}" for name, value in launch.environment.items()]
    if launch.image is None:
        yield from ((assignment,) for assignment in assignments)
        yield launch.launcher
        yield from _named(launch.arguments, repeat=False)
        return
    yield ("docker", "run")
    yield from _named(launch.options, repeat=True)
    yield from (("-e", assignment) for assignment in assignments)
    behind = inside(launch)
    count = len(behind) - len(words(launch.arguments, repeat=False))
    yield (launch.image, *behind[:count])
    yield from _named(launch.arguments, repeat=False)


def _named(named: Mapping[str, Value], *, repeat: bool) -> Iterator[Sequence[str]]:
    for name, value in named.items():
        if isinstance(value, tuple) and repeat:
            yield from ((spelled(name), each) for each in value)
        elif value is not False:
            yield words({name: value}, repeat=repeat)


def _quoted(line: Sequence[str]) -> str:
    """Quote what a shell would change; an assignment's name stays bare, else it were a program's name."""
    return " ".join(
        f"{name}={shlex.quote(value)}" if equals and name.isidentifier() else shlex.quote(word)
        for word in line
        for name, equals, value in (word.partition("="),)
    )
