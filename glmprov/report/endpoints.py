"""Where instances serve, as a person and as a program reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from glmprov.errors import ExitCode
from glmprov.report.json import document, error_of
from glmprov.report.table.blocks import Block
from glmprov.report.table.rows import Row
from glmprov.results.endpoint import HostEndpoint


def endpoints_text(results: Sequence[HostEndpoint]) -> Iterable[RenderableType]:
    """Yield a block for each instance."""
    if not results:
        yield Text("no instances")
    for each in results:
        summary = f"{each.name}: {each.recipe} {state(each)}" if each.recipe else each.name or "not read"
        yield Block((each.host,), summary, tuple(_rows(each)) if each.recipe else (), error=each.error)


def _rows(each: HostEndpoint) -> Iterator[Row]:
    where = "from the host itself only" if each.local else "from the host's networks"
    yield Row("url", "", "", f"http://{each.target}/v1", f"reachable {where}")
    yield Row("model", "", "", each.model)
    yield Row("key", "", "", f"in {each.key_file} on the host" if each.key_file else "none asked for")


def state(each: HostEndpoint) -> str:
    """Return in a few words whether an endpoint takes requests."""
    if each.active != "active":
        return {"activating": "is starting", "inactive": "is stopped"}.get(
            each.active, f"is {each.active or 'in an unknown state'}"
        )
    return {True: "serves, healthy", False: "is up, and its /health fails", None: "serves"}[each.healthy]


def endpoints_json(results: Sequence[HostEndpoint], code: ExitCode) -> str:
    """Return the endpoints as a document."""
    return document("endpoints", code, [_endpoint(each) for each in results])


def _endpoint(each: HostEndpoint) -> dict[str, Any]:
    return {
        "host": each.host,
        "name": each.name or None,
        "recipe": each.recipe or None,
        "engine": each.engine or None,
        "model": each.model or None,
        "url": f"http://{each.target}/v1" if each.port else None,
        "address": each.address or None,
        "port": each.port or None,
        "listen": each.listen or None,
        "reachable": ("host" if each.local else "network") if each.port else None,
        "auth": ("key" if each.key_file else "none") if each.port else None,
        "key_file": each.key_file,
        "gpus": each.gpus,
        "metrics": each.metrics,
        "active": each.active,
        "healthy": each.healthy,
        "serves": each.serves,
        "error": error_of(each.error),
    }
