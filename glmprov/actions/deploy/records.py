"""What an instance is to be on its host, section by section, and the receipt of it."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from glmprov import __version__
from glmprov.deployed import Gated, InstanceReceipt
from glmprov.instance import Instance, key_texts_of, texts_of
from glmprov.made_once import made_once
from glmprov.state import EngineImage, EngineService, InstanceState, ModelStore, Unit
from glmprov.state.data import data


def expected_of(instance: Instance, image_id: str | None, shards: Mapping[str, int]) -> InstanceState:
    """Return what the instance is to be. image_id is the host's own id of the image, shards are sizes in bytes."""
    texts = texts_of(instance)
    variables = {name: variable.value for name, variable in instance.environment.items()}
    return InstanceState(
        engine_image=EngineImage(image=image_id, reference=instance.image.pinned) if instance.image else None,
        model_store=ModelStore(
            shards=shards,
            model=instance.weights.model,
            revision=instance.weights.revision,
            folder=instance.weights.folder,
        ),
        engine_service=EngineService(
            name=instance.name,
            texts=texts,
            key_texts=key_texts_of(instance),
            weights=instance.weights.folder,
            unit=Unit(enabled=True, active=True),
            files={path: sha256(text.encode()).hexdigest() for path, text in texts.items()},
            environment=variables,
            restarts=0,
        ),
    )


def receipt_of(
    instance: Instance,
    expected: InstanceState,
    before: InstanceReceipt | None,
    *,
    gated: Gated | None = None,
    accepted: tuple[str, ...] = (),
    replaces: int | None = None,
) -> InstanceReceipt:
    """Return the receipt of what was deployed. before is the one in force until now."""
    return InstanceReceipt(
        name=instance.name,
        number=(before.number if before else 0) + 1,
        replaces=(before.number if before else 0) if replaces is None else replaces,
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        by=getpass.getuser(),
        controller=socket.gethostname(),
        glmprov_version=__version__,
        recipe=instance.recipe,
        form=instance.form,
        gpus=instance.gpus,
        port=instance.port,
        expected=expected,
        instance=data(instance),
        texts=texts_of(instance),
        key_texts=key_texts_of(instance),
        accepted=accepted,
        gated=gated or Gated(),
    )


@made_once()
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Instance)


def instance_of(receipt: InstanceReceipt) -> Instance:
    """Return the instance that a receipt is of. Raise ValueError if this program can't read it."""
    found: Instance = _adapter().validate_python(receipt.instance)
    return found
