"""`python -m glmprov` and the `glmprov` program."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.getfilesystemencoding() != "utf-8":  # our files and Ansible's answers are UTF-8 under any locale
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606
    from glmprov.cli import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
