"""The registry's images, made here: Debian's Python, the engine simulator, and a layer that says which engine it plays.

Layers don't depend on time or place, so digests stay the same as long as what goes into them does.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from glmprov.lab import debian_packages, image_layers, module_files, registry, registry_push
from glmprov.lab.image_layers import layer

_SIM = files("glmprov.lab") / "sim/engine"
_WANTED = ("docker-registry", "python3", "busybox-static")
_STAND_IN = b'{"glmprov": "GLMPROV SIMULATED: only the name is that of the original"}\n'
_SITE = "usr/local/lib/python3.11/dist-packages"
IDENTITY = "opt/engine-simulator"
"""In an image: the folder that makes the simulator play an engine."""
_KEPT_SECONDS = 7 * 24 * 3600  # what nobody used for longer is deleted
_CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Image:
    """An image by its name, and the engine that its simulator plays."""

    repository: str
    tags: tuple[str, ...]
    engine: str
    version: str
    entrypoint: tuple[str, ...] = ()


def images() -> tuple[Image, ...]:
    """Return the images that the registry has."""
    described = yaml.safe_load((_SIM / "images.yml").read_text())
    return tuple(
        Image(
            one["repository"],
            tuple(one["tags"]),
            one["engine"],
            str(one["version"]),
            tuple(one.get("entrypoint", ())),
        )
        for one in described
    )


def program(cache: Path) -> Path:
    """Return docker-registry, out of Debian's package: it isn't installed on this machine."""
    return cache / "docker-registry"


def is_cached(cache: Path) -> bool:
    """Tell whether there is nothing to build."""
    return _storage(cache).is_dir() and program(cache).exists()


def ensure(cache: Path) -> Path:
    """Return the registry's storage with all images, made once for what goes into them. Raise LabError if it fails."""
    target = _storage(cache)
    if is_cached(cache):
        target.touch()
        return target
    archives = debian_packages.download(cache / "debian-archives", cache / "apt", _WANTED)
    by_name = {path.name.partition("_")[0]: path for path in archives}
    with tempfile.TemporaryDirectory(dir=cache, prefix="registry-build-") as work:
        scratch = Path(work)
        image_layers.unpack([by_name["docker-registry"]], scratch / "registry")
        shutil.move(scratch / "registry/usr/bin/docker-registry", program(cache))
        layers = [
            layer(image_layers.base([by_name[name] for name in image_layers.BASE], scratch)),
            layer(_simulator()),
        ]
        storage = scratch / "storage"
        storage.mkdir()
        _push_all(program(cache), storage, scratch, layers)
        shutil.rmtree(target, ignore_errors=True)
        storage.rename(target)
    for other in cache.glob("registry-*"):
        # Another fleet may serve it.
        if other.stat().st_mtime < time.time() - _KEPT_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    return target


def _storage(cache: Path) -> Path:
    return cache / f"registry-{fingerprint()}"


@functools.cache
def fingerprint() -> str:
    """Return a short hash of everything that the images are made from."""
    digest = hashlib.sha256()
    sources = [
        _SIM / "images.yml",
        *(
            files("glmprov.lab") / name
            for name in ("engine_images.py", "image_layers.py", "registry_push.py")
        ),
    ]
    for item in sources:
        digest.update(item.read_bytes())
    for name, data in sorted(_simulator().items()):
        digest.update(name.encode() + b"\0" + data)
    for image in images():
        digest.update(_catalogue(image))
    return digest.hexdigest()[:12]


def _simulator() -> dict[str, bytes]:
    """Return the files of the simulator by path in the image: packages of the engines' names, and what starts them."""
    found = {f"{_SITE}/{name}": data for name, data in _walk(_SIM / "site")}
    # The parser that plans launches reads them here too: what one accepts, the other does.
    found |= {
        f"{_SITE}/{name}": data for name, data in module_files.needed("glmprov.engines.parsing").items()
    }
    return found | {f"usr/local/bin/{name}": data for name, data in _walk(_SIM / "bin")}


def _catalogue(image: Image) -> bytes:
    """Return the flags of an engine's version."""
    return (files("glmprov.catalog") / "engines" / f"{image.engine}-{image.version}.json").read_bytes()


def identity(image: Image) -> dict[str, bytes]:
    """Return what makes the simulator play an engine: its name, its flags, the tuned files that it ships by name."""
    catalogue = _catalogue(image)
    shipped: dict[str, list[str]] = json.loads(catalogue).get("moe_configs", {})
    described = {
        "engine": image.engine,
        "version": image.version,
        "image": image.repository,
        "simulated": True,
    }
    return {
        f"{IDENTITY}/engine.json": json.dumps(described, indent=1).encode() + b"\n",
        f"{IDENTITY}/flags.json": catalogue,
        **{f"{_SITE}/{folder}/{name}": _STAND_IN for folder, names in shipped.items() for name in names},
    }


def _walk(folder: Traversable, prefix: str = "") -> Iterable[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.is_dir() and item.name != "__pycache__":
            yield from _walk(item, f"{prefix}{item.name}/")
        elif item.is_file():
            yield prefix + item.name, item.read_bytes()


def _push_all(program: Path, storage: Path, scratch: Path, common: list[tuple[bytes, str]]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = registry.start(program, storage, scratch, port, read_only=False)
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda image: _push(port, image, common), images()))
    finally:
        running.kill()
        running.wait()


def _push(port: int, image: Image, common: list[tuple[bytes, str]]) -> None:
    layers = [*common, layer(identity(image))]
    for suffix, note in (("", "first"), (registry.MOVED, "second")):
        configuration = json.dumps(_configuration(image, [diff for _, diff in layers], note)).encode()
        tags = tuple(f"{tag}{suffix}" for tag in image.tags)
        registry_push.push(port, image.repository, tags, [data for data, _ in layers], configuration)


def _configuration(image: Image, layers: list[str], build: str) -> dict[str, Any]:
    labels = {
        "glmprov.simulated": "true",
        "glmprov.simulator.engine": f"{image.engine} {image.version}",
        "glmprov.simulator.build": build,
    }
    environment = [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "LANG=C.UTF-8",
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    ]
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": _CREATED,
        "config": {
            "Env": environment,
            "Entrypoint": list(image.entrypoint) or None,
            "Cmd": None if image.entrypoint else ["bash"],
            "WorkingDir": "/root",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": layers},
        "history": [{"created": _CREATED, "created_by": "GLMPROV SIMULATED"} for _ in layers],
    }
