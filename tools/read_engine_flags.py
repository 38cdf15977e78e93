"""Writes glmprov/catalog/engines/ENGINE-VERSION.json from the engines' wheels. Run when a release is added.

    python tools/read_engine_flags.py                    every version below
    python tools/read_engine_flags.py vllm==0.34.0       one more
    python tools/read_engine_flags.py --check            write nothing; fail where a file would change

The wheels come from the package index (several hundred MB for vLLM) and are kept under $XDG_CACHE_HOME/glmprov. They
are read as text, never imported; only the standard library is needed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from engine_flags.catalogue import BrokenError, read, write
from engine_flags.overrides import Overrides
from engine_flags.wheels import wheel

FOLDER = Path(__file__).parents[1] / "glmprov" / "catalog" / "engines"
VERSIONS = (
    "vllm==0.11.2", "vllm==0.16.0", "vllm==0.23.0", "vllm==0.32.0", "vllm==0.33.0",
    "sglang==0.5.5.post3", "sglang==0.5.9", "sglang==0.5.14", "sglang==0.5.23",
)  # fmt: skip


def main() -> int:
    """Read each version, write its file or compare with it; 1 where a guard or the comparison fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="ENGINE==VERSION")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    overrides = Overrides()
    failed = False
    for wanted in options.versions:
        engine, _, version = wanted.partition("==")
        try:
            found = read(engine, version, wheel(engine, version), overrides)
        except BrokenError as broken:
            print(broken, file=sys.stderr)
            failed = True
            continue
        target = FOLDER / f"{engine}-{version}.json"
        failed |= _compare(found, target) if options.check else _write(found, target)
    if list(options.versions) == list(VERSIONS) and (aged := overrides.unused({"vllm", "sglang"})):
        print("overrides.toml: these rows fit no version: " + ", ".join(aged), file=sys.stderr)
        failed = True
    return int(failed)


def _write(found: dict, target: Path) -> bool:
    target.parent.mkdir(exist_ok=True)
    write(found, target)
    strings = sum(len(flag["names"]) for flag in found["flags"])
    print(
        f"{target.name}: {len(found['flags'])} flags, {strings} option strings, {len(found['environment'])} variables, "
        f"{sum(map(len, found['moe_configs'].values()))} MoE files, {target.stat().st_size // 1024} KiB"
    )
    return False


def _compare(found: dict, target: Path) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / target.name
        write(found, fresh)
        same = target.is_file() and target.read_bytes() == fresh.read_bytes()
    print(f"{target.name}: {'as written' if same else 'differs'}")
    return not same


if __name__ == "__main__":
    sys.exit(main())
