"""Measure, and write docs/performance.md: `make bench`. Needs root on Debian 12, as the rehearsal fleet does."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from glmprov.lab.cgroups import Group

from . import peers
from .hosts import ROOT
from .report import Measured, Setting, Suite, document, from_json, to_json
from .suites import ADDRESSES, NODES, SUITES, Stand

REPORT = ROOT / "docs" / "performance.md"
OURS = (
    "ansible-core",
    "ansible-runner",
    "ssh2-python",
    "paramiko",
    "pydantic",
    "rich",
    "click",
    "cryptography",
)


def main() -> None:
    """Run the suites that are asked for; each one's figures are kept as soon as they are there."""
    asked = _arguments()
    home = Path(tempfile.mkdtemp(prefix="glmprov-bench-"))
    group = Group(f"glmbench-{os.getpid()}")
    stand = Stand(home, group, asked.rounds, asked.hosts, asked.nodes)
    try:
        with stand.stack:
            setting = _setting(stand, asked)
            for name in asked.suite or SUITES:
                _keep(asked.out, name, Measured(_run(stand, name), setting))
    finally:
        group.kill()
        group.remove()
        shutil.rmtree(home, ignore_errors=True)
    print(asked.out.read_text())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--suite", action="append", choices=list(SUITES), help="only this one; may be repeated"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often contenders take turns (slow ones once)"
    )
    parser.add_argument("--hosts", type=int, default=ADDRESSES, help="addresses that are audited")
    parser.add_argument("--nodes", type=int, default=NODES, help="nodes that are provisioned")
    parser.add_argument(
        "--out", type=Path, default=REPORT, help="the report, with its readings in a .json beside it"
    )
    return parser.parse_args()


def _keep(report: Path, name: str, measured: Measured) -> None:
    """Put a suite's figures in the place of its old ones."""
    data = report.with_suffix(".json")
    known = from_json(data.read_text()) if data.exists() else {}
    known[name] = measured
    in_order = {each: known[each] for each in SUITES if each in known}
    data.write_text(to_json(in_order))
    report.write_text(document(in_order))


def _run(stand: Stand, name: str) -> Suite:
    print(f"{name} …", flush=True)
    return SUITES[name](stand)


def _setting(stand: Stand, asked: argparse.Namespace) -> Setting:
    """Say when and where it was measured: the machine's kind, never its name."""
    of_peers = peers.versions(stand.programs)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    versions = {
        "glmprov": commit.stdout.strip() or version("glmprov"),
        "Python": platform.python_version(),
        "OpenSSH": _ssh_version(),
        **{name: version(name) for name in OURS},
        "peers: ansible-core": of_peers["ansible-core"],
        **{name: of_peers[name] for name in ("mitogen", "pyinfra")},
    }
    return Setting(
        datetime.now(UTC).date().isoformat(),
        f"{os.cpu_count()} cores of {_processor()}, {_memory_gib()} GiB, Linux {platform.release().split('-')[0]}",
        versions,
        " ".join(["make bench", *([f"ARGS='{' '.join(_options(asked))}'"] if _options(asked) else [])]),
    )


def _options(asked: argparse.Namespace) -> list[str]:
    """Return the options that differ from `make bench` alone."""
    chosen = [f"--suite {name}" for name in asked.suite or ()]
    for name, usual in (("rounds", 3), ("hosts", ADDRESSES), ("nodes", NODES)):
        if getattr(asked, name) != usual:
            chosen.append(f"--{name} {getattr(asked, name)}")
    return chosen


def _ssh_version() -> str:
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    return said.split(",")[0].split()[0].removeprefix("OpenSSH_")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), "an unknown kind"
    )


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


if __name__ == "__main__":
    main()
