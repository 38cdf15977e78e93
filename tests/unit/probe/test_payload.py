"""The payload as a program: run on this machine, and its parts that a broken host puts to the test."""

from __future__ import annotations

import json
import os
import posix
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.probe.nvml_cut import LARGEST_CUT_BYTES, called_names, cut, nvml_source
from glmprov.probe.payload import compiled, extracts, nvml, pci, reading, units, values, watching
from glmprov.probe.round_trip import ARGV, answer_of, program
from glmprov.probe.texts import unit_blocks
from glmprov.probe.wanted import wanted
from glmprov.remote import Completed

ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
MARK = "glmprov-test"


def run(orders: dict[str, Any], python: str = sys.executable) -> tuple[dict[str, Any], float]:
    """Return the payload's answer on this machine, and how long it took."""
    begun = time.monotonic()
    ended = subprocess.run([python, *ARGV], input=program(MARK, orders), capture_output=True, timeout=60)
    answer = answer_of(Completed(ended.returncode, ended.stdout, ended.stderr), MARK, "here")
    return answer, time.monotonic() - begun


def test_it_answers_on_this_machine() -> None:
    answer, _ = run(wanted(("kernel.hostname",)))
    assert answer["uid"] == os.geteuid()
    assert answer["uname"][2] == os.uname().release
    assert answer["files"]["/proc/cmdline"] == Path("/proc/cmdline").read_text()
    assert answer["files"]["/proc/sys/kernel/hostname"].strip() == os.uname().nodename
    assert answer["hung"] == []
    assert not [key for key in answer if key.startswith("failed")]


def test_a_command_that_hangs_or_floods_costs_its_deadline_and_nothing_else() -> None:
    orders = wanted() | {"commands": {"slow": ["sleep", "60"], "flood": ["yes"]}, "command_seconds": 1}
    answer, seconds = run(orders)
    assert "no answer within" in answer["commands"]["slow"]["error"]
    assert "more than" in answer["commands"]["flood"]["error"]
    assert "/etc/os-release" in answer["files"]
    assert seconds < 20


def test_a_child_that_is_late_is_killed_and_what_it_sent_before_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HANGING", str(tmp_path))

    def slow(send: Any) -> None:
        send("before", 1)
        time.sleep(60)

    child = watching.start("nvml", slow, 1)
    watching.wait_for(child)
    assert watching.end_of(child) == {"task": "nvml", "pid": child["pid"], "state": "killed"}
    assert child["parts"] == [b'"before":1\n']
    assert list(tmp_path.iterdir()) == []


