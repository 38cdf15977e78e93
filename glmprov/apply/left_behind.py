"""What a killed run of ours left on this machine: its folder, and perhaps an Ansible that still works."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from glmprov.errors import ApplyError
from glmprov.remote import interruption

PREFIX = "glmprov-apply-"

_PROC = Path("/proc")
_PATIENCE_SECONDS = 600.0
_ASK_AGAIN_SECONDS = 0.5


def base() -> Path:
    """Return where folders of runs are made: in memory where possible."""
    memory = Path("/dev/shm")  # noqa: S108  (made with mkdtemp, mode 0700)
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def clear(
    say: Callable[[str], None], patience_seconds: float = _PATIENCE_SECONDS, where: Path | None = None
) -> None:
    """Wait until no Ansible of a killed run works any more, and remove what it left.

    where: the folder that holds those of runs, base() if not given. Two runs at once on a host would be worse than one
    that waits. Raise ApplyError if it doesn't end.
    """
    for folder in _left(where or base()):
        waited = 0.0
        while at_work := _ansible(folder):
            if waited == 0:
                say(
                    f"an Ansible of a killed run still works here (process {at_work[0]}): waiting for its end"
                )
            if waited >= patience_seconds:
                raise ApplyError(
                    f"an Ansible of a killed run still works here (process {at_work[0]})",
                    place=str(folder),
                    next_step=f"see what it does, and end it: kill {at_work[0]}",
                )
            # It is no child of ours: asking is the only way.
            interruption.wait(_ASK_AGAIN_SECONDS)
            waited += _ASK_AGAIN_SECONDS
        shutil.rmtree(folder, ignore_errors=True)


def _left(where: Path) -> Iterator[Path]:
    """Yield the folders of our own runs whose process is gone."""
    for folder in where.glob(f"{PREFIX}*"):
        try:
            ours = folder.stat().st_uid == os.getuid()
        except FileNotFoundError:  # its run has just ended
            continue
        if ours and not (_PROC / folder.name.split("-")[2]).exists():
            yield folder


def _ansible(folder: Path) -> list[int]:
    """Return the processes of ansible-playbook that were started with the inventory in this folder."""
    found = []
    for process in _PROC.glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        of_it = any(argument.startswith(f"{folder}/") for argument in arguments)
        if of_it and any("ansible-playbook" in argument for argument in arguments[:4]):
            found.append(int(process.name))
    return sorted(found)
