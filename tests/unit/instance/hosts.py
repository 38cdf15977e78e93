"""Hosts and recipes for tests of instances."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

from unit.summary import observation

from glmprov.instance import HostSide, Image, Instance, Locked, Wanted, Weights, build
from glmprov.observation import Observation
from glmprov.recipe import Change, Correction, Launch, Recipe, Requirements, Source
from glmprov.state import NcclEnv

DIGEST = "sha256:" + "ab" * 32
TURIN = {"cards": [{"node": node} for node in (0, 0, 0, 0, 1, 1, 1, 1)], "driver": "580.95.05", "applied": {}}
GENOA = {"cards": [{"node": 0, "edition": "workstation"}] * 4, "driver": "580.95.05", "nodes": 1, "sockets": 1,
         "applied": {}}  # fmt: skip


def recipe(launch: Launch, gpus: int = 4, **more: Any) -> Recipe:
    """Return a recipe that was published with a launch and needs no correction."""
    return Recipe(
        name=more.pop("name", "recipe-x"),
        title="A recipe",
        kind="serve",
        author="somebody",
        date=datetime.date(2026, 2, 15),
        model=more.pop("model", "zai-org/GLM-4.7-FP8"),
        requires=Requirements(gpus),
        published=launch,
        **more,
    )


VLLM = recipe(
    Launch(
        "vllm",
        "0.23.0",
        ("vllm", "serve"),
        {
            "": "zai-org/GLM-4.7-FP8",
            "tensor-parallel-size": "4",
            "tool-call-parser": "glm47",
            "host": "0.0.0.0",
        },
        {"NCCL_BUFFSIZE": "67108864"},
        image="vllm/vllm-openai:v0.23.0",
    )
)
SGLANG = recipe(
    Launch(
        "sglang",
        "0.5.14",
        ("python", "-m", "sglang.launch_server"),
        {"model-path": "zai-org/GLM-4.7-FP8", "tp": "4", "host": "0.0.0.0", "port": "30000"},
        image="lmsysorg/sglang:v0.5.14",
        options={"gpus": "all", "rm": True, "p": "30000:30000", "v": "/path/to/models:/models"},
    ),
    corrections=(Correction(Change(renamed={"tp": "tp-size"}), "in full", Source("the package")),),
)
OWN_LAUNCHER = recipe(
    Launch(
        "image",
        "",
        environment={"PORT": "{port}", "MODEL_PATH": "{model}", "API_KEY": "{key}", "MODE": "fast"},
        image="somebody/glm:1",
    )
)


def host(summary: dict[str, Any], **more: Any) -> Observation:
    """Return a host from a summary, with its NCCL environment."""
    found = observation(summary)
    env = more.get("nccl", {"NCCL_P2P_LEVEL": "SYS"})
    return replace(found, state=replace(found.state, nccl_env=NcclEnv(env=env)))


def locked(one: Recipe, environment: dict[str, str] | None = None) -> Locked:
    """Return what a recipe is resolved to."""
    image = one.corrected.image
    folder = f"/var/lib/glmprov/models/{one.model}/0a1b"
    return Locked(
        Image(image, DIGEST, None, environment or {}) if image else None,
        Weights(one.model, "0a1b", folder, "sha256:" + "cd" * 32),
    )


def instance(
    one: Recipe = VLLM, summary: dict[str, Any] = TURIN, wanted: Wanted | None = None, **side: Any
) -> Instance:
    """Return a recipe on a host."""
    observed = side.pop("observation", None) or host(summary)
    resolved = side.pop("locked", None) or locked(one)
    return build(one, resolved, HostSide(observed, **side), wanted or Wanted())
