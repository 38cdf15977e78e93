"""Send a program to a host, hear how far it is, and take its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glmprov.errors import ApplyError, GlmprovError
from glmprov.operate.payload import program
from glmprov.remote import Channel

_SAID_BYTES = 400


class Fault(Exception):  # noqa: N818  (what a host answered: an error is made of it by whoever knows what it means)
    """What a host answered instead of a result. kind is one of the program's words, more what it adds."""

    def __init__(self, kind: str, text: str, more: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.kind, self.text, self.more = kind, text, more


Explain = Callable[[Fault, str], GlmprovError]
"""Given a fault and the host that answered it, return what it means to a person."""


def in_its_words(fault: Fault, host: str) -> GlmprovError:
    """Return a fault as the host told it, for acts of which nothing more is to be said."""
    return ApplyError(fault.text, host=host)


def ask(
    channel: Channel,
    host: str,
    parts: Sequence[str],
    act: str,
    orders: Mapping[str, Any],
    *,
    deadline_seconds: float,
    explain: Explain | None = in_its_words,
    heard: Callable[[Any], object] | None = None,
    become: bool = True,
) -> Any:
    """Return what an act of payload/ answered; heard gets its progress as it comes.

    Raise what explain makes of it if the act says that it can't be done (None: the Fault itself), ApplyError
    if no answer comes; what the channel raises passes.
    """
    answer: dict[str, Any] = {}

    def on_line(line: bytes) -> None:
        try:
            message = json.loads(line) if line.strip() else {}
        except ValueError:
            return
        if "progress" in message and heard is not None:
            heard(message["progress"])
        answer.update(message)

    completed = channel.run(
        ["python3", "-SI", "-"],
        stdin=program(parts, act, orders),
        deadline_seconds=deadline_seconds,
        become=become,
        on_line=on_line,
    )
    if "fault" in answer:
        told = dict(answer["fault"])
        fault = Fault(told.pop("kind"), told.pop("text"), told)
        if explain is None:
            raise fault
        raise explain(fault, host) from fault
    if "result" not in answer:
        said = completed.stderr.decode(errors="replace").strip()[-_SAID_BYTES:].splitlines()
        last = f": {said[-1]}" if said else ""
        if completed.returncode in (126, 127):
            raise ApplyError(
                f"no python3 on the host{last}", host=host, next_step="apt-get install python3-minimal"
            )
        raise ApplyError(
            f"{act} ended with status {completed.returncode} and no answer{last}",
            host=host,
            next_step="run the same command again; with -vv it shows more",
        )
    return answer["result"]
