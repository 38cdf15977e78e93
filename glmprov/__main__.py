"""`python -m glmprov` and the `glmprov` program."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from glmprov.cli import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
