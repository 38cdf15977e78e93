"""A recipe to begin with. Pure."""

from __future__ import annotations

import datetime

_TEXT = """\
# A recipe: a command that somebody published, and what makes it work. `glmprov recipe lint {name}.yml` checks it,
# `glmprov recipe fit {name}.yml --gpus 4 --card "RTX PRO 6000 Blackwell Server Edition"` says whether it fits.
name: {name}
alias: ""                        # a name that says what it is: glm-4.7-fp8-vllm-tp4
title: One line that says what it serves, and on what
author: who published the command
date: {date}
hardware: 4x RTX PRO 6000 Server Edition at 400 W
model: zai-org/GLM-4.7-FP8       # the id on the hub
requires: {{gpus: 4}}              # cards: [Server] and minimum_driver may be asked for too
published:
  command: |                     # word for word; `docker run ...` too
    vllm serve zai-org/GLM-4.7-FP8 \\
      --tensor-parallel-size 4 \\
      --max-model-len 32768
  version: 0.32.0                # the engine's release that it was written for
corrections:                     # in order; null takes something away
  - reason: A release by its tag, and the program that the image starts.
    source: mine
    image: vllm/vllm-openai:v0.32.0
    options: {{entrypoint: vllm, gpus: all, ipc: host, network: host, ulimit: [memlock=-1, stack=67108864]}}
  - because: parsers             # a reason that glmprov ships, with its source
    arguments: {{tool-call-parser: glm47, enable-auto-tool-choice: true, reasoning-parser: glm45}}
  - because: loopback
    arguments: {{host: 127.0.0.1, port: 8000}}
claims: []                       # numbers that the author measured: what, value, unit, hardware, author, date, source
gate: {{start_seconds: 1200}}      # how long a cold start may take until the first tokens
auth: key                        # key: one is made for each instance; none: who reaches the port may use it
sources:
  mine: {{text: our own measurements, url: "https://example.org/where-it-is-written"}}
"""


def template(name: str, date: datetime.date) -> str:
    """Return the text of a recipe's file that passes the check as it is."""
    return _TEXT.format(name=name, date=date.isoformat())
