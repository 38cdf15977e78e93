"""Start-up cost: `glmprov --help` against bare Python and Ansible, interleaved. A report, not a test."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 15
BIN = Path(sys.executable).parent
CONTENDERS = {
    "python3 -c pass": [sys.executable, "-c", "pass"],
    "glmprov --help": [str(BIN / "glmprov"), "--help"],
    "glmprov --version": [str(BIN / "glmprov"), "--version"],
    "ansible --version": [str(BIN / "ansible"), "--version"],
}


def cpu_seconds(argv: list[str]) -> float:
    """Return user + system seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Byte code is what an installed program has; some machines switch it off by environment.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def main() -> None:
    """Run every contender in turn, ROUNDS times, and print medians and ratios."""
    samples: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for argv in CONTENDERS.values():
        cpu_seconds(argv)
    for _ in range(ROUNDS):
        for name, argv in CONTENDERS.items():
            samples[name].append(cpu_seconds(argv))
    bare = statistics.median(samples["python3 -c pass"])
    print(f"{'command':20} {'CPU ms (median)':>16} {'× bare':>8}   {ROUNDS} rounds")
    for name, values in samples.items():
        median = statistics.median(values)
        print(f"{name:20} {median * 1000:16.1f} {median / bare:8.1f}")


if __name__ == "__main__":
    main()
