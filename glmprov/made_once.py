"""What many threads need and one of them makes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


def made_once(maxsize: int = 16) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep what a function returned, by its arguments; whoever asks while it is being made waits for that.

    functools.cache alone lets every thread that comes before the first has ended make its own: an audit of many hosts
    begins with a thread for each, which all need the same at once.
    """

    def decorate(make: Callable[P, T]) -> Callable[P, T]:
        kept = cast("Callable[..., T]", lru_cache(maxsize=maxsize)(make))
        one_makes = threading.Lock()

        @wraps(make)
        def ask(*arguments: P.args, **named: P.kwargs) -> T:
            with one_makes:
                return kept(*cast("tuple[Hashable, ...]", arguments), **cast("dict[str, Any]", named))

        return ask

    return decorate
