"""Layers of container images: Debian's Python without the rest of Debian, and files as a layer.

Owner, time and order are always the same, so a layer's digest depends on its content alone.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from glmprov.lab.machine import run

BASE = (
    *(
        "busybox-static",
        "libbz2-1.0",
        "libc6",
        "libexpat1",
        "libffi8",
        "libgcc-s1",
        "liblzma5",
        "libssl3",
        "zlib1g",
    ),
    *("libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal"),
)
"""Debian packages of which the lowest layer is made."""
_LEFT_OUT = (
    *("./usr/share", "./etc/init.d", "./var", "./usr/lib/python3.11/idlelib", "./usr/lib/python3.11/lib2to3"),
    *(
        "./usr/lib/python3.11/ensurepip",
        "./usr/lib/python3.11/pydoc_data",
        "./usr/lib/x86_64-linux-gnu/gconv",
    ),
)
_USED = "argparse ctypes dataclasses difflib email.parser fcntl http.server json signal socketserver subprocess uuid"
_COMPILE = f"""
import {_USED.replace(" ", ", ")}
import py_compile, sys
for module in list(sys.modules.values()):
    source = getattr(module, "__file__", None) or ""
    if source.endswith(".py"):
        py_compile.compile(source, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


def unpack(archives: Iterable[Path], root: Path) -> None:
    """Unpack packages without running anything of them. /bin, /lib and /sbin are links, as in Debian."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (root / name).symlink_to(f"usr/{name}")
    for archive in archives:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as reading:
            omitted = [f"--exclude={name}" for name in _LEFT_OUT]
            command = ["tar", "-x", "--keep-directory-symlink", "-C", str(root), *omitted]
            subprocess.run(command, stdin=reading.stdout, check=True)


def base(archives: Iterable[Path], scratch: Path) -> Path:
    """Return a tree with a shell and Python, its modules compiled as far as the simulator uses them."""
    root = scratch / "base"
    unpack(archives, root)
    for name in ("dev", "etc", "proc", "root", "run", "sys", "tmp", "usr/local/bin"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    applets = run(["chroot", root, "/bin/busybox", "--list"]).split()
    for applet in applets:
        with suppress(FileExistsError):
            (root / "usr/bin" / applet).symlink_to("busybox")
    for alias in ("python3", "python"):
        (root / "usr/bin" / alias).symlink_to("python3.11")
    with suppress(FileExistsError):
        (root / "usr/bin/bash").symlink_to("busybox")
    run(["chroot", root, "/usr/bin/python3", "-c", _COMPILE])
    return root


def layer(content: Path | Mapping[str, bytes]) -> tuple[bytes, str]:
    """Return a layer as gzip, and the digest of what is in it. Owner, time and order are always the same."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as tar:
        if isinstance(content, Path):
            for path in sorted(content.rglob("*")):
                tar.add(path, str(path.relative_to(content)), recursive=False, filter=_neutral)
        else:
            for name in sorted({str(parent) for path in content for parent in Path(path).parents} - {"."}):
                folder = tarfile.TarInfo(name)
                folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(folder)
            for name, data in sorted(content.items()):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o755 if "/bin/" in name else 0o644
                tar.addfile(member, io.BytesIO(data))
    data = plain.getvalue()
    return gzip.compress(data, 3, mtime=0), f"sha256:{hashlib.sha256(data).hexdigest()}"


def _neutral(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
