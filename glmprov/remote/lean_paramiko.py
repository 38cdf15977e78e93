"""paramiko without invoke, which it imports for `Match exec` lines in its own reader of ssh_config.

We ask ssh itself, and invoke with all that it brings takes a third of paramiko's import.
"""

from __future__ import annotations

import sys

_before = sys.modules.get("invoke")
if _before is None:
    sys.modules["invoke"] = None  # type: ignore[assignment]  # paramiko takes it for not installed

import paramiko  # noqa: E402

if _before is None:
    del sys.modules["invoke"]

__all__ = ["paramiko"]
