"""A log without the key: SGLang prints all its arguments at every start, and the journal would keep them. Pure."""

from __future__ import annotations

import json
from dataclasses import replace

from glmprov.engines.meaning import engine_of
from glmprov.instance.files import log_path
from glmprov.instance.model import Instance, Variable
from glmprov.instance.started import in_container


def quieted(instance: Instance) -> Instance:
    """Return the instance with the variable that names its logging configuration, where it gets one."""
    variable = quieting(instance)
    if variable is None:
        return instance
    path = in_container(log_path(instance)) if instance.image else log_path(instance)
    return replace(instance, environment={**instance.environment, variable: Variable(path, "glmprov")})


def quieting(instance: Instance) -> str | None:
    """Return the variable that names a logging configuration of ours.

    None: the engine's log doesn't tell the key, there is none, or the recipe brings a configuration of its own.
    """
    tells = engine_of(instance.launch).tells_key
    if tells is None or instance.key_file is None or tells["environment"] in instance.launch.environment:
        return None
    return tells["environment"]


def log_text(instance: Instance) -> str:
    """Return a logging configuration as SGLang's own, but for the logger that tells the key.

    SGLang writes the rank before each line; with a configuration the process stands there.
    """
    engine = engine_of(instance.launch)
    if engine.tells_key is None:
        raise ValueError(f"{engine.name}: its log doesn't tell the key")
    level = engine.given(instance.launch, "log_level") or "info"
    configuration = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"format": "[%(asctime)s %(processName)s] %(message)s", "datefmt": "%Y-%m-%d %H:%M:%S"}
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": str(level).upper(), "handlers": ["stderr"]},
        "loggers": {name: {"level": "WARNING"} for name in (engine.tells_key["logger"], "httpx", "httpcore")},
    }
    return json.dumps(configuration, indent=2) + "\n"
