"""The simulated libnvidia-ml.so.1, asked by the real nvidia-ml-py in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glmprov.lab import driver_packages, hardware_tree, profiles

VERSION = "580.95.05"


class Machine:
    """A simulated machine's folders and what it answers."""

    def __init__(self, folder: Path, profile: str) -> None:
        self.hardware, self.state, self.libraries = folder / "hw", folder / "run", folder / "lib"
        hardware_tree.write(profile, self.hardware, "test")
        self.profile = profiles.load(profile, "test")
        self.libraries.mkdir()
        library = driver_packages.shared_library("nvml.c", "libnvidia-ml.so.1", VERSION)
        (self.libraries / "libnvidia-ml.so.1").write_bytes(library)

    def load(self, version: str = VERSION) -> None:
        for card in self.profile.cards:
            (self.state / "driver/cards" / card.bus_id).mkdir(parents=True)
        (self.state / "driver/version").write_text(version + "\n")

    def fault(self, name: str, text: str = "") -> Path:
        path = self.hardware / "faults" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def ask(self, body: str, prefix: tuple[str, ...] = ()) -> Any:
        """Run nvidia-ml-py with body, which fills `out`; return it. h is the first card's handle."""
        script = f"""
import json
from pynvml import *
out = []
def code(function, *arguments):
    try:
        return function(*arguments)
    except NVMLError as error:
        return {{"error": error.value}}
{body}
print(json.dumps(out))
"""
        places = {"GLMLAB_HARDWARE": str(self.hardware), "GLMLAB_STATE": str(self.state)}
        environment = {**os.environ, **places, "LD_LIBRARY_PATH": str(self.libraries)}
        command = [*prefix, sys.executable, "-c", script]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], Machine]:
    return lambda profile: Machine(tmp_path, profile)


def test_cards_are_in_the_order_of_their_bus_ids(machine: Callable[[str], Machine]) -> None:
    turin = machine("turin-8x-server")
    turin.load()
    rows = turin.ask("""
nvmlInit()
for i in range(nvmlDeviceGetCount()):
    h = nvmlDeviceGetHandleByIndex(i)
    out.append([nvmlDeviceGetPciInfo(h).busId, nvmlDeviceGetMinorNumber(h), nvmlDeviceGetName(h),
                nvmlDeviceGetUUID(h),
                nvmlDeviceGetPowerManagementLimitConstraints(h), nvmlDeviceGetCudaComputeCapability(h),
                nvmlDeviceGetMemoryInfo(h).total, nvmlDeviceGetBAR1MemoryInfo(h).bar1Total])
""")
    assert [row[0] for row in rows][:3] == ["00000000:06:00.0", "00000000:07:00.0", "00000000:75:00.0"]
    assert [row[1] for row in rows] == [2, 3, 0, 1, 6, 7, 4, 5]
    assert rows[0][2] == "NVIDIA RTX PRO 6000 Blackwell Server Edition"
    assert rows[0][4:] == [[300000, 600000], [12, 0], 97887 << 20, 131072 << 20]
    assert len({row[3] for row in rows}) == 8


def test_a_limit_is_seen_by_other_processes_and_bounded_by_the_card(
    machine: Callable[[str], Machine],
) -> None:
    turin = machine("turin-8x-server")
    turin.load()
    first = """
nvmlInit(); h = nvmlDeviceGetHandleByIndex(0)
nvmlDeviceSetPersistenceMode(h, 1)
out.append(code(nvmlDeviceSetPowerManagementLimit, h, 400000))
out.append(code(nvmlDeviceSetPowerManagementLimit, h, 900000))
"""
    assert turin.ask(first) == [None, {"error": 2}]
    second = "nvmlInit(); h = nvmlDeviceGetHandleByIndex(0); out.append(nvmlDeviceGetPowerManagementLimit(h))"
    assert turin.ask(second) == [400000]


def test_without_persistence_a_limit_is_gone_with_the_last_user(machine: Callable[[str], Machine]) -> None:
    turin = machine("turin-8x-server")
    turin.load()
    setting = "nvmlInit(); h = nvmlDeviceGetHandleByIndex(0); nvmlDeviceSetPowerManagementLimit(h, 400000)"
    assert turin.ask(setting + "; out.append(nvmlDeviceGetPowerManagementLimit(h)); nvmlShutdown()") == [
        400000
    ]
    reading = (
        "nvmlInit(); h = nvmlDeviceGetHandleByIndex(0); out.append(nvmlDeviceGetPowerManagementLimit(h))"
    )
    assert turin.ask(reading) == [600000]


def test_a_lost_card_and_the_others(machine: Callable[[str], Machine]) -> None:
    turin = machine("turin-8x-server")
    turin.load()
    turin.fault("lost/0000:07:00.0")
    asked = """
nvmlInit()
out.append(nvmlDeviceGetCount())
out.append(code(nvmlDeviceGetHandleByIndex, 1))
out.append(nvmlDeviceGetIndex(nvmlDeviceGetHandleByIndex(2)))
"""
    assert turin.ask(asked) == [8, {"error": 15}, 2]


