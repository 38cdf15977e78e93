"""Secrets as a type: text that never shows itself."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any, NoReturn, Self

MASK = "***"

SHORTEST_REDACTED = 4
"""Characters. A shorter secret stands inside innocent words, so replacing it would spoil the text and hint at it."""


class Secret(str):
    """Text that is "***" wherever it is shown, joined, formatted, logged, written as JSON or pickled.

    As a str it *is* "***"; only reveal() gives the text. Two secrets are equal if their texts are; a secret is
    never equal to a plain str, so no comparison tells what is inside.
    """

    __slots__ = ("__text",)
    __text: str

    def __new__(cls, text: str) -> Self:
        """Hide text."""
        self = super().__new__(cls, MASK)
        self.__text = text.reveal() if isinstance(text, Secret) else text
        return self

    def reveal(self) -> str:
        """Return the text. Call it where the text leaves for the one place that needs it, nowhere else."""
        return self.__text

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return False
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((Secret, self.__text))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[str]]:
        return str, (MASK,)

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "_Secret__text"):
            self._refuse()
        super().__setattr__(name, value)

    def _refuse(self) -> NoReturn:
        raise AttributeError("a Secret can't be changed")


def reveal(value: object) -> str:
    """Return value as text, a secret's own text included."""
    return value.reveal() if isinstance(value, Secret) else str(value)


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return text with each secret replaced by "***", the longest first.

    Secrets shorter than four characters are left: they match inside innocent words.
    """
    texts = {secret.reveal() for secret in secrets}
    for hidden in sorted((t for t in texts if len(t) >= SHORTEST_REDACTED), key=len, reverse=True):
        text = text.replace(hidden, MASK)
    return text
