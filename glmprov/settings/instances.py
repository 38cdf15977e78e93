"""The instances that an operator declares for a host, in `glmprov_instances`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from glmprov.errors import InventoryError
from glmprov.secret import Secret
from glmprov.settings.weights_from import WAYS, weights_from

INSTANCES = "glmprov_instances"
MODEL_ROOT = "glmprov_model_root"
WANTS = "a mapping of an instance's name to its settings ({glm: {recipe: recipe-3, port: 8001}})"
MEANING = (
    "Which backends run on the host, by name. `glmprov deploy` without a recipe brings the host there; with a recipe, "
    "what is said here of the instance holds, and the command line wins."
)
MODEL_ROOT_MEANING = "The folder on the host that weights are fetched to."

Scalar = str | int | float | bool | None


class InstanceSettings(BaseModel):
    """What is said of one instance. None: not written, so the recipe decides, or the host."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    recipe: str | None = Field(default=None, description="Its recipe, by name, alias or path.")
    gpus: str | int | list[str] | None = Field(default=None, description="UUIDs, a set's name, or how many.")
    port: int | None = Field(default=None, ge=1, le=65535, description="The host's port.")
    listen: str | None = Field(default=None, description="The host's address to listen at.")
    model: str | None = Field(default=None, description="Another model on the hub, by id.")
    weights: str | None = Field(
        default=None, pattern="^/", description="A folder on the host that holds the model."
    )
    weights_from: str | None = Field(
        default=None,
        description="What weights are copied from: a folder of the control machine (`/…`), a host of the inventory "
        "(`HOST`, `HOST:/…`), or `hub`.",
    )
    image: str | None = Field(default=None, description="Another image than the recipe's.")
    venv: str | None = Field(
        default=None, description="A virtual environment on the host, instead of an image."
    )
    set: dict[str, Scalar] = Field(
        default={}, description="Arguments of the engine by name; null takes one away."
    )
    environment: dict[str, Scalar] = Field(
        default={}, description="Variables of the engine; null takes one away."
    )
    docker: dict[str, Scalar | list[str]] = Field(default={}, description="Options of `docker run`.")
    auth: Literal["key", "none"] | None = Field(default=None, description="`none`: it asks for no key.")
    api_key_command: str | None = Field(
        default=None, description="Prints the API key; run on the control machine."
    )
    bind: bool = Field(default=True, description="Bound to the CPUs and memory of its cards' socket.")
    start_seconds: int | None = Field(
        default=None, ge=1, description="How long a start may take until tokens come."
    )
    stop_seconds: int | None = Field(
        default=None, ge=1, description="How long it may take to stop; then it is killed."
    )
    as_published: bool = Field(default=False, description="The published form, without the corrections.")
    accept: list[str] = Field(default=[], description="Findings of the lint that are accepted.")

    @field_validator("listen")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        from ipaddress import ip_address

        if value is not None:
            ip_address(value)
        return value

    @field_validator("weights_from")
    @classmethod
    def _a_place(cls, value: str | None) -> str | None:
        place = weights_from(value) if value is not None else None
        if place is not None and not place.host and not place.folder.startswith(("/", "~")):
            raise ValueError(f"{value!r} is no absolute path: {WAYS}")
        return value


def meanings() -> dict[str, str]:
    """Return what each setting of an instance means, for docs/settings.md."""
    said = {name: field.description or "" for name, field in InstanceSettings.model_fields.items()}
    return said | {"api_key": "The API key, best as a vault value. Without one the host makes one."}


@dataclass(frozen=True)
class Declared:
    """One instance as the inventory has it, with its key where the inventory holds one."""

    settings: InstanceSettings = field(default_factory=InstanceSettings)
    api_key: Secret | None = None


def declared(host_name: str, variables: Mapping[str, Any], source: str = "") -> dict[str, Declared]:
    """Return the instances that a host's variables declare, by name. Raise InventoryError with every fault."""
    found, faults = read(variables)
    if faults:
        raise InventoryError(
            "\n".join(faults), host=host_name, place=source or None, next_step="see docs/settings.md"
        )
    return found


def read(variables: Mapping[str, Any]) -> tuple[dict[str, Declared], tuple[str, ...]]:
    """Return the instances that a host's variables declare, by name, and every fault, each with its place."""
    said = variables.get(INSTANCES)
    faults = [*_root(variables.get(MODEL_ROOT)), *_shape(said)]
    found: dict[str, Declared] = {}
    for name, value in said.items() if isinstance(said, Mapping) else ():
        if not isinstance(value, Mapping | None):
            continue
        written = dict(value or {})
        key = written.pop("api_key", None)
        unclear = list(_plainly(str(name), written, key))
        faults += unclear
        try:
            settings = InstanceSettings.model_validate(written)
        except ValidationError as error:
            # Of what isn't written plainly, nobody knows yet whether it is right.
            places = {each.partition(": ")[0] for each in unclear}
            faults += (each for each in _faults(str(name), error) if each.partition(": ")[0] not in places)
        else:
            found[str(name)] = Declared(settings, Secret(key) if isinstance(key, str) else None)
    return found, tuple(faults)


def model_root(variables: Mapping[str, Any]) -> str | None:
    """Return the folder that the host's weights are fetched to, None if the inventory doesn't say."""
    value = variables.get(MODEL_ROOT)
    return str(value).rstrip("/") if value else None


def _shape(said: Any) -> Iterator[str]:
    if said is None:
        return
    if not isinstance(said, Mapping):
        yield f"{INSTANCES}: wants {WANTS}, got {type(said).__name__}"
        return
    for name, value in said.items():
        if value is not None and not isinstance(value, Mapping):
            yield f"{INSTANCES}.{name}: wants its settings as a mapping, got {type(value).__name__}"


def _root(value: Any) -> Iterator[str]:
    if value is not None and not (isinstance(value, str) and value.startswith("/") and "{{" not in value):
        yield f"{MODEL_ROOT}: wants an absolute path, written plainly"


def _plainly(name: str, written: Mapping[str, Any], key: Any) -> Iterator[str]:
    """Yield what is wrong with how an instance is written, whatever its settings mean."""
    place = f"{INSTANCES}.{name}"
    for setting, value in written.items():
        values = value.values() if isinstance(value, Mapping) else (value,)
        if any(isinstance(each, Secret) for each in values):
            yield f"{place}.{setting}: is a vault value; only api_key may be"
        elif "{{" in str(value):
            yield f"{place}.{setting}: holds a template ({{{{ … }}}}), which isn't filled in here; write the value"
    if key is not None and not isinstance(key, str):
        yield f"{place}.api_key: wants text"
    if key is not None and written.get("api_key_command") is not None:
        yield f"{place}: has api_key and api_key_command; write one of them"
    if written.get("weights") is not None and written.get("weights_from") is not None:
        yield f"{place}: has weights and weights_from; write one of them"


def _faults(name: str, error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        place = ".".join([INSTANCES, name, *(str(part) for part in item["loc"][:1])])
        if item["type"] == "extra_forbidden":
            known = [*InstanceSettings.model_fields, "api_key"]
            near = get_close_matches(str(item["loc"][0]), known, n=1)
            yield f"{place}: no such setting; " + (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            )
        else:
            yield f"{place}: {item['msg'].removeprefix('Value error, ')}"