def test_no_driver_and_another_driver(machine: Callable[[str], Machine]) -> None:
    turin = machine("turin-8x-server")
    assert turin.ask("out.append(code(nvmlInit))") == [{"error": 9}]
    turin.load("580.105.08")
    assert turin.ask("out.append(code(nvmlInit))") == [{"error": 18}]


def test_an_idle_card_and_one_whose_memory_is_held(machine: Callable[[str], Machine]) -> None:
    turin = machine("turin-8x-server")
    turin.load()
    asked = """
nvmlInit(); h = nvmlDeviceGetHandleByIndex(0)
out += [nvmlDeviceGetCurrPcieLinkGeneration(h), nvmlDeviceGetMaxPcieLinkGeneration(h)]
out.append(nvmlDeviceGetCurrPcieLinkWidth(h))
out.append([[p.pid, p.usedGpuMemory] for p in nvmlDeviceGetComputeRunningProcesses(h)])
refused = nvmlDeviceGetFanSpeed, nvmlDeviceGetNumaNodeId, nvmlDeviceGetRetiredPagesPendingStatus
out += [code(f, h) for f in refused]
"""
    unsupported = {"error": 3}
    assert turin.ask(asked) == [1, 5, 16, [], unsupported, unsupported, unsupported]
    holders = turin.state / "cards/0000:06:00.0/holders"
    holders.mkdir(parents=True)
    (holders / str(os.getpid())).write_text(f"{90 << 30}\n")
    assert turin.ask(asked)[:4] == [5, 5, 16, [[os.getpid(), 90 << 30]]]


@pytest.mark.parametrize(
    ("profile", "levels"),
    [
        ("turin-8x-server", [0, 10, 40, 40, 50, 50, 50, 50]),
        ("turin-6x", [0, 40, 40, 40, 50, 50]),
        ("genoa-4x-workstation", [0, 40, 40, 40]),
        ("workstation-4x-maxq", [0, 40, 40, 40]),
        ("h200-x2", [0, 30]),
    ],
)
def test_how_far_the_first_card_is_from_each(
    machine: Callable[[str], Machine], profile: str, levels: list[int]
) -> None:
    here = machine(profile)
    here.load()
    asked = """
nvmlInit(); h = nvmlDeviceGetHandleByIndex(0)
for i in range(nvmlDeviceGetCount()):
    out.append(nvmlDeviceGetTopologyCommonAncestor(h, nvmlDeviceGetHandleByIndex(i)))
"""
    assert here.ask(asked) == levels


def test_the_affinity_of_a_node_with_a_hole(machine: Callable[[str], Machine]) -> None:
    turin = machine("turin-8x-server")
    turin.load()
    asked = """
nvmlInit(); h = nvmlDeviceGetHandleByIndex(7)
words = nvmlDeviceGetCpuAffinity(h, 4)
cpus = [64 * i + b for i in range(4) for b in range(64) if words[i] >> b & 1]
out += [cpus[0], cpus[-1], len(cpus), list(nvmlDeviceGetMemoryAffinity(h, 1, 0))]
"""
    assert turin.ask(asked) == [64, 238, 64 + 47, [2]]


def test_a_call_that_hangs_goes_on_when_the_fault_is_gone(machine: Callable[[str], Machine]) -> None:
    turin = machine("turin-8x-server")
    turin.load()
    hang = turin.fault("hang", "sleep")
    places = {"GLMLAB_HARDWARE": str(turin.hardware), "GLMLAB_STATE": str(turin.state)}
    environment = {**os.environ, **places, "LD_LIBRARY_PATH": str(turin.libraries)}
    command = [
        sys.executable,
        "-c",
        "import pynvml; print('asking', flush=True); pynvml.nvmlInit(); print('back')",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "asking\n"
        with pytest.raises(subprocess.TimeoutExpired):
            asking.wait(timeout=1)
        asking.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            asking.wait(timeout=1)
        hang.unlink()
        assert asking.wait(timeout=5) == -15


def test_whoever_locks_a_file_holds_memory_until_it_ends(machine: Callable[[str], Machine]) -> None:
    one = machine("genoa-4x-workstation")
    one.load()
    holders = one.state / "cards" / one.profile.cards[0].bus_id / "holders"
    holders.mkdir(parents=True)
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'w+'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "file.write(f'{5 << 30:20}'); file.flush(); print(flush=True); sys.stdin.read()"
    )
    look = (
        "nvmlInit(); h = nvmlDeviceGetHandleByIndex(0); out = [nvmlDeviceGetMemoryInfo(h, nvmlMemory_v2).used, "
        "[p.pid for p in nvmlDeviceGetComputeRunningProcesses(h)]]"
    )
    command = [sys.executable, "-c", hold, str(holders / "lock-1")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holding:
        assert holding.stdout
        holding.stdout.readline()
        assert one.ask(look) == [5 << 30, [holding.pid]]
        # In another PID namespace the process has no number, and its memory is in use all the same.
        apart = one.ask(look, prefix=("unshare", "--pid", "--fork"))
        assert apart == [5 << 30, []]
        assert holding.stdin
        holding.stdin.close()
    assert one.ask(look) == [0, []]