def test_what_failed_in_a_child_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "HANGING", str(tmp_path))
    child = watching.start("driver", lambda send: send("count", 1 // 0), 5)
    watching.wait_for(child)
    assert watching.end_of(child) is None
    assert child["parts"] == [b'"failed_driver":"ZeroDivisionError: integer division or modulo by zero"\n']


def test_what_failed_on_the_host_is_said() -> None:
    answer, _ = run(wanted() | {"lines": None})
    assert answer["failed_host"].startswith("AttributeError")


def test_module_signatures_and_version_numbers_are_read_from_the_ends_and_middles_of_files(
    tmp_path: Path,
) -> None:
    module = tmp_path / "lib/modules/6.1/nvidia.ko"
    module.parent.mkdir(parents=True)
    module.write_bytes(b"\x7fELF" + b"\xff" * 5000 + b"~Module signature appended~\n")
    assert extracts.tails([f"{tmp_path}/lib/modules/*/nvidia.ko*"], 28) == {
        str(module): "~Module signature appended~\n"
    }
    (tmp_path / "nvidia.yaml").write_text(
        "args: libcuda.so.1::x\nhostPath: /usr/lib/libcuda.so.580.105.08\nlibcuda.so"
    )
    specs = [f"{tmp_path}/nvidia.yaml", f"{tmp_path}/absent.yaml"]
    assert extracts.numbers_behind(specs, "libcuda.so.") == {specs[0]: "580.105.08", specs[1]: None}
    assert reading.present([f"{tmp_path}/lib/*/6.1", f"{tmp_path}/lib/modules/6.2"]) == [
        f"{tmp_path}/lib/modules/6.1"
    ]


def test_a_key_is_looked_for_in_the_firmwares_list(tmp_path: Path) -> None:
    keys = [str(tmp_path / name) for name in ("enrolled.der", "new.der", "absent.der", "empty.der")]
    for path, content in zip(keys, (b"\x30\x82one", b"\x30\x82two", None, b""), strict=True):
        if content is not None:
            Path(path).write_bytes(content)
    variables = tmp_path / "MokListRT"
    assert extracts.within(str(variables), keys[:1])[keys[0]]["error"].endswith("No such file or directory")
    variables.write_bytes(b"\x06\0\0\0header\x30\x82onetail")
    assert extracts.within(str(variables), keys) == dict(zip(keys, (True, False, None, False), strict=True))


FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.mark.skipif(
    not os.access(FREEZER / "cgroup.procs", os.W_OK), reason="needs root and a freezer that SIGKILL waits for"
)
def test_a_child_that_cannot_die_is_left_behind_and_not_stacked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HANGING", str(tmp_path))
    group = FREEZER / f"glmprov-test-{os.getpid()}"
    group.mkdir()

    def freeze(send: Any) -> None:
        send("before", 1)
        (group / "cgroup.procs").write_text(str(os.getpid()))
        (group / "freezer.state").write_text("FROZEN")

    child = watching.start("nvml", freeze, 1)
    try:
        watching.wait_for(child)
        record = watching.end_of(child)
        assert record == {"task": "nvml", "pid": child["pid"], "state": "D"}
        assert child["parts"] == [b'"before":1\n']
        assert watching.still_hanging("nvml", 30) == record | {"earlier": True}
        assert watching.still_hanging("host", 30) is None
    finally:
        (group / "freezer.state").write_text("THAWED")
        os.waitpid(child["pid"], 0)
        group.rmdir()
    assert watching.still_hanging("nvml", 30) is None
    assert list(tmp_path.iterdir()) == []


def test_looks_at_the_same_time_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look forgets the other's mark when it sees that its child has ended."""
    monkeypatch.setattr(watching, "HANGING", str(tmp_path))
    child = watching.start("nvml", lambda send: None, 5)
    watching.wait_for(child)
    (mark,) = tmp_path.iterdir()
    mark.unlink()
    assert watching.end_of(child) is None


def test_compiled_code_is_kept_by_what_it_was_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "COMPILED", str(tmp_path / "code"))
    monkeypatch.setattr(posix, "geteuid", lambda: 0)
    (tmp_path / "code").mkdir()

    def value(digest: str, source: bytes) -> Any:
        space: dict[str, Any] = {}
        exec(compiled.compiled("host", digest, zlib.compress(source)), space)
        return space["value"]

    assert value("one", b"value = 1") == 1
    assert value("one", b"not Python") == 1
    assert value("two", b"value = 2") == 2
    (kept,) = (tmp_path / "code").iterdir()
    kept.write_bytes(kept.read_bytes()[:-10])
    assert value("two", b"value = 3") == 3


def test_without_root_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "COMPILED", str(tmp_path))
    monkeypatch.setattr(posix, "geteuid", lambda: 1000)
    compiled.compiled("host", "one", zlib.compress(b"value = 1"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.access(units.PRIVATE, os.W_OK), reason="needs root and systemd")
def test_units_as_systemctl_shows_them() -> None:
    names, items = ["dbus.service", "no-such-unit.service"], ["LoadState", "ActiveState", "WantedBy"]
    command = ["systemctl", "show", "--property=Id," + ",".join(items), *names]
    shown = subprocess.run(command, capture_output=True, text=True).stdout
    assert unit_blocks(str(units.units(names, items, 5))) == unit_blocks(shown)


def test_without_systemd_units_are_unknown_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "PRIVATE", str(tmp_path / "none"))
    assert units.units(["docker.service"], ["LoadState"], 1) is None


@pytest.mark.parametrize(
    ("text", "numbers"), [("0-3,8\n", [0, 1, 2, 3, 8]), ("", []), ("7", [7]), ("None", [])]
)
def test_numbers_of_a_list(text: str, numbers: list[int]) -> None:
    assert extracts.numbers(text) == numbers


