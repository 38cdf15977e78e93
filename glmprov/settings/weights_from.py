"""Where weights are copied from, as a person writes it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

HUB = "hub"
WAYS = "write a folder of this machine (/… or ./…), a host of the inventory (HOST, HOST:/folder), or hub"

_OTHER_HOST = re.compile(r"(?P<host>[^/]+):(?P<folder>/.*)?")


@dataclass(frozen=True)
class WeightsFrom:
    """A place that weights are copied from.

    host "" is this machine; folder "" the model store of the host. is_sure: nothing but this can be meant, while a
    bare word may be a host of the inventory or a folder in the current one.
    """

    host: str = ""
    folder: str = ""
    is_sure: bool = True


def weights_from(text: str) -> WeightsFrom | None:
    """Given "/srv/glm", "glm/", "gpu-1", "gpu-1:" or "gpu-1:/srv/glm", return the place; for "hub" None.

    Raise ValueError for what is none of these.
    """
    if text == HUB:
        return None
    there = _OTHER_HOST.fullmatch(text)
    if there:
        return WeightsFrom(there["host"], (there["folder"] or "").rstrip("/"))
    if ":" not in text and ("/" in text or text in (".", "..", "~")):
        return WeightsFrom(folder=text)
    if not text or ":" in text:
        raise ValueError(f"{text!r} is no place that weights come from: {WAYS}")
    return WeightsFrom(text, is_sure=False)
