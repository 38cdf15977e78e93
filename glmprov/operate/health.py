"""What engines on a host say of themselves."""

from __future__ import annotations

from collections.abc import Mapping

from glmprov.operate.asking import ask
from glmprov.remote import Channel

_LOOK_SECONDS = 60.0
_WITHOUT_ONE = (401, 403, 404, 405)
"""What an engine answers that has no /health, or that guards it: it says nothing of its health."""


def healthy(channel: Channel, host: str, engines: Mapping[str, tuple[str, int]]) -> Mapping[str, bool | None]:
    """Return by name whether each engine's /health answers 200, asked on the host itself. None: it has none.

    engines are addresses and ports. An engine may answer it and produce no tokens; that is the gate's question.
    """
    said = ask(
        channel,
        host,
        ("health",),
        "health",
        {"engines": engines},
        deadline_seconds=_LOOK_SECONDS,
        become=False,
    )
    return {name: None if status in _WITHOUT_ONE else status == 200 for name, status in said.items()}
