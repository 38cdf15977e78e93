"""Flat, signed apt repositories: an index, a Release file, InRelease signed with the lab's key."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from glmprov.errors import LabError

KEY_NAME = "glmprov rehearsal fleet <root@localhost>"


def index(folder: Path, *, origin: str, label: str, codename: str) -> None:
    """Write Packages, Packages.gz and Release for the .deb files of a folder."""
    with ThreadPoolExecutor(4) as pool:
        stanzas = list(pool.map(_stanza, sorted(folder.glob("*.deb"))))
    # apt refuses a Release file from the future: date it a day back, against clocks that differ.
    date = format_datetime(
        datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) - 86400, UTC), usegmt=True
    )
    head = (
        f"Origin: {origin}\nLabel: {label}\nSuite: {codename}\nCodename: {codename}\n"
        f"Date: {date}\nArchitectures: amd64\nDescription: GLMPROV SIMULATED, of the rehearsal fleet\n"
    )
    _write(folder, "\n".join(stanzas), head)


def copy_index(source: Path, target: Path, without: Collection[str]) -> None:
    """Write the index of a folder, less some packages, to another one. It is of the same date, not signed yet."""
    stanzas = (source / "Packages").read_text().split("\n\n")
    unwanted = tuple(f"Package: {name}\n" for name in without)
    kept = [stanza for stanza in stanzas if not (unwanted and stanza.startswith(unwanted))]
    target.mkdir(parents=True)
    _write(target, "\n\n".join(kept), (source / "Release").read_text().partition("SHA256:")[0])


def _write(folder: Path, index: str, head: str) -> None:
    packages = index.encode()
    contents = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    sums = "".join(
        f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in contents.items()
    )
    (folder / "Release").write_text(f"{head}SHA256:\n{sums}")


def _stanza(path: Path) -> str:
    fields = _run(["dpkg-deb", "--field", str(path)]).rstrip("\n")
    data = path.read_bytes()
    return (
        f"{fields}\nFilename: ./{path.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    )


def sign(folders: list[Path], secret_key: Path, public_key: Path) -> str:
    """Write InRelease and Release.gpg into the folders and the public key; return the key's fingerprint.

    secret_key is made once and kept: nodes that trust the key go on trusting rebuilt repositories.
    """
    with _keyring() as gpg:
        if secret_key.exists():
            _run([*gpg, "--import", str(secret_key)])
        else:
            _run([*gpg, "--passphrase", "", "--quick-generate-key", KEY_NAME, "ed25519", "sign", "never"])
            secret_key.parent.mkdir(parents=True, exist_ok=True)
            secret_key.touch(mode=0o600)
            secret_key.write_text(_run([*gpg, "--armor", "--export-secret-keys"]))
        public_key.write_text(_run([*gpg, "--armor", "--export"]))
        for folder in folders:
            release = str(folder / "Release")
            _run([*gpg, "--yes", "--clearsign", "--output", str(folder / "InRelease"), release])
            _run([*gpg, "--yes", "--armor", "--detach-sign", "--output", f"{release}.gpg", release])
        listing = _run([*gpg, "--with-colons", "--fingerprint"])
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))


@contextmanager
def _keyring() -> Iterator[list[str]]:
    # gpg-agent puts sockets into its home, and a socket's path holds 108 bytes at most: so a short folder.
    home = tempfile.mkdtemp(prefix="glmlab-gpg-", dir="/tmp")
    try:
        yield ["gpg", "--homedir", home, "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback"]
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def _run(command: list[str]) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is missing", next_step="Install gnupg and dpkg.") from None
    if done.returncode:
        raise LabError(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout
