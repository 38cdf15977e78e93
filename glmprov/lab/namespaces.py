"""unshare(2) and setns(2), which Python 3.11 doesn't have."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

NEW_MOUNTS = 0x00020000
NEW_NETWORK = 0x40000000


def unshare(kinds: int) -> None:
    """Give the calling process new namespaces of these kinds. Raise OSError if the kernel refuses."""
    _checked(_libc.unshare(kinds))


def enter_network(pid: int) -> None:
    """Move the calling process into the network namespace of another. Raise OSError if that fails."""
    descriptor = os.open(Path(f"/proc/{pid}/ns/net"), os.O_RDONLY)
    try:
        _checked(_libc.setns(descriptor, NEW_NETWORK))
    finally:
        os.close(descriptor)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
