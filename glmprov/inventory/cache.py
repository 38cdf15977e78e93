"""A cache of what Ansible read, by the content of every file that it read."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from glmprov.inventory.location import config_file, config_value
from glmprov.inventory.request import Request, files_named, variable_files

FORMAT = "1"
"""Raised when the way we read an inventory changes."""

OPEN_ENDED = (
    b"lookup(",
    b"lookup (",
    b"query(",
    b"q(",
    b"now(",
    b"ansible_date_time",
    b"strftime",
    b"random",
)
"""Texts by which a template may give another value tomorrow."""

PLUGIN_SETTINGS = ("inventory_plugins", "vars_plugins", "vars_plugins_enabled", "filter_plugins", "lookup_plugins",
                   "test_plugins", "enable_plugins", "vault_identity_list")  # fmt: skip
PLUGIN_FOLDERS = ("inventory_plugins", "vars_plugins", "filter_plugins", "lookup_plugins", "test_plugins")


def key(request: Request, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return a name for the answer to request, by the content of every file behind it.

    None if the answer isn't the files' alone: a script, a plug-in, or a template that asks the outside world. None too
    where a file can't be read: what is to be said of that, Ansible says.
    """
    try:
        return _key(request, environ)
    except OSError:
        return None


def _key(request: Request, environ: Mapping[str, str]) -> str | None:
    config = config_file(request.cwd, environ)
    if _runs_plugins(request, config, environ):
        return None
    digest = hashlib.sha256()
    said = (FORMAT, _ansible_version(), sys.version, str(request.cwd), request.limit, request.extra_vars)
    digest.update(repr((said, [str(source) for source in request.sources])).encode())
    settings = {name: value for name, value in environ.items() if name.startswith("ANSIBLE_")}
    digest.update(repr(sorted(settings.items())).encode())
    for path in _files(request, config):
        content = path.read_bytes()
        if _is_program(path, content) or any(word in content for word in OPEN_ENDED):
            return None
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def read(name: str) -> dict[str, dict[str, Any]] | None:
    """Return what is cached under name, None if nothing readable is."""
    path = _folder() / f"{name}.json"
    try:
        hosts = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return hosts if isinstance(hosts, dict) else None


def write(name: str, hosts: Mapping[str, Mapping[str, Any]]) -> None:
    """Cache hosts under name, readable for us alone. A cache that can't be written is no error."""
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f"{name}.{os.getpid()}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(hosts, file)
        fresh.replace(folder / f"{name}.json")
        _forget_old(folder)
    except OSError:
        return


def _forget_old(folder: Path, keep: int = 50) -> None:
    """Keep the newest answers only."""
    answers = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in answers[keep:]:
        path.unlink(missing_ok=True)


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "glmprov" / "inventory"


def _files(request: Request, config: Path | None) -> Iterator[Path]:
    """Yield every file that Ansible reads for request."""
    for source in files_named(request.sources):
        yield from (
            sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
        )
    yield from variable_files(request)
    for said in request.extra_vars:
        if said.startswith("@"):
            yield (request.cwd / said[1:]).expanduser()
    if config:
        yield config


def _is_program(path: Path, content: bytes) -> bool:
    """Return whether Ansible may run path: a script, or a configuration of an inventory plug-in."""
    if path.suffix in {".yml", ".yaml"}:
        return any(line.startswith(b"plugin:") for line in content.splitlines())
    return content.startswith(b"#!") or os.access(path, os.X_OK)


def _runs_plugins(request: Request, config: Path | None, environ: Mapping[str, str]) -> bool:
    """Return whether somebody's own plug-ins may take part."""
    if any(name.startswith("ANSIBLE_") and "PLUGIN" in name for name in environ):
        return True
    if config and any(
        config_value(config, part, name) for part in ("defaults", "inventory") for name in PLUGIN_SETTINGS
    ):
        return True
    home = Path(environ.get("ANSIBLE_HOME") or Path.home() / ".ansible") / "plugins"
    places = [home / name.removesuffix("_plugins") for name in PLUGIN_FOLDERS]
    places += [request.cwd / name for name in PLUGIN_FOLDERS]
    return any(place.is_dir() and any(place.iterdir()) for place in places)


def _ansible_version() -> str:
    """Return something that changes with Ansible, without importing it: its place and release file's time."""
    spec = find_spec("ansible")
    if not spec or not spec.origin:
        return "none"
    release = Path(spec.origin).with_name("release.py")
    return f"{release}:{release.stat().st_mtime_ns}" if release.exists() else spec.origin
