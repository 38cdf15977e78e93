"""The content of a recipe's file → the recipe. Pure; the content has the shape that document.py says."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from glmprov.recipe.command import split, understood
from glmprov.recipe.container import release
from glmprov.recipe.launch import Change, Launch, changed
from glmprov.recipe.model import Claim, Correction, Gate, Recipe, Requirements, Source

Key = str | int


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file. path leads to it: ("corrections", 1, "because")."""

    path: tuple[Key, ...]
    text: str


@dataclass(frozen=True)
class Reasons:
    """Reasons by the name that `because` gives them, and the sources that they rest on. As they stand in their file."""

    reasons: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Any]


@dataclass(frozen=True)
class _Cited:
    """The sources that a file may name, its own before ours."""

    sources: Mapping[str, Any]
    faults: list[Fault]

    def source(self, said: Any, path: tuple[Key, ...]) -> Source:
        """Return the source that is meant by `name`, `name: detail`, `name; name: detail` or a mapping."""
        if isinstance(said, Mapping):
            return Source(said["text"], said.get("url"))
        found = [self._one(part.strip(), path) for part in said.split(";")]
        return Source(
            "; ".join(each.text for each in found), next((each.url for each in found if each.url), None)
        )

    def _one(self, said: str, path: tuple[Key, ...]) -> Source:
        name, _, detail = said.partition(":")
        known = self.sources.get(name)
        if known is None:
            self.faults.append(Fault(path, f"there is no source {name}{_meant(name, self.sources)}"))
            return Source(said)
        text, url = (known["text"], known.get("url")) if isinstance(known, Mapping) else (known, None)
        return Source(f"{text}: {detail.strip()}" if detail else text, url)


def built(content: Mapping[str, Any], place: str, reasons: Reasons, faults: list[Fault]) -> Recipe | None:
    """Return the recipe; None, with faults added, if its command can't be understood."""
    cited = _Cited({**reasons.sources, **content.get("sources", {})}, faults)
    said = content["published"]
    published = _published(said, faults)
    if published is None:
        return None
    if (content.get("kind", "serve") == "serve") == (published.engine in _NOT_SERVED):
        faults.append(Fault(("kind",), f"{content.get('kind', 'serve')} doesn't go with {published.engine}"))
    corrections = tuple(_corrections(content.get("corrections", ()), reasons, cited))
    faults.extend(_without_effect(published, corrections))
    requires = content["requires"]
    if int(requires["gpus"]) < 1:
        faults.append(Fault(("requires", "gpus"), "wants one card or more"))
    return Recipe(
        name=content["name"],
        title=content["title"],
        kind=content.get("kind", "serve"),
        author=content["author"],
        date=datetime.date.fromisoformat(content["date"]),
        model=content["model"],
        requires=Requirements(
            int(requires["gpus"]), tuple(requires.get("cards", ())), requires.get("minimum_driver")
        ),
        published=published,
        alias=content.get("alias") or "",
        hardware=content.get("hardware", ""),
        revision=content.get("revision"),
        corrections=corrections,
        claims=tuple(_claims(content.get("claims", ()), cited)),
        gate=_gate(content.get("gate") or {}),
        auth=content.get("auth", "key"),
        moe_config=content.get("moe_config"),
        published_text=said.get("command") or said.get("script") or "",
        version_note=said.get("version_note", ""),
        corrected_text=content.get("corrected_script", ""),
        instead=content.get("instead", {}),
        place=place,
    )


_NOT_SERVED = ("llmcompressor",)
_OF_PARTS = ("launcher", "arguments", "environment", "image", "options")


def _published(said: Mapping[str, Any], faults: list[Fault]) -> Launch | None:
    path: tuple[Key, ...] = ("published",)
    if said.get("command"):
        for name in _OF_PARTS:
            if said.get(name):
                faults.append(Fault((*path, name), "stands in the command already"))
        return _command(said, faults)
    engine = said.get("engine")
    if engine is None:
        faults.append(Fault(path, "wants a command, or engine, launcher, arguments and so on"))
        return None
    image = said.get("image")
    if image and said.get("requirements"):
        faults.append(Fault((*path, "requirements"), "an image brings its own engine: give one of the two"))
    return Launch(
        engine,
        said.get("version") or (release(image) if image else ""),
        tuple(said.get("launcher", ())),
        _values(said.get("arguments", {})),
        said.get("environment", {}),
        image,
        _values(said.get("options", {})),
        said.get("requirements"),
    )


