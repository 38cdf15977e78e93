"""The model that a launch means, also where it lies in a folder on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from glmprov.catalog.models import Model
from glmprov.fit import FitError, model_of, model_of_config


def model_for(named: str, recipe_model: str = "") -> tuple[Model, tuple[str, ...]]:
    """Return the model, and why it can't be had under this name.

    A folder here with a config.json is read: its shape, and the sizes of its shards. Raise FitError if it can't be, or
    for a model that we don't know.
    """
    folder = Path(named).expanduser()
    if not named or not (folder / "config.json").is_file():
        return model_of(named, recipe_model)
    place = str(folder / "config.json")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FitError(f"can't be read: {error}", place=place) from error
    if not isinstance(config, dict):
        raise FitError("no mapping", place=place)
    shards = {path.name: path.stat().st_size for path in folder.glob("*.safetensors")}
    return model_of_config(named, config, shards), ()
