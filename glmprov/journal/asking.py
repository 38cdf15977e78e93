"""Send the payload to a host, and take its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from glmprov.errors import ApplyError
from glmprov.remote import Channel


def ask(channel: Channel, verb: str, asked: Mapping[str, Any], *, become: bool = True) -> Mapping[str, Any]:
    """Run the payload on the host and return its answer."""
    payload = files("glmprov.journal").joinpath("payload.py").read_text()
    call = f"\nanswer({verb!r}, json.loads({json.dumps(asked)!r}))\n"
    stdin = (payload + call).encode()
    done = channel.run(["python3", "-I", "-"], stdin=stdin, deadline_seconds=60, become=become)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        full = f"make room on the file system of {asked['home']}" if "[Errno 28]" in words[-1] else None
        raise ApplyError(f"{verb} failed: {words[-1]}", place=str(asked["home"]), next_step=full)
    answer: Mapping[str, Any] = json.loads(done.stdout)
    return answer
