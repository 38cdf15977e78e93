"""A recipe on a host: which cards, which port, which environment, and the files that make it a service. Pure."""

from glmprov.instance.building import build, final, reachable
from glmprov.instance.container import docker_argv
from glmprov.instance.files import environment_path, environment_text, gate_path, moe_folder, unit_path
from glmprov.instance.gate import gate_settings, gate_text
from glmprov.instance.model import Image, Instance, Locked, Taken, Variable, Weights
from glmprov.instance.side import MODELS, HostSide
from glmprov.instance.started import key_rendering, started
from glmprov.instance.texts import key_texts_of, texts_of
from glmprov.instance.tuning import Tuning
from glmprov.instance.unit import argv, unit_text
from glmprov.instance.wanted import DEFAULT_NAME, Wanted, parse_sets

__all__ = [
    "DEFAULT_NAME",
    "MODELS",
    "HostSide",
    "Image",
    "Instance",
    "Locked",
    "Taken",
    "Tuning",
    "Variable",
    "Wanted",
    "Weights",
    "argv",
    "build",
    "docker_argv",
    "environment_path",
    "environment_text",
    "final",
    "gate_path",
    "gate_settings",
    "gate_text",
    "key_rendering",
    "key_texts_of",
    "moe_folder",
    "parse_sets",
    "reachable",
    "started",
    "texts_of",
    "unit_path",
    "unit_text",
]
