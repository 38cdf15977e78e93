"""What the lab needs of this machine, and how it is brought there: by apt, after asking."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from glmprov.errors import LabError

# A program that proves that the package is there, and the package.
_PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "ssh": "openssh-client",
    "ip": "iproute2",
    "openssl": "openssl",
    "gcc": "gcc",
    "gpg": "gnupg",
    "gpg-agent": "gnupg",
    "dpkg-deb": "dpkg",
}
_FILES = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/usr/include/stdio.h": "libc6-dev",
}
SEARCH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
"""Where programs are looked for: a user's path often leaves out those of root."""


def missing_packages() -> list[str]:
    """Return the Debian packages that the lab needs and this machine doesn't have."""
    missing = [package for program, package in _PROGRAMS.items() if not shutil.which(program, path=SEARCH)]
    missing += [package for file, package in _FILES.items() if not Path(file).exists()]
    return list(dict.fromkeys(missing))


def require_root() -> None:
    """Raise LabError unless we are root, to whom fleets and their keys belong."""
    if os.geteuid() != 0:
        raise LabError("The rehearsal fleet needs root", next_step="Run the same command as root (sudo -i).")


def require(directory: Path) -> None:
    """Raise LabError if this machine can't carry a fleet whose state lies in directory."""
    require_root()
    if not shutil.which("apt-get"):
        raise LabError("There is no apt here, which builds the nodes", next_step="Use a Debian 12 machine.")
    if "cgroup2" not in Path("/proc/filesystems").read_text():
        raise LabError("This kernel has no cgroup v2", next_step="Use a machine with Linux 5.14 or newer.")
    directory.mkdir(parents=True, exist_ok=True)
    kind = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True)
    if kind.stdout.strip() == "overlayfs":
        raise LabError(
            "Nodes lie on an overlay file system, which can't lie on another one",
            place=str(directory),
            next_step="Set XDG_STATE_HOME to a directory on a disk.",
        )


def install(packages: Sequence[str]) -> None:
    """Install Debian packages on this machine. Raise LabError with apt's words if that fails."""
    apt("update")
    apt("install", "--yes", "--no-install-recommends", *packages)


def apt(*arguments: str) -> None:
    """Run apt-get without questions."""
    run(["apt-get", "-qq", *arguments], DEBIAN_FRONTEND="noninteractive")


def run(argv: Sequence[str | Path], *, stdin: str = "", **environment: str) -> str:
    """Run a program of this machine, return what it printed. Raise LabError with its words if it fails."""
    done = subprocess.run(
        [str(word) for word in argv],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": SEARCH, "LC_ALL": "C.UTF-8", **environment},
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise LabError("\n".join(words[-3:]), place=" ".join(str(word) for word in argv[:3]))
    return done.stdout
