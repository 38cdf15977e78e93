"""What the package server serves: Debian's packages, the simulated driver, the toolkit; signed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from glmprov.lab import (
    deb,
    debian_packages,
    driver_packages,
    engine_packages,
    host_packages,
    repository,
    ubuntu_driver_packages,
    ubuntu_packages,
)

_INPUTS = (
    "deb.py",
    "debian_packages.py",
    "driver_packages.py",
    "engine_packages.py",
    "host_packages.py",
    "kernel_packages.py",
    "packages.py",
    "repository.py",
    "ubuntu_driver_packages.py",
    "ubuntu_packages.py",
)

_LARGE_BYTES = 10_000_000


def build(cache: Path, *, as_shipped: bool = False) -> Path:
    """Return the directory to serve: debian/ nvidia/ toolkit/ docker/ lab.asc fingerprint. Built once.

    Flat repositories ("Suites: /"), signed with one key that stays the same for a cache. Raise LabError if a
    tool is missing or the machine's apt can't fetch Debian's packages. as_shipped: the large ones aren't packed anew.
    """
    target = cache / f"packages-{fingerprint()}{'-as-shipped' if as_shipped else ''}"
    if target.is_dir():
        return target
    work = cache / f"{target.name}.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    archives = debian_packages.download(cache / "debian-archives", cache / "apt")
    quick = cache / "debian-archives/quick"
    downloads = archives if as_shipped else [_quick(archive, quick) for archive in archives]
    _fill(work / "debian", host_packages.packages(), downloads)
    _fill(work / "nvidia", driver_packages.packages())
    _fill(work / "toolkit", host_packages.toolkit())
    engine_packages.write(downloads, work / "docker")
    repository.index(work / "debian", origin="Debian", label="Debian", codename="bookworm")
    repository.index(work / "nvidia", origin="NVIDIA", label="NVIDIA CUDA", codename="debian12")
    repository.index(work / "toolkit", origin="NVIDIA", label="NVIDIA container toolkit", codename="stable")
    repository.index(work / "docker", origin="Docker", label="Docker CE", codename="bookworm")
    folders = [work / name for name in ("debian", "nvidia", "toolkit", "docker")]
    key = repository.sign(folders, _signing_key(cache), work / "lab.asc")
    (work / "fingerprint").write_text(key + "\n")
    work.rename(target)
    return target


def _quick(archive: Path, folder: Path) -> Path:
    """Return the file of a package that every node unpacks before long, packed anew if it is large."""
    if archive.stat().st_size < _LARGE_BYTES:
        return archive
    quick = folder / archive.name
    if not quick.exists():
        deb.pack_anew(archive, quick)
    return quick


def add_ubuntu(cache: Path, content: Path) -> None:
    """Add ubuntu/ and nvidia-ubuntu/ to what is served, if they aren't there. Only some fleets want them."""
    if (content / "ubuntu").is_dir():
        return
    work = content / f".ubuntu.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    ours = {package.name for package in host_packages.packages()}
    theirs = [path for path in (content / "debian").glob("*.deb") if path.name.partition("_")[0] not in ours]
    _fill(work / "ubuntu", ubuntu_packages.packages(), theirs)
    _fill(work / "nvidia-ubuntu", ubuntu_driver_packages.repository())
    repository.index(work / "ubuntu", origin="Ubuntu", label="Ubuntu", codename="noble")
    repository.index(work / "nvidia-ubuntu", origin="NVIDIA", label="NVIDIA CUDA", codename="ubuntu2404")
    folders = [work / "nvidia-ubuntu", work / "ubuntu"]
    repository.sign(folders, _signing_key(cache), work / "lab.asc")
    for folder in folders:
        folder.rename(content / folder.name)
    shutil.rmtree(work)


def _signing_key(cache: Path) -> Path:
    return cache / "lab-signing-key.asc"


def base(cache: Path) -> list[Path]:
    """Return the .deb files that the node image must have: copy them into it and `dpkg -i` them there.

    They divert modprobe and its kin, bring update-grub, a simulated kernel, and /etc/ld.so.preload. The
    folder's name changes with the content, and only then.
    """
    return _built(cache, "base", host_packages.base())


def ubuntu(cache: Path) -> list[Path]:
    """Return the .deb files that a node has instead of Debian's kernel if it calls itself Ubuntu."""
    return _built(cache, "ubuntu", ubuntu_packages.installed())


def _built(cache: Path, name: str, wanted: list[deb.Deb]) -> list[Path]:
    key = hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]
    folder = cache / f"{name}-{key}"
    if not folder.is_dir():
        work = cache / f"{name}-{key}.{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        _fill(work, wanted)
        work.rename(folder)
    return sorted(folder.glob("*.deb"))


def fingerprint() -> str:
    """Return a short hash of everything that the packages are made from."""
    here = files("glmprov.lab")
    digest = hashlib.sha256()
    for item in (*(here / name for name in _INPUTS), *_walk(here / "sim")):
        digest.update(item.name.encode() + b"\0" + item.read_bytes())
    return digest.hexdigest()[:12]


def _walk(folder: Traversable) -> Iterable[Traversable]:
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        # What lies in sim/node is copied beside the node, what lies in sim/engine goes into images.
        if item.is_dir() and item.name not in ("node", "engine", "__pycache__"):
            yield from _walk(item)
        elif item.is_file():
            yield item


def _fill(folder: Path, packages: list[deb.Deb], ready: Iterable[Path] = ()) -> None:
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda package: deb.build(package, folder), packages))
    for path in ready:
        # A hard link where both lie on one file system: the archives are large.
        try:
            os.link(path, folder / path.name)
        except OSError:
            shutil.copyfile(path, folder / path.name)
