"""A saved plan as the text of its file, and the JSON schema of that. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from glmprov.errors import UsageError
from glmprov.plan.saved.document import SavedPlan
from glmprov.state import HostState

SCHEMA: Literal["glmprov/saved-plan/1"] = "glmprov/saved-plan/1"


def identified(plan: SavedPlan) -> SavedPlan:
    """Return the plan with its id."""
    return plan.model_copy(update={"id": _sum(plan.model_dump(mode="json", by_alias=True))})


def _sum(document: Mapping[str, Any]) -> str:
    content = {name: value for name, value in document.items() if name != "id"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def to_json(plan: SavedPlan) -> str:
    """Return the plan as the text of its file."""
    return json.dumps(plan.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> SavedPlan:
    """Given the text of a file, return the plan.

    Raise UsageError if it is none, of another version of the schema, or changed since it was made. The id guards
    against slips; it is no signature.
    """
    again = "make one with `glmprov plan --out FILE`"
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"it isn't JSON: {error}", next_step=again) from error
    said = document.get("schema") if isinstance(document, dict) else None
    if said != SCHEMA:
        raise _of_another_schema(said, again)
    if document.get("id") != _sum(document):
        raise UsageError(
            "it was changed after it was made: its content doesn't have its id",
            next_step=f"don't edit it; {again}",
        )
    try:
        return SavedPlan.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where}: {first['msg']}", next_step=again) from error


def _of_another_schema(said: Any, again: str) -> UsageError:
    if isinstance(said, str) and said.startswith(SCHEMA.rpartition("/")[0] + "/"):
        return UsageError(
            f"it is of schema {said}, this program reads {SCHEMA}",
            next_step=f"apply it with the version of glmprov that made it, or {again}",
        )
    what = f"a document of schema {said}" if isinstance(said, str) else "no document of ours"
    return UsageError(f"it is {what}, not a saved plan ({SCHEMA})", next_step=again)


def _text(name: str) -> dict[str, Any]:
    return {name: {"type": "string"}}


def json_schema() -> str:
    """Return the JSON schema of the document: the text of docs/schemas/saved-plan-1.json."""
    schema = SavedPlan.model_json_schema(mode="serialization")
    state = TypeAdapter(HostState).json_schema(mode="serialization", ref_template="#/$defs/{model}")
    parts = state.pop("$defs")
    marks = {"Dropped": {"dropped": {}, "back": {}}, "Later": _text("later"), "Unknown": _text("unknown")}
    for mark, properties in marks.items():  # as data() spells them
        parts[mark] |= {"properties": properties, "required": [mark.lower()]}
    schema["$defs"] |= parts | {"HostState": state}
    schema["$defs"]["SavedHost"]["properties"]["expected"] |= {"$ref": "#/$defs/HostState"}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':')}",
    }
    return json.dumps(head | schema, indent=1, ensure_ascii=False) + "\n"
