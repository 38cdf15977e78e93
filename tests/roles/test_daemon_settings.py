"""daemon.json is merged, never overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.roles.modules import load

daemon = load("docker_engine")
CASES = sorted((Path(__file__).parents[1] / "cases/roles/daemon_json").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_file_is_merged_or_refused(path: Path) -> None:
    case = json.loads(path.read_text())
    before = "\n".join(case["before"])
    if "error" in case:
        with pytest.raises(daemon.UnusableError, match=case["error"]):
            daemon.merge(daemon.parse(before), case["settings"], {})
        return
    merged = daemon.merge(daemon.parse(before), case["settings"], case.get("original", {}))
    assert daemon.render(merged, before).splitlines() == case["after"]


names = st.text("abcdefghij-", min_size=1, max_size=6)
documents = st.dictionaries(names, st.integers() | names | st.lists(names), max_size=6)


@given(documents, names, st.integers())
def test_other_keys_stay_in_their_order(document: dict[str, Any], key: str, value: int) -> None:
    merged = daemon.merge(document, {key: value}, {})
    others = [name for name in merged if name != key]
    assert others == [name for name in document if name != key]
    assert all(merged[name] == document[name] for name in others)
    assert merged[key] == value
    assert daemon.merge(merged, {key: value}, {}) == merged


def test_a_daemon_that_lacks_what_the_file_says_is_stale() -> None:
    document = {"runtimes": {"nvidia": {"path": "x"}}, "exec-opts": ["native.cgroupdriver=cgroupfs"]}
    right = {"Runtimes": {"runc": {}, "nvidia": {}}, "CgroupDriver": "cgroupfs"}
    assert daemon.is_stale(document, document, True, {**right, "Runtimes": {"runc": {}}})
    assert daemon.is_stale(document, document, True, {**right, "CgroupDriver": "systemd"})
    assert daemon.is_stale(document, {}, True, right)
    assert not daemon.is_stale(document, document, True, right)


def test_a_daemon_that_gives_no_answer_has_not_read_a_file_that_was_just_written() -> None:
    document = {"runtimes": {"nvidia": {"path": "x"}}}
    assert daemon.is_stale(document, {}, True, None)
    assert not daemon.is_stale(document, document, True, None), "what it has can't be known: leave it alone"
    assert not daemon.is_stale(document, {}, False, None), "it reads the file when it is started"


@given(st.dictionaries(st.text("ab", min_size=1), st.integers()), st.integers())
def test_what_is_set_and_taken_out_again_leaves_nothing(theirs: dict[str, Any], value: int) -> None:
    settings = {"ours.nested.key": value, "alone": value}
    merged = daemon.merge(theirs, settings, {})
    assert daemon.merge(merged, dict.fromkeys(settings), {}) == theirs


@pytest.mark.parametrize(
    ("left", "now", "original", "after"),
    [
        ({"a": 1}, '{"a": 1, "b": 2}', '{"a":\t1}', '{"a":\t1}'),
        ({"a": 1, "c": 3}, '{"a": 1, "c": 3, "b": 2}', '{"a":\t1}', '{\n    "a": 1,\n    "c": 3\n}\n'),
        ({}, '{"b": 2}', None, None),
        ({}, '{"b": 2}', "", ""),
        ({"c": 3}, '{"b": 2, "c": 3}', None, '{\n    "c": 3\n}\n'),
    ],
    ids=["as it was", "theirs since", "no file before", "an empty file before", "theirs in our file"],
)
def test_taken_back_the_file_is_as_it_was_unless_they_changed_it_since(
    left: dict[str, Any], now: str, original: str | None, after: str | None
) -> None:
    assert daemon.without_ours(left, now, original) == after


class Module:
    """As much of an AnsibleModule as writing the file needs."""

    def __init__(self, forget: bool = False) -> None:
        self.params = {"forget": forget}

    def get_bin_path(self, _: str) -> None:
        return None


@pytest.mark.parametrize("original", [None, "", '{"debug":\ttrue}'])
def test_after_several_changes_the_file_is_as_it_was_or_gone_again(
    tmp_path: Path, original: str | None
) -> None:
    """Without a file before us, the second change must not take the first one's for it."""
    path = tmp_path / "daemon.json"
    if original is not None:
        path.write_text(original)
    for settings in ({"runtimes.nvidia.path": "x"}, {"live-restore": True}):
        _change(path, settings, Module())
    _change(path, {"runtimes.nvidia.path": None, "live-restore": None}, Module(forget=True))
    assert (path.read_text() if path.exists() else None) == original


def _change(path: Path, settings: dict[str, Any], module: Module) -> None:
    before = path.read_text() if path.exists() else None
    merged = daemon.merge(daemon.parse(before or ""), settings, daemon.before_us(str(path)))
    daemon.replace(module, str(path), before, daemon.left(module, str(path), merged, before))
