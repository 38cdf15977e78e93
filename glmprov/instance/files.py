"""Where an instance's files lie, and the text of its environment. Pure."""

from __future__ import annotations

from glmprov.instance.model import Instance
from glmprov.instance.quoting import docker_environment_file, environment_file

_HEAD = "# Written by glmprov: the environment of {unit}. Deploy again instead of editing it.\n"


def environment_path(instance: Instance) -> str:
    """Return the file of the instance's environment."""
    return f"{instance.home}/environment"


def gate_path(instance: Instance) -> str:
    """Return the file of what its gate waits for."""
    return f"{instance.home}/gate.json"


def unit_path(instance: Instance) -> str:
    """Return the file of its unit."""
    return f"/etc/systemd/system/{instance.unit}"


def moe_folder(instance: Instance) -> str:
    """Return the folder of the recipe's own file for the fused-MoE kernel."""
    return f"{instance.home}/moe"


def log_path(instance: Instance) -> str:
    """Return the file of its logging configuration."""
    return f"{instance.home}/logging.json"


def environment_text(instance: Instance) -> str:
    """Return the environment, as Docker reads it or, for a virtual environment, as systemd does.

    Raise ValueError for a value that can't be written so.
    """
    values = {name: variable.value for name, variable in instance.environment.items()}
    written = docker_environment_file(values) if instance.image else environment_file(values)
    return _HEAD.format(unit=instance.unit) + written
