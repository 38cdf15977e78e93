"""What the gate on the host waits for, as the file that it reads. Pure."""

from __future__ import annotations

import json
from typing import Any

from glmprov import catalog
from glmprov.engines.meaning import engine_of
from glmprov.instance.model import Instance


def gate_settings(instance: Instance) -> dict[str, Any]:
    """Return the gate's settings, in JSON's terms: where to ask, what, and how long to wait.

    tool is None where no parser is named: then nobody promised that a tool call parses.
    """
    asked, gate = catalog.read("gate.yml"), instance.gate
    parser = engine_of(instance.launch).given(instance.launch, "tool_parser")
    tool = {
        "prompt": asked["tool_prompt"],
        "max_tokens": asked["tool_max_tokens"],
        "tools": [asked["tool"]],
        "argument": next(iter(asked["tool"]["function"]["parameters"]["required"])),
    }
    return {
        "unit": instance.unit,
        "address": loopback(instance.listen),
        "port": instance.port,
        # An image with its own launcher names its model itself: the gate asks it.
        "model": instance.served_name if engine_of(instance.launch).arguments else None,
        "key_file": instance.key_file,
        "start_seconds": gate.start_seconds,
        "prompt": gate.prompt,
        "expected": gate.expected,
        "max_tokens": asked["max_tokens"],
        "extra": asked["extra"],
        "tool": tool if gate.tool_call and parser is not None else None,
    }


def gate_text(instance: Instance) -> str:
    """Return the text of the gate's file."""
    return json.dumps(gate_settings(instance), indent=1, ensure_ascii=False) + "\n"


def loopback(listen: str) -> str:
    """Return the address at which the host itself reaches a server that listens there."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1"}.get(listen, listen)  # noqa: S104
