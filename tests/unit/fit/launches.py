"""Launches that tests hold against cards."""

from __future__ import annotations

from unit.summary import uuid

from glmprov import catalog
from glmprov.deployed import InstanceReceipt, ObservedInstance
from glmprov.fit import Card, Fit, asked_by, fit, model_of
from glmprov.recipe.launch import Launch, Value
from glmprov.state import InstanceState

FP8 = "zai-org/GLM-4.7-FP8"
GIB = 2**30


def card(used_bytes: int = 0) -> Card:
    """The Server edition, as torch sees it."""
    entry = catalog.load().card(name="NVIDIA RTX PRO 6000 Blackwell Server Edition")
    assert entry is not None
    return Card(entry.usable_bytes, "the catalog", used_bytes)


def sglang(fraction: float | None, version: str = "0.5.14", **changed: Value | None) -> Launch:
    """GLM-4.7 FP8 on four cards with FP8 KV. A changed value's name has underscores; None takes it away."""
    arguments: dict[str, Value | None] = {
        "model-path": FP8,
        "kv-cache-dtype": "fp8_e4m3",
        "tp-size": "4",
        "mem-fraction-static": None if fraction is None else str(fraction),
    }
    return _launch("sglang", version, arguments, changed)


def vllm(fraction: float | None, version: str = "0.16.0", **changed: Value | None) -> Launch:
    """The same for vLLM."""
    arguments: dict[str, Value | None] = {
        "": FP8,
        "kv-cache-dtype": "fp8",
        "tensor-parallel-size": "4",
        "gpu-memory-utilization": None if fraction is None else str(fraction),
    }
    return _launch("vllm", version, arguments, changed)


def _launch(
    engine: str, version: str, arguments: dict[str, Value | None], changed: dict[str, Value | None]
) -> Launch:
    arguments |= {name.replace("_", "-"): value for name, value in changed.items()}
    given = {name: value for name, value in arguments.items() if value is not None}
    return Launch(engine, version, arguments=given)


def fitted(
    launch: Launch, gpus: int | None = None, wanted_tokens: int | None = None, used_bytes: int = 0
) -> Fit:
    """Hold a launch against cards of the Server edition."""
    asked = asked_by(launch)
    model, reasons = model_of(asked.model)
    return fit(model, asked, card(used_bytes), gpus=gpus, wanted_tokens=wanted_tokens, reasons=reasons)


def on(cards: range) -> ObservedInstance:
    """Return an instance that serves on cards of a summary's host, by their numbers."""
    receipt = InstanceReceipt(
        name="glm", number=1, replaces=0, written_at="", by="", controller="", glmprov_version="", recipe="recipe-x",
        form="corrected", gpus=tuple(uuid(number) for number in cards), port=8000, expected=InstanceState(),
        instance={}, texts={},
    )  # fmt: skip
    return ObservedInstance(receipt, InstanceState(), "active")
