"""Docker's own packages (docker-ce, containerd.io), made of Debian's: other names and relations, the same programs.

Only the control part is written anew, so nothing is compressed again. Unlike the original, containerd.io has no runc in
it and needs Debian's, which the lab wraps.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab.deb import Deb, build

_VERSION = "5:20.10.24~3-0~debian-bookworm"
_MADE_OF = {
    "docker.io": {
        "Package": "docker-ce",
        "Version": _VERSION,
        "Depends": "libc6, libdevmapper1.02.1, libsystemd0, iptables, tini, containerd.io, docker-ce-cli",
        "Conflicts": "docker, docker.io",
        "Replaces": "docker.io",
    },
    "containerd": {
        "Package": "containerd.io",
        "Version": "1.6.20-1",
        "Depends": "libc6, runc",
        "Provides": "containerd",
        "Conflicts": "containerd",
        "Replaces": "containerd",
    },
}


def write(archives: Sequence[Path], folder: Path) -> None:
    """Write docker-ce, docker-ce-cli and containerd.io into a folder. Raise LabError if an archive is missing."""
    folder.mkdir(parents=True)
    by_name = {path.name.partition("_")[0]: path for path in archives}
    for name, fields in _MADE_OF.items():
        if name not in by_name:
            raise LabError(f"Debian's {name} isn't among the packages that were fetched")
        _rename(by_name[name], fields, folder)
    build(Deb("docker-ce-cli", _VERSION, "Docker's client, which is part of docker-ce here"), folder)


def _rename(archive: Path, fields: Mapping[str, str], folder: Path) -> None:
    version = fields["Version"].replace(":", "%3a")
    target = folder / f"{fields['Package']}_{version}_amd64.deb"
    members = {}
    for name, data in _members(archive.read_bytes()).items():
        is_control = name.startswith("control.tar")
        members["control.tar" if is_control else name] = _control(data, fields) if is_control else data
    target.write_bytes(_archive(members))


def _control(compressed: bytes, fields: Mapping[str, str]) -> bytes:
    """Return the control part of an archive with some fields changed, as tar."""
    output = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(compressed)) as old, tarfile.open(fileobj=output, mode="w") as new:
        for member in old.getmembers():
            content = old.extractfile(member) if member.isfile() else None
            data = content.read() if content else b""
            if member.name == "./control":
                data = _changed(data.decode(), fields).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return output.getvalue()


def _changed(control: str, fields: Mapping[str, str]) -> str:
    """Return a control file with fields replaced or added, and without those that name Debian's own packages."""
    dropped = ("Source", "Built-Using", "Recommends", "Suggests", "Breaks", *fields)
    unwanted = tuple(f"{name}:" for name in dropped)
    kept = [line for line in control.splitlines() if not line.startswith(unwanted)]
    return "\n".join([*(f"{name}: {value}" for name, value in fields.items()), *kept]) + "\n"


_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60


def _members(data: bytes) -> dict[str, bytes]:
    """Return the files of an ar archive, which a .deb is, in their order."""
    found, at = {}, len(_MAGIC)
    while at < len(data):
        header = data[at : at + _HEADER_BYTES].decode()
        size = int(header[48:58])
        at += _HEADER_BYTES
        found[header[:16].rstrip(" /")] = data[at : at + size]
        at += size + size % 2
    return found


def _archive(members: Mapping[str, bytes]) -> bytes:
    parts = [_MAGIC]
    for name, data in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        parts += [header.encode(), data, b"\n" * (len(data) % 2)]
    return b"".join(parts)
