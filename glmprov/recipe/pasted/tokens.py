"""A shell's lines → its simple commands, word by word, with what was quoted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

QUOTED = "\0"
"""Stands in `bare` for a character that a quote has taken its meaning."""

_SEPARATOR = re.compile(r";+|&&|\|\||\||&(?!>)|\n")
_CONTINUATION = re.compile(r"\\[ \t]*\n")
_IN_DOUBLE_QUOTES = '$`"\\'


@dataclass(frozen=True)
class Word:
    """A word of a command. bare is as long as text, with QUOTED for each character that means itself."""

    text: str
    bare: str


def simple_commands(text: str) -> Iterator[list[Word]]:
    """Yield the words of each simple command. Raise ValueError for a quote that isn't closed."""
    words: list[Word] = []
    for word in _words(text):
        if word is not None:
            words.append(word)
        elif words:
            yield words
            words = []
    if words:
        yield words


def _words(text: str) -> Iterator[Word | None]:
    """Yield each word, and None where a command ends."""
    pieces: list[Word] = []
    at = 0
    while at < len(text):
        char = text[at]
        separator = _SEPARATOR.match(text, at)
        ends = char in " \t" or (
            separator is not None and not (char == "&" and pieces and pieces[-1].bare[-1:] == ">")
        )
        continued = _CONTINUATION.match(text, at)
        if continued:
            at = continued.end()
        elif ends:
            yield from _joined(pieces)
            if separator is not None and char not in " \t":
                yield None
            at = separator.end() if separator else at + 1
        elif char == "#" and not pieces:
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        else:
            piece, at = _piece(text, at)
            pieces.append(piece)
    yield from _joined(pieces)


def _joined(pieces: list[Word]) -> Iterator[Word]:
    if pieces:
        yield Word("".join(each.text for each in pieces), "".join(each.bare for each in pieces))
        pieces.clear()


def _piece(text: str, at: int) -> tuple[Word, int]:
    """Return what begins at a place inside a word, one character or one quotation, and where it ends."""
    char = text[at]
    if char == "\\":
        if at + 1 == len(text):
            raise ValueError("it ends with a backslash")
        return Word(text[at + 1], QUOTED), at + 2
    if char == "'":
        end = text.find("'", at + 1)
        if end < 0:
            raise ValueError("a quote isn't closed")
        return _literal(text[at + 1 : end]), end + 1
    if char == '"':
        return _double(text, at + 1)
    return Word(char, char), at + 1


def _double(text: str, at: int) -> tuple[Word, int]:
    """Return what stands in double quotes: variables are filled in, all else means itself."""
    pieces = [_literal("")]
    while at < len(text):
        char = text[at]
        continued = _CONTINUATION.match(text, at)
        if char == '"':
            return next(_joined(pieces)), at + 1
        if continued:
            at = continued.end()
        elif char == "\\" and text[at + 1 : at + 2] and text[at + 1] in _IN_DOUBLE_QUOTES:
            pieces.append(_literal(text[at + 1]))
            at += 2
        else:
            # A variable's name must be seen whole, so nothing of it is masked but blanks and signs.
            bare = char if char.isalnum() or char in "$`_{}:-" else QUOTED
            pieces.append(Word(char, bare))
            at += 1
    raise ValueError("a quote isn't closed")


def _literal(text: str) -> Word:
    return Word(text, QUOTED * len(text))
