"""Cases of the lint: a launch, a recipe and a target, written short in tests/cases/lint."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from glmprov.catalog.models import models
from glmprov.lint import Finding, Target, lint
from glmprov.lint.release import judged_by
from glmprov.recipe import Claim, Launch, Recipe, Requirements, Source, Value
from glmprov.topology import UNKNOWN_SOCKET, Card, Kind, Topology

FOLDER = Path(__file__).parents[2] / "cases" / "lint"
SERVER = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
FP8 = "zai-org/GLM-4.7-FP8"
LAUNCHERS = {"vllm": ("vllm", "serve"), "sglang": ("sglang", "serve"), "image": ()}
MODEL = {"vllm": "model", "sglang": "model-path"}

Case = Mapping[str, Any]


def read(path: Path) -> Mapping[str, list[Case]]:
    content: Mapping[str, list[Case]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def launch_of(case: Case) -> Launch:
    """SGLang 0.5.14 with GLM-4.7 FP8, unless the case says otherwise."""
    engine = case.get("engine", "sglang")
    model = case.get("model", FP8)
    arguments: dict[str, Value] = {MODEL[engine]: model} if engine in MODEL and model else {}
    return Launch(
        engine,
        case.get("version", "0.5.14"),
        tuple(case.get("launcher", LAUNCHERS[engine])),
        {**arguments, **case.get("arguments", {})},
        case.get("environment", {}),
        case.get("image"),
        {name: tuple(v) if isinstance(v, list) else v for name, v in case.get("options", {}).items()},
    )


def recipe_of(case: Case, launch: Launch) -> Recipe:
    day = datetime.date(2026, 2, 28)
    claims = case.get("claims")
    claim = Claim("speed", 1, "tok/s", claims, "somebody", day, Source("a case")) if claims else None
    return Recipe(
        name="case",
        title="a case",
        kind=case.get("kind", "serve"),
        author="somebody",
        date=day,
        model=case.get("model") or FP8,
        requires=Requirements(**case.get("requires", {"gpus": 4})),
        published=launch,
        auth=case.get("auth", "key"),
        moe_config=case.get("moe_config"),
        published_text=case.get("text", ""),
        claims=(claim,) if claim else (),
    )


def target_of(case: Case, launch: Launch) -> Target:
    """Four Server Edition cards, and the model that the catalogue has under the launch's name."""
    named = next((str(launch.arguments[name]) for name in MODEL.values() if name in launch.arguments), "")
    return Target(
        case.get("gpus", 4),
        tuple(case.get("cards", [SERVER])),
        case.get("driver"),
        models().known.get(named),
        case.get("moe_text"),
        case.get("moe_configs"),
        case.get("host_environment", {}),
        topology_of(case["nodes"], case.get("switched", False)) if "nodes" in case else None,
    )


def topology_of(nodes: Sequence[int | None], switched: bool) -> Topology:
    """A host whose cards are on these NUMA nodes, each node a socket."""
    cards = tuple(
        Card(
            f"GPU-{at}",
            f"{at:04x}",
            "Server",
            None,
            node,
            UNKNOWN_SOCKET if node is None else node,
            "a case",
            (),
        )
        for at, node in enumerate(nodes)
    )
    kind = Kind.UNKNOWN if None in nodes else Kind.DUAL_SOCKET if len(set(nodes)) > 1 else Kind.SINGLE_SOCKET
    return Topology(kind, cards, switched, one_node=len(set(nodes)) == 1 and None not in nodes)


def found(case: Case) -> tuple[Finding, ...]:
    launch = launch_of(case)
    published = case.get("published", False)
    recipe, target = recipe_of(case, launch), target_of(case, launch)
    return lint(launch, recipe, target, judged_by(launch), as_published=published)
