"""The engines' wheels, from the package index into a cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLATFORMS = (
    "manylinux_2_35",
    "manylinux_2_34",
    "manylinux_2_31",
    "manylinux_2_28",
    "manylinux2014",
    "manylinux1",
)


def cache() -> Path:
    """Return the folder that keeps downloaded wheels."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "glmprov" / "engine-wheels"


def wheel(engine: str, version: str) -> Path:
    """Return the wheel of this version, downloaded if it isn't in the cache. The engine is never installed."""
    folder = cache() / engine
    if not (found := _of(folder, engine, version)):
        folder.mkdir(parents=True, exist_ok=True)
        platforms = [part for name in PLATFORMS for part in ("--platform", f"{name}_x86_64")]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
             "--python-version", "3.11", *platforms, "--dest", str(folder), f"{engine}=={version}"],
            check=True,
        )  # fmt: skip
        found = _of(folder, engine, version)
    if not found:
        raise SystemExit(f"{engine} {version}: the download left no wheel in {folder}")
    return found[-1]


def _of(folder: Path, engine: str, version: str) -> list[Path]:
    return sorted(folder.glob(f"{engine}-{version}-*.whl"))
