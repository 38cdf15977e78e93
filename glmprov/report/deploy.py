"""What `deploy` is about to do and what became of it, as a person and as a program reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from glmprov.errors import ExitCode
from glmprov.instance.environment import ORIGINS
from glmprov.instance.model import Instance
from glmprov.report.json import document, error_of
from glmprov.report.recipe.text import corrections_text
from glmprov.report.table.blocks import Block, summed_up
from glmprov.report.table.rows import Row
from glmprov.report.values import plain
from glmprov.results.deploy import Deployed, HostDeploy
from glmprov.state.data import data

_STYLE = {
    Deployed.DEPLOYED: "green",
    Deployed.UNCHANGED: "green",
    Deployed.WRITTEN: "green",
    Deployed.RESTORED: "yellow",
    Deployed.FAILED: "red",
    Deployed.NOT_BEGUN: "cyan",
}
_LOG_LINES = 12


def planned(results: Sequence[HostDeploy], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what would be done on each host, with the source of every value, and what corrects what was published."""
    by_recipe = {
        each.instance.recipe: each.corrections for each in results if each.instance and each.declared
    }
    for recipe, corrections in by_recipe.items():
        if corrections:
            yield Text(f"{recipe} was published otherwise and is corrected", "bold")
            yield from corrections_text(corrections, verbose=verbose)
    for each in results:
        summary = "nothing to do" if each.instance and not each.declared and not each.found else _doing(each)
        rows = tuple(_rows(each, verbose)) if each.instance and (each.declared or each.found) else ()
        yield Block((each.host,), f"{each.name}: {summary}", rows, each.notes, each.error)


def _doing(each: HostDeploy) -> str:
    if each.instance is None:
        return "can't be deployed"
    before = f"{each.previous.recipe} (receipt {each.previous.number}) → " if each.previous else ""
    how = "" if each.restarts else ", without a restart"
    return f"{before}{each.instance.recipe}, {each.instance.form}{how}"


def _rows(each: HostDeploy, verbose: bool) -> Iterator[Row]:
    instance, lock = each.instance, each.lock
    if instance is None:
        return
    if lock is not None and lock.image is not None:
        yield Row("image", "", "", f"{lock.image.asked} is {lock.image.digest[:19]}…", _loaded(instance))
    if instance.venv is not None:
        yield Row("virtual environment", "", "", instance.venv)
    weights = instance.weights
    revision = f" at {weights.revision[:12]}" if weights.revision else ""
    yield Row("model", "", "", f"{weights.model}{revision}", weights.folder)
    yield Row(
        "cards",
        "",
        "",
        f"{len(instance.gpus)}: {', '.join(gpu[:12] for gpu in instance.gpus)}",
        _bound(instance),
    )
    if instance.moe is not None:
        yield Row("fused-MoE file", "", "", ", ".join(file.rpartition("/")[2] for file in instance.moe.files))
    yield Row("port", "", "", f"{instance.listen}:{instance.port}", _key(instance))
    for what in _changes(each, verbose):
        yield Row("changes", "", "cyan", what)
    for difference in each.found:
        yield Row(difference.key, "found", "yellow", plain(difference.observed), difference.reason)
    yield from _values(instance, verbose)


def _loaded(instance: Instance) -> str:
    image = instance.image
    by_id = image is not None and image.digest is None and image.image_id
    return f"loaded from a file there, as {by_id[:19]}…" if by_id else ""


def _changes(each: HostDeploy, verbose: bool) -> tuple[str, ...]:
    """Return what is asked for otherwise than before. Of another recipe everything is: that is said above already."""
    if each.previous is None or each.instance is None:
        return ()
    another = each.previous.recipe != each.instance.recipe and not verbose
    return () if another else each.declared


