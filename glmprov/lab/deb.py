"""Debian packages as values, and the one function that builds them with dpkg-deb."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glmprov.errors import LabError

MAINTAINER = "glmprov rehearsal fleet <root@localhost>"


@dataclass(frozen=True)
class Content:
    """A file of a package."""

    data: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Deb:
    """A simulated package.

    relations are control fields (Depends, Conflicts, …), scripts the maintainer scripts by name. files and
    links are by absolute path on the node; configuration lists the files that dpkg keeps when edited.
    """

    name: str
    version: str
    summary: str
    architecture: str = "amd64"
    section: str = "admin"
    source: str = ""
    relations: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Content] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    configuration: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The name that apt gives the package's file."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def control(deb: Deb) -> str:
    """Return the text of the package's control file."""
    fields = {
        "Package": deb.name,
        "Source": deb.source,
        "Version": deb.version,
        "Architecture": deb.architecture,
        "Maintainer": MAINTAINER,
        "Section": deb.section,
        "Priority": "optional",
        **deb.relations,
        "Description": f"{deb.summary}\n GLMPROV SIMULATED: a stand-in for the rehearsal fleet.",
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)


def build(deb: Deb, folder: Path) -> Path:
    """Build the package into folder and return its file. Raise LabError if dpkg-deb refuses."""
    target = folder / deb.file_name
    with tempfile.TemporaryDirectory(prefix="glmlab-deb-") as work:
        root = Path(work)
        root.chmod(0o755)
        _lay_out(deb, root)
        _dpkg_deb("--root-owner-group", "-Zgzip", "-z1", "--build", str(root), str(target))
    return target


def pack_anew(archive: Path, target: Path) -> None:
    """Write a package's file with zstd: it is unpacked in a tenth of the time that xz takes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        root, part = Path(work, "root"), Path(work, "part.deb")
        _dpkg_deb("--raw-extract", str(archive), str(root))
        _dpkg_deb("-Zzstd", "-z1", "--no-uniform-compression", "--build", str(root), str(part))
        part.rename(target)


def _dpkg_deb(*arguments: str) -> None:
    done = subprocess.run(["dpkg-deb", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"dpkg-deb refused {arguments[-1]}: {done.stderr.strip()}")


def _lay_out(deb: Deb, root: Path) -> None:
    for path, content in deb.files.items():
        _write(root / path.lstrip("/"), content)
    for path, target in deb.links.items():
        link = root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    notice = (
        f"{deb.name}: GLMPROV SIMULATED. Written for the rehearsal fleet; contains nothing of the original.\n"
    )
    _write(root / f"usr/share/doc/{deb.name}/copyright", Content(notice.encode()))
    _write(root / "DEBIAN/control", Content(control(deb).encode()))
    if deb.configuration:
        _write(
            root / "DEBIAN/conffiles", Content("".join(f"{path}\n" for path in deb.configuration).encode())
        )
    for name, script in deb.scripts.items():
        _write(root / f"DEBIAN/{name}", Content(f"#!/bin/sh\nset -e\n{script}".encode(), 0o755))


def _write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.data)
    path.chmod(content.mode)
