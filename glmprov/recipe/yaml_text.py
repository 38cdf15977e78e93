"""YAML whose scalars stay as they were written, and the line of everything in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, ClassVar


def parsed(text: str) -> Any:
    """Return the content of a YAML text: mappings, lists, text, true, false and null.

    Numbers, dates and words such as `on` stay text: 0.90 is written to an engine as 0.90. Raise yaml.YAMLError.
    """
    import yaml

    return yaml.load(text, Loader=_loader())  # noqa: S506  (a safe loader)


def lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Return the line, counted from 1, of every key and list item by its path."""
    import yaml

    root = yaml.compose(text, Loader=_loader())
    return dict(_lines(root, ())) if root is not None else {}


def twice(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield path and line of every key that stands in its mapping a second time: YAML takes the last, silently."""
    import yaml

    root = yaml.compose(text, Loader=_loader())
    yield from _twice(root, ()) if root is not None else ()


def _lines(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
    for key, child, mark in _children(node):
        yield (*path, key), mark.line + 1
        yield from _lines(child, (*path, key))


def _twice(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
    seen: set[str | int] = set()
    for key, child, mark in _children(node):
        if key in seen:
            yield (*path, key), mark.line + 1
        seen.add(key)
        yield from _twice(child, (*path, key))


def _children(node: Any) -> Sequence[tuple[str | int, Any, Any]]:
    if node.id == "mapping":
        return [(str(key.value), child, key.start_mark) for key, child in node.value]
    if node.id == "sequence":
        return [(index, child, child.start_mark) for index, child in enumerate(node.value)]
    return []


@cache
def _loader() -> Any:
    import yaml

    class TextLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Knows true, false and null, as YAML 1.2 spells them; the rest is text."""

        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    for tag, pattern, first in (
        ("tag:yaml.org,2002:bool", r"^(?:true|false)$", "tf"),
        ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
        ("tag:yaml.org,2002:merge", r"^<<$", "<"),
    ):
        TextLoader.add_implicit_resolver(tag, re.compile(pattern), list(first))
    return TextLoader