def _values(instance: Instance, verbose: bool) -> Iterator[Row]:
    """Yield what isn't as its author published it, and who set it; verbose: all of it."""
    launch = instance.launch
    for name, value in launch.arguments.items():
        origin = launch.origin(f"arguments.{name}")
        if verbose or origin not in ("published", "correction"):
            yield Row(
                f"--{name}" if name else "model",
                "",
                "",
                "on" if value is True else plain(value),
                _said(origin),
            )
    for place, origin in launch.origins.items():
        kind, _, name = place.partition(".")
        taken_away = kind == "arguments" and name not in launch.arguments
        if taken_away and (verbose or origin not in ("published", "correction")):
            yield Row(f"--{name}", "", "", "taken away", _said(origin))
    for name, variable in instance.environment.items():
        if verbose or variable.origin not in ("recipe", "glmprov"):
            yield Row(name, "", "", variable.value, _said(variable.origin))


def _said(origin: str) -> str:
    return ORIGINS.get(origin, origin) if origin != "correction" else "recipe, corrected"


def _bound(instance: Instance) -> str:
    return f"bound to NUMA node {', '.join(map(str, instance.nodes))}" if instance.nodes else "not bound"


def _key(instance: Instance) -> str:
    return f"key in {instance.key_file}" if instance.key_file else "no key"


def deployed(results: Sequence[HostDeploy], *, verbose: bool = False) -> Iterable[RenderableType]:
    """Yield what became of each instance."""
    for each in results:
        yield Block((each.host,), f"{each.name}: {_became(each)}", (), tuple(_notes(each)), each.error)
    words = [each.word for each in results]
    parts = [(words.count(word), word.value.lower()) for word in Deployed]
    yield summed_up(len(results), parts, "instance")


def _became(each: HostDeploy) -> str:
    recipe = each.instance.recipe if each.instance else ""
    match each.word:
        case Deployed.DEPLOYED:
            return f"{recipe} serves on port {each.instance.port if each.instance else 0}{_times(each)}"
        case Deployed.UNCHANGED:
            return f"{recipe} serves as it was deployed, nothing to do"
        case Deployed.WRITTEN:
            return f"{recipe}: what was changed by hand is written again, the service went on"
        case Deployed.RESTORED:
            return f"{recipe} did not serve; {each.restored}{_times(each)}"
        case Deployed.NOT_BEGUN:
            return f"not begun: {each.not_begun or 'not confirmed'}"
    return f"{recipe} not deployed".strip()


def _times(each: HostDeploy) -> str:
    down = "" if each.downtime_seconds is None else f", down for {each.downtime_seconds:.1f} s"
    if each.word is not Deployed.DEPLOYED:
        return down
    return f"{down} (stop {each.stop_seconds:.1f}, engine's start {each.engine_seconds:.1f})"


def _notes(each: HostDeploy) -> Iterator[str]:
    if each.word is Deployed.DEPLOYED:
        tool = ", and a tool call that parses" if each.tool_call else ""
        yield f"it answered {each.answer!r} in {each.tokens} tokens{tool}"
        if each.instance and each.instance.key_file:
            yield f"its key: sudo cat {each.instance.key_file}"
    for what in each.fetched:
        yield f"fetched: {what}" + ("; it stays" if each.error else "")
    if each.undrained:
        yield each.undrained
    for what in each.ended:
        yield f"ended: {what}, a process of the instance before that held its cards"
    if each.known_failure:
        yield f"known failure: {each.known_failure}"
    if each.log:
        lines = [line for line in each.log.splitlines() if line.strip()][-_LOG_LINES:]
        yield "\n".join(["the end of its log:", *lines])


def as_json(results: Sequence[HostDeploy], code: ExitCode) -> str:
    """Return the results as a document."""
    return document("deploy", code, [_one(each) for each in results])


def _one(each: HostDeploy) -> dict[str, Any]:
    kept = {
        name: data(value) for name, value in vars(each).items() if name not in ("error", "previous", "log")
    }
    return {
        **kept,
        "error": error_of(each.error),
        "previous": each.previous and {"number": each.previous.number, "recipe": each.previous.recipe},
        "log": each.log.splitlines()[-200:],
    }