def _command(said: Mapping[str, Any], faults: list[Fault]) -> Launch | None:
    try:
        pasted = understood(split(said["command"]))
    except ValueError as error:
        faults.append(Fault(("published", "command"), str(error)))
        return None
    faults.extend(Fault(("published", "command"), note) for note in pasted.notes)
    launch = pasted.launch
    if said.get("engine") not in (None, launch.engine):
        faults.append(Fault(("published", "engine"), f"the command starts {launch.engine}"))
    return replace(
        launch, version=said.get("version") or launch.version, requirements=said.get("requirements")
    )


def _corrections(said: Sequence[Mapping[str, Any]], reasons: Reasons, cited: _Cited) -> Iterator[Correction]:
    for index, each in enumerate(said):
        path: tuple[Key, ...] = ("corrections", index)
        reason, source, fixes = each.get("reason"), each.get("source"), each.get("fixes", ())
        name = each.get("because")
        if name is not None:
            known = reasons.reasons.get(name)
            if known is None or reason or source:
                wrong = (
                    "reason and source come with it"
                    if known
                    else f"there is no such reason{_meant(name, reasons.reasons)}"
                )
                cited.faults.append(Fault((*path, "because"), wrong))
                known = known or {}
            reason, source = known.get("reason", ""), known.get("source")
            fixes = known.get("fixes", ())
        elif not reason or not source:
            cited.faults.append(Fault(path, "wants reason and source, or because"))
        found = cited.source(source, (*path, "source")) if source else Source("")
        yield Correction(_change(each), " ".join((reason or "").split()), found, tuple(fixes))


def _change(said: Mapping[str, Any]) -> Change:
    launcher = said.get("launcher")
    return Change(
        version=said.get("version"),
        launcher=None if launcher is None else tuple(launcher),
        image=said.get("image"),
        renamed=said.get("renamed", {}),
        arguments=_values(said.get("arguments", {})),
        environment=said.get("environment", {}),
        options=_values(said.get("options", {})),
    )


def _without_effect(launch: Launch, corrections: Sequence[Correction]) -> Iterator[Fault]:
    """Yield what a correction renames or takes away though it isn't there: a misspelt name, or one too many."""
    for index, correction in enumerate(corrections):
        change = correction.change
        for kind, names, there in (
            ("renamed", change.renamed, launch.arguments),
            ("arguments", _taken(change.arguments), launch.arguments),
            ("environment", _taken(change.environment), launch.environment),
            ("options", _taken(change.options), launch.options),
        ):
            for name in names:
                if name not in there:
                    yield Fault(
                        ("corrections", index, kind, name), f"isn't there to be changed{_meant(name, there)}"
                    )
        launch = changed(launch, change, "correction")


def _taken(change: Mapping[str, Any]) -> list[str]:
    return [name for name, value in change.items() if value is None]


def _claims(said: Sequence[Mapping[str, Any]], cited: _Cited) -> Iterator[Claim]:
    for index, each in enumerate(said):
        date = each.get("date")
        yield Claim(
            each["what"],
            float(each["value"]),
            each["unit"],
            each["hardware"],
            each["author"],
            datetime.date.fromisoformat(date) if date else None,
            cited.source(each["source"], ("claims", index, "source")),
            " ".join(each.get("note", "").split()),
        )


def _gate(said: Mapping[str, Any]) -> Gate:
    numbers = {name: int(said[name]) for name in ("start_seconds", "drain_seconds") if name in said}
    return Gate(**{**said, **numbers})


def _values(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with lists as tuples, which nobody changes."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}


def _meant(name: str, there: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, there, n=1)
    return f"; did you mean {near[0]}?" if near else ""
