"""The files of an instance, by path: what is written on its host, word for word. Pure."""

from __future__ import annotations

from glmprov.instance.files import (
    environment_path,
    environment_text,
    gate_path,
    log_path,
    moe_folder,
    unit_path,
)
from glmprov.instance.gate import gate_text
from glmprov.instance.log import log_text, quieting
from glmprov.instance.model import Instance
from glmprov.instance.started import key_rendering
from glmprov.instance.unit import unit_text


def texts_of(instance: Instance) -> dict[str, str]:
    """Return the files that everybody may read, by path."""
    texts = {
        unit_path(instance): unit_text(instance),
        environment_path(instance): environment_text(instance),
        gate_path(instance): gate_text(instance),
    }
    if quieting(instance) is not None:
        texts[log_path(instance)] = log_text(instance)
    if instance.moe is not None:
        texts |= {f"{moe_folder(instance)}/{file}": instance.moe.text for file in instance.moe.files}
    return texts


def key_texts_of(instance: Instance) -> dict[str, str] | None:
    """Return the files that only root reads, by path, with {key} for the key. None: it asks for no key."""
    if instance.key_file is None:
        return None
    rendering = key_rendering(instance)
    return {instance.key_file: "{key}\n"} | ({rendering.path: rendering.text} if rendering else {})
