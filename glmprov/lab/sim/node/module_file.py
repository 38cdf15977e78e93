"""GLMPROV SIMULATED kernel modules as files: the sections that modinfo reads, and a signature at the end.

The layout is that of linux/Documentation/admin-guide/module-signing.rst: signature, twelve bytes about it, a magic
line.
Standard library only: it runs on the node.
"""

import hashlib
import re
import struct
from pathlib import Path
from typing import NamedTuple

NAMES = ("nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm")
_MAGIC = b"~Module signature appended~\n"
_ABOUT = struct.Struct(">8BI")
_PKCS7 = 2
_FOLDERS = ("updates/dkms", "updates", "kernel/*")
"""Where depmod looks, in its order of preference."""


class Key(NamedTuple):
    """A key that signs modules, as its certificate shows it."""

    name: str
    identity: str


VENDOR = Key(
    "Canonical Ltd. Kernel Module Signing", "88:F7:52:E5:60:A1:E0:73:7E:31:16:3A:46:6A:D7:B7:0A:85:0C:19"
)
"""Signs prebuilt modules; the kernel itself trusts it."""


class Module(NamedTuple):
    """What a module's file says of it. key is None where the file isn't signed."""

    path: Path
    fields: dict[str, str]
    key: Key | None

    @property
    def version(self) -> str:
        """The driver's version."""
        return self.fields["version"]

    @property
    def is_open(self) -> bool:
        """Whether it is of the open kernel modules."""
        return self.fields["license"] != "NVIDIA"


def certificate(key: Key) -> str:
    """Return the text that stands for a key's certificate."""
    return f"GLMPROV SIMULATED certificate\nSubject: CN={key.name}\nSerial: {key.identity}\n"


def key_of(certificate_text: str) -> Key | None:
    """Return the key that a certificate is of."""
    found = re.search(r"Subject: CN=(.*)\nSerial: (\S+)", certificate_text)
    return Key(*found.groups()) if found else None


def compose(name: str, version: str, is_open: bool, release: str, key: Key | None = None) -> bytes:
    """Return the file of a module."""
    source = hashlib.sha256(f"{name}{version}{is_open}".encode()).hexdigest()[:23].upper()
    fields = {
        "import_ns": "DMA_BUF",
        "supported": "external",
        "license": "Dual MIT/GPL" if is_open else "NVIDIA",
        "version": version,
        "description": "GLMPROV SIMULATED",
        "srcversion": source,
        "name": name,
        "vermagic": f"{release} SMP preempt mod_unload modversions",
    }
    body = b"\x7fELF\x02\x01\x01\0GLMPROV SIMULATED\0" + b"".join(
        f"{k}={v}\0".encode() for k, v in fields.items()
    )
    if key is None:
        return body
    signature = f"GLMPROV SIMULATED PKCS#7\0{key.name}\0{key.identity}\0".encode()
    return body + signature + _ABOUT.pack(0, 0, _PKCS7, 0, 0, 0, 0, 0, len(signature)) + _MAGIC


def read(path: Path) -> Module | None:
    """Return what a module's file says, None where there is no such file."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    key = None
    if data.endswith(_MAGIC):
        end = len(data) - len(_MAGIC) - _ABOUT.size
        size = _ABOUT.unpack_from(data, end)[-1]
        _, name, identity, _ = data[end - size : end].split(b"\0")
        key, data = Key(name.decode(), identity.decode()), data[: end - size]
    pairs = (part.partition(b"=") for part in data.split(b"\0"))
    return Module(path, {name.decode(): value.decode() for name, equals, value in pairs if equals}, key)


def find(modules: Path, name: str) -> Module | None:
    """Return the module of that name below /lib/modules/RELEASE that modprobe would take."""
    for folder in _FOLDERS:
        for path in sorted(modules.glob(f"{folder}/{name.replace('_', '-')}.ko")):
            return read(path)
    return None


def write_all(folder: Path, version: str, is_open: bool, release: str, key: Key | None = None) -> None:
    """Write the files of all modules of a driver."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / f"{name.replace('_', '-')}.ko").write_bytes(compose(name, version, is_open, release, key))


def list_modules(modules: Path) -> None:
    """Write modules.dep of a kernel, as depmod does, with the modules that are there."""
    paths = sorted(str(path.relative_to(modules)) for path in modules.rglob("*.ko"))
    (modules / "modules.dep").write_text("".join(f"{path}:\n" for path in paths))
