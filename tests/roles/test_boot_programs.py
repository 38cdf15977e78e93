"""The boot units' programs, run by sh with stand-ins for the tools that need hardware."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROLES = Path(__file__).parents[2] / "roles"

NVIDIA_SMI = """#!/bin/sh
echo "$@" >>"$CALLS"
cat >/dev/null
[ "$2" != GPU-lost ] || { echo "Unable to determine the device handle: GPU is lost" >&2; exit 15; }
"""

SETPCI = """#!/bin/sh
echo "$@" >>"$CALLS"
[ "$2" != 0000:00:02.0 ] || exit 1
case $3 in *=*) ;; *) [ "$2" = 0000:00:03.0 ] && echo 0000 || echo 001d ;; esac
"""


def _run(program: Path, config: Path, tool: str, text: str) -> tuple[int, str, list[str]]:
    bin_path, calls = config.parent / "bin", config.parent / "calls"
    bin_path.mkdir()
    (bin_path / tool).write_text(text)
    (bin_path / tool).chmod(0o755)
    calls.touch()
    env = {"PATH": f"{bin_path}:{os.environ['PATH']}", "CALLS": str(calls)}
    done = subprocess.run(
        ["sh", str(program), str(config), str(config.parent / "run/notes")],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines()


def test_a_lost_card_doesnt_keep_the_others_from_their_limit(tmp_path: Path) -> None:
    config = tmp_path / "gpu-power.conf"
    config.write_text("# a comment\nGPU-lost=400\n\nGPU-1=400\nGPU-2=350\n")
    code, said, calls = _run(ROLES / "gpu_power/files/gpu-power", config, "nvidia-smi", NVIDIA_SMI)
    assert code == 1
    assert "GPU-lost: 400 W not set: Unable to determine the device handle: GPU is lost" in said
    assert calls == [
        "-i GPU-lost -pm 1",
        "-i GPU-1 -pm 1",
        "-i GPU-1 -pl 400",
        "-i GPU-2 -pm 1",
        "-i GPU-2 -pl 350",
    ]


def test_all_cards_well_is_success(tmp_path: Path) -> None:
    config = tmp_path / "gpu-power.conf"
    config.write_text("GPU-1=400\n")
    code, said, _ = _run(ROLES / "gpu_power/files/gpu-power", config, "nvidia-smi", NVIDIA_SMI)
    assert (code, said) == (0, "")


def test_acs_is_turned_off_where_the_capability_is(tmp_path: Path) -> None:
    config = tmp_path / "host-tuning.conf"
    config.write_text("# a comment\nacs_off=0000:00:01.1\nacs_off=0000:00:02.0\nacs_off=0000:00:03.0\n")
    code, said, calls = _run(ROLES / "host_tuning/files/host-tuning", config, "setpci", SETPCI)
    assert code == 0
    assert said == "0000:00:02.0: no ACS capability, left alone\n"
    assert "-s 0000:00:01.1 ECAP_ACS+6.w=0000" in calls
    assert not any("0000:00:02.0" in call and "=" in call for call in calls)
    assert (tmp_path / "run/notes").read_text() == "0000:00:01.1=001d\n", "what was off before is not noted"
