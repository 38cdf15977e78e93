"""The payload's answer → what the role keeps of the driver before: /var/lib/glmprov/driver/kept.json."""

from __future__ import annotations

import json

from glmprov.probe.answer import Answer

KEPT = "/var/lib/glmprov/driver/kept.json"


def kept(answer: Answer) -> tuple[str | None, str | None]:
    """Return the version whose packages are kept, and the one that was rolled back from; None: there is none.

    A file that makes no sense means that nothing is kept: only a rollback needs it, and says so then.
    """
    text = answer.text(KEPT)
    try:
        record = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return None, None
    if not isinstance(record, dict):
        return None, None
    previous, left = (record.get(key) for key in ("previous", "rolled_back_from"))
    return (previous if isinstance(previous, str) else None, left if isinstance(left, str) else None)
