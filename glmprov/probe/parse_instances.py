"""The payload's answer → each instance as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from glmprov.deployed import CURRENT, INSTANCES_HOME, InstanceReceipt, ObservedInstance, from_json
from glmprov.probe.answer import Answer, known
from glmprov.probe.texts import unit_blocks
from glmprov.state import EngineImage, EngineService, InstanceState, ModelStore, Unit, Unknown


def instances(answer: Answer) -> dict[str, ObservedInstance]:
    """Return the instances by name: those that have files on the host, or a receipt."""
    running = answer.part("instances")
    if isinstance(running, Unknown):
        return {}
    prefix = f"{INSTANCES_HOME}/"
    named = {path.removeprefix(prefix).partition("/")[0] for path in answer.texts(prefix)}
    return {name: _instance(answer, name, running.get(name) or {}) for name in sorted({*running, *named})}


def units_of(names: Iterable[str]) -> frozenset[str]:
    """Return the unit files of instances: they aren't the host's own."""
    return frozenset(f"/etc/systemd/system/glmprov-{name}.service" for name in names)


def _instance(answer: Answer, name: str, running: Mapping[str, Any]) -> ObservedInstance:
    receipt = _receipt(answer, name)
    shown = _shown(answer, name)
    properties = shown if isinstance(shown, Mapping) else {}
    service = EngineService(
        name=name,
        unit=shown if isinstance(shown, Unknown) else _unit(properties),
        files=_sums(answer, receipt),
        environment=known(running.get("environment")),
        restarts=int(properties["NRestarts"]) if properties.get("NRestarts", "").isdigit() else None,
    )
    return ObservedInstance(
        receipt,
        InstanceState(
            EngineImage(image=running.get("image")), ModelStore(shards=_shards(answer, name)), service
        ),
        properties.get("ActiveState", ""),
    )


def _receipt(answer: Answer, name: str) -> InstanceReceipt | Unknown | None:
    path = f"{INSTANCES_HOME}/{name}/{CURRENT}"
    texts = answer.part("files")
    text = known(texts.get(path)) if isinstance(texts, Mapping) else texts
    if not isinstance(text, str):
        return text if isinstance(text, Unknown) else None
    try:
        return from_json(text)
    except ValueError as problem:
        return Unknown(f"{path} can't be read: {problem}")


def _shown(answer: Answer, name: str) -> Mapping[str, str] | Unknown:
    """Return what systemd says of an instance's unit."""
    commands = answer.part("commands")
    if isinstance(commands, Unknown):
        return commands
    shown = known(commands.get("instances", {"error": "systemd was not asked"}))
    if isinstance(shown, Unknown):
        return shown
    output = str(shown.get("output", ""))
    return unit_blocks(output).get(
        f"glmprov-{name}.service", Unknown(output.strip().split("\n")[0] or "no answer")
    )


def _unit(properties: Mapping[str, str]) -> Unit | None:
    if properties.get("LoadState") == "not-found":
        return None
    return Unit(
        enabled=properties.get("UnitFileState") == "enabled",
        active=properties.get("ActiveState") in ("active", "reloading"),
    )


def _sums(answer: Answer, receipt: InstanceReceipt | Unknown | None) -> dict[str, str] | Unknown:
    sums = answer.part("sums")
    if isinstance(sums, Unknown):
        return sums
    expected = receipt.expected.engine_service if isinstance(receipt, InstanceReceipt) else None
    paths = expected.files if expected and isinstance(expected.files, Mapping) else {}
    return {path: digest for path in paths if (digest := sums.get(path)) is not None}


def _shards(answer: Answer, name: str) -> dict[str, int] | Unknown:
    sizes = answer.part("sizes")
    if isinstance(sizes, Unknown):
        return sizes
    prefix = f"{INSTANCES_HOME}/{name}/weights/"
    return {path.removeprefix(prefix): size for path, size in sizes.items() if path.startswith(prefix)}
