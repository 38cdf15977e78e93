"""What the lint says, as text and as JSON. Plain text: a table would cost more time than the lint itself."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from glmprov.errors import GlmprovError
from glmprov.lint import LEVELS, Finding, Level, Side
from glmprov.lint.linted import Linted

TITLES: dict[Level, str] = {
    "refuse": "Refused: it can't work, or not as meant",
    "warn": "Warnings",
    "unknown": "Can't be known",
    "note": "Notes",
}
COUNTED: dict[Level, tuple[str, str]] = {
    "refuse": ("refusal", "refusals"),
    "warn": ("warning", "warnings"),
    "unknown": ("rule that can't be decided", "rules that can't be decided"),
    "note": ("note", "notes"),
}


def lint_text(linted: Linted, *, verbose: bool = False) -> str:
    """Return the findings for a person, grouped by level. verbose: with the reason and source of each."""
    parts = [linted.heading]
    for level in LEVELS:
        found = [each for each in linted.findings if each.level == level and each.rule not in linted.accepted]
        if found:
            listed = _unknown(found) if level == "unknown" else _listed(found, verbose)
            parts.append("\n".join((TITLES[level], *listed)))
    accepted = [each for each in linted.findings if each.rule in linted.accepted]
    if accepted:
        parts.append("\n".join(("Accepted", *_listed(accepted, verbose))))
    parts.append(_summary(linted.findings, linted.accepted))
    return "\n\n".join(parts)


def lint_json(linted: Sequence[Linted], errors: Sequence[GlmprovError], code: int) -> str:
    """Return the findings as a document, one entry for each host; without hosts one. errors: hosts not read."""
    import json  # not for a person's report, which should be there at once

    body = {
        "schema": "glmprov/recipe-lint/1",
        "exit_code": code,
        "results": [_result(each) for each in linted],
        "errors": [{"host": error.host, "message": error.message} for error in errors],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def _result(linted: Linted) -> dict[str, Any]:
    launch, target = linted.launch, linted.target
    return {
        "host": linted.host,
        "recipe": linted.recipe.name,
        "form": "published" if linted.as_published else "corrected",
        "engine": launch.engine,
        "version": launch.version or None,
        "judged_by": linted.judged_by,
        "image": launch.image,
        "gpus": target.gpus,
        "cards": list(target.cards),
        "driver": target.driver,
        "model": target.model.id if target.model is not None else None,
        "findings": [{**asdict(each), "accepted": each.rule in linted.accepted} for each in linted.findings],
    }


def _listed(found: Sequence[Finding], verbose: bool) -> Iterator[str]:
    for each in found:
        yield f"  {each.rule}" + (f"  ({each.place})" if each.place else "")
        yield from _wrapped(each.sentence)
        yield from (line for side in each.sides for line in _wrapped(f"- {_side(side)}"))
        if verbose and each.why:
            yield from _wrapped(f"why: {each.why}")
        if each.fix:
            yield from _wrapped(f"fix: {each.fix}")
        if verbose:
            yield from _wrapped(f"source: {each.source}")


def _unknown(found: Sequence[Finding]) -> Iterator[str]:
    """Yield each reason once, with the rules that it leaves open."""
    reasons: dict[str, list[str]] = {}
    for each in found:
        rules = reasons.setdefault(each.sentence.removeprefix("can't be known: "), [])
        if each.rule not in rules:
            rules.append(each.rule)
    for reason, rules in reasons.items():
        yield from _wrapped(f"{reason}: {', '.join(rules)}", "  ", "      ")


def _side(side: Side) -> str:
    number = "" if side.value is None else f": {side.value:,g} {side.unit}".rstrip()
    return f"{side.says}{number} ({side.author}, {side.date}, {side.hardware})"


def _summary(findings: Sequence[Finding], accepted: Collection[str]) -> str:
    counts = []
    for level in LEVELS:
        rules = {each.rule for each in findings if each.level == level and each.rule not in accepted}
        if rules:
            counts.append(f"{len(rules)} {COUNTED[level][len(rules) > 1]}")
    said = {each.rule for each in findings if each.rule in accepted}
    counts += [f"{len(said)} accepted"] if said else []
    return ", ".join(counts) or "nothing to say"


def _wrapped(text: str, first: str = "      ", rest: str = "      ") -> list[str]:
    """Return a sentence in lines for a terminal; in one line for a pipe, which may be searched."""
    if not sys.stdout.isatty():
        return [first + text]
    import textwrap

    width = max(60, shutil.get_terminal_size().columns)
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
