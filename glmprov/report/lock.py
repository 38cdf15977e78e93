"""A recipe's lock, and what it changed, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from glmprov.recipe.lock import RecipeLock
from glmprov.sizes import in_words


def locked_text(lock: RecipeLock, path: Path, before: RecipeLock | None) -> str:
    """Return what was resolved, and what is another than in the lock before."""
    return "\n".join(_lines(lock, path, before))


def locked_json(lock: RecipeLock, path: Path, before: RecipeLock | None) -> str:
    """Return the same for programs, without the list of files, which recipe.lock holds."""
    model = {"id": lock.model.id, "revision": lock.model.revision, "bytes": lock.model.size_bytes}
    about = {
        "recipe": lock.recipe, "file": str(path), "host": lock.host, "hub": lock.hub,
        "resolved": lock.resolved.isoformat(), "image": asdict(lock.image) if lock.image else None,
        "model": {**model, "shards": len(lock.model.shards), "files": len(lock.model.files)},
        "changed": list(_changes(lock, before)),
    }  # fmt: skip
    return json.dumps(about, indent=2)


def _lines(lock: RecipeLock, path: Path, before: RecipeLock | None) -> Iterator[str]:
    yield f"{lock.recipe}, as {lock.host} sees it:"
    if lock.image is None:
        yield "  image  none: it runs from a virtual environment"
    else:
        image = lock.image
        size = f", {in_words(image.compressed_bytes)} packed" if image.compressed_bytes else ""
        yield f"  image  {image.asked} is {image.digest} ({image.platform}{size})"
    model = lock.model
    yield (
        f"  model  {model.id} is {model.revision} ({len(model.shards)} shards, {len(model.files)} files, "
        f"{in_words(model.size_bytes)})"
    )
    yield from (f"  {change}" for change in _changes(lock, before))
    yield f"written to {path}"


def _changes(lock: RecipeLock, before: RecipeLock | None) -> Iterator[str]:
    if before is None:
        return
    was, now = before.image and before.image.digest, lock.image and lock.image.digest
    if was != now:
        yield f"the image was {was or 'none'}"
    if before.model.revision != lock.model.revision:
        yield f"the model was {before.model.revision}"
    elif before.model.files != lock.model.files:
        yield "the model's files are others under the same revision: the hub changed what a commit holds"