def test_one_cpu_a_socket_is_asked(tmp_path: Path) -> None:
    (tmp_path / "online").write_text("0-7\n")
    for cpu, list_of_cpus in ((0, "0-1,4-5"), (2, "2-3,6-7")):
        (tmp_path / f"cpu{cpu}").write_text(list_of_cpus + "\n")
    found = extracts.sockets(f"{tmp_path}/online", f"{tmp_path}/cpu%d")
    assert found == ["0-1,4-5", "2-3,6-7"]


@given(ANSWERS)
def test_what_it_writes_is_json(value: Any) -> None:
    written = values.to_json(value)
    assert written.isascii()
    assert json.loads(written) == value


def test_a_fifo_under_a_name_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert reading.read(str(tmp_path / "fifo")) == ""


def test_absent_unreadable_and_endless_files(tmp_path: Path) -> None:
    assert reading.read(str(tmp_path / "nothing")) is None
    assert "directory" in reading.read(str(tmp_path))["error"].lower()
    assert len(reading.read("/dev/zero", 4096)) == 4096


def test_patterns(tmp_path: Path) -> None:
    for name in ("a.conf", "b.conf", "c.txt", ".conf.swp"):
        (tmp_path / name).write_text(name)
    found = reading.read_all([f"{tmp_path}/*.conf", f"{tmp_path}/absent"])
    assert found == {
        f"{tmp_path}/a.conf": "a.conf",
        f"{tmp_path}/b.conf": "b.conf",
        f"{tmp_path}/absent": None,
    }


def test_a_link_has_no_sum(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert extracts.sums([f"{tmp_path}/*"]) == {f"{tmp_path}/file": empty, f"{tmp_path}/link": None}


def configuration(capabilities: dict[int, tuple[int, int, bytes]], size: int = 4096) -> bytes:
    """Return a configuration space with extended capabilities: offset → id, next offset, body."""
    space = bytearray(size)
    for offset, (identity, following, body) in capabilities.items():
        header = (identity | 1 << 16 | following << 20).to_bytes(4, "little")
        space[offset : offset + 4 + len(body)] = header + body
    return bytes(space)


@pytest.mark.parametrize(
    ("space", "registers"),
    [
        (
            configuration({0x100: (0x0001, 0x2A0, b""), 0x2A0: (0x000D, 0, b"\x5f\x00\x1d\x00")}),
            {"offset": 0x2A0, "capability": 0x5F, "control": 0x1D},
        ),
        (
            configuration({0x100: (0x000D, 0, b"\x5f\x00\x11\x00")}),
            {"offset": 0x100, "capability": 0x5F, "control": 0x11},
        ),
        (configuration({0x100: (0x0001, 0, b"")}), None),
        (configuration({}, size=256), None),
        (configuration({0x100: (0x0001, 0x100, b"")}), None),  # a list that leads back to itself
        (b"\xff" * 4096, None),  # a device that is gone
    ],
)
def test_acs_is_found_by_its_capability(
    tmp_path: Path, space: bytes, registers: dict[str, int] | None
) -> None:
    (tmp_path / "config").write_bytes(space)
    assert pci.acs(str(tmp_path / "config")) == registers


def test_the_cut_of_nvml_is_small_and_complete() -> None:
    source = nvml_source()
    assert len(source) < LARGEST_CUT_BYTES
    space: dict[str, Any] = {"__name__": "nvml_cut"}
    exec(compile(source, "nvml_cut", "exec"), space)
    assert called_names(Path(nvml.__file__).read_text()) <= space.keys()
    assert "nvmlVgpuTypeGetName" not in source


def test_a_kept_cut_is_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = nvml_source.__wrapped__()
    (kept,) = (tmp_path / "glmprov").iterdir()
    assert kept.read_text() == first
    (tmp_path / "glmprov" / "nvml-cut-of-another-version.py").write_text("")
    assert nvml_source.__wrapped__() == first
    kept.unlink()
    assert nvml_source.__wrapped__() == first
    assert [path.name for path in (tmp_path / "glmprov").iterdir()] == [kept.name]


def test_the_cut_takes_along_what_its_roots_use() -> None:
    module = "A = 1\nB = A + 1\nC = 3\ndef used(): return B\ndef root():\n '''Text.'''\n return used()\n"
    source = cut(module, frozenset({"root"}))
    assert "B = A + 1" in source
    assert "C = 3" not in source
    assert "Text." not in source
