"""A host's variables → its settings, or every fault at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from pydantic import ValidationError

from glmprov.errors import InventoryError
from glmprov.secret import Secret
from glmprov.settings.models import MODELS, PLANNED, VARIABLES, HostSettings, Section, wanted
from glmprov.settings.sets import SETS, named_sets
from glmprov.state import SECTIONS

OF_INSTANCES = ("glmprov_instances", "glmprov_model_root")
"""What is declared of instances: read by settings/instances.py, which costs time that most commands don't have."""


def from_variables(host_name: str, variables: Mapping[str, Any], source: str = "") -> HostSettings:
    """Given a host's variables as Ansible reads them, return its settings.

    Raise InventoryError with every fault, each with its variable, if one of ours is misspelt or of the wrong
    type.
    """
    faults = [*_misspelt(variables), *_secrets(variables), *_templates(variables)]
    sets: dict[str, tuple[str, ...]] = {}
    try:
        sets = named_sets(variables.get(SETS))
    except ValueError as error:
        faults += [f"{SETS}: {line}" for line in str(error).splitlines()]
    faults += _of_instances(variables)
    sections: dict[str, Any] = {}
    for section, model in MODELS.items():
        written = {
            VARIABLES[name][1]: value
            for name, value in variables.items()
            if VARIABLES.get(name, ("",))[0] == section
        }
        try:
            sections[section] = model.model_validate(written) if written else _nothing_written(model)
        except ValidationError as error:
            faults.extend(_faults(section, written, error))
    if faults:
        raise InventoryError(
            "\n".join(faults),
            host=host_name,
            place=source or None,
            next_step="see docs/settings.md for every variable",
        )
    ignored = tuple(sorted(name for name in variables if name in PLANNED))
    return HostSettings(host_name, sets=sets, ignored=ignored, **sections)


def _of_instances(variables: Mapping[str, Any]) -> Sequence[str]:
    """Return the faults of what is declared of instances. Most commands need no more of it."""
    if not any(name in variables for name in OF_INSTANCES):
        return ()
    from glmprov.settings.instances import read

    return read(variables)[1]


@cache
def _nothing_written(model: type[Section]) -> Section:
    return model.model_construct()


def _misspelt(variables: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(variables):
        fault = _spelling(name)
        if fault:
            yield f"{name}: no such setting; {fault}"


@lru_cache(maxsize=4096)  # hosts have most names in common
def _spelling(name: str) -> str | None:
    """Return what is wrong with a variable's name, None if it is ours or none of our business."""
    if name in VARIABLES or name in PLANNED or name in (SETS, *OF_INSTANCES):
        return None
    ours = next((section for section in SECTIONS if name.startswith(f"{section}_")), None)
    if ours is None:
        nearest = difflib.get_close_matches(name, [*VARIABLES, SETS, *OF_INSTANCES], n=1, cutoff=0.92)
        return f"did you mean {nearest[0]}?" if nearest else None
    option = name.removeprefix(f"{ours}_")
    for near in difflib.get_close_matches(option, MODELS[ours].model_fields, n=1):
        return f"did you mean {ours}_{near}?"
    return f"there are {', '.join(f'{ours}_{option}' for option in MODELS[ours].model_fields)}"


def _secrets(variables: Mapping[str, Any]) -> Iterator[str]:
    for name in (*VARIABLES, SETS):
        if _is_secret(variables.get(name)):
            yield f"{name}: is a vault value; settings are written into plans, receipts and files, so write it plainly"


def _is_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_secret, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_secret, value))
    return isinstance(value, Secret)


def _templates(variables: Mapping[str, Any]) -> Iterator[str]:
    for name in (*VARIABLES, SETS):
        if "{{" in str(variables.get(name, "")):
            yield f"{name}: holds a template ({{{{ … }}}}), which isn't filled in here; write the value"


def _faults(section: str, written: Mapping[str, Any], error: ValidationError) -> Iterator[str]:
    """Yield one line for each variable that is wrong, in our words and not in pydantic's."""
    told: set[str] = set()
    for item in error.errors():
        option = str(item["loc"][0])
        if option in told:
            continue
        told.add(option)
        value = written[option]
        if item["type"] == "value_error":
            yield f"{section}_{option}: {item['msg'].removeprefix('Value error, ')}"
        else:
            wants = wanted(section, option)
            yield f"{section}_{option}: wants {wants}, got {_shown(value)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
