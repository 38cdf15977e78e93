"""The journal of changes: what is written comes back, what is damaged is told, and its ends are joined."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from glmprov.errors import UnreachableError
from glmprov.history import (
    Act,
    Change,
    End,
    Entry,
    Event,
    Wanted,
    acts,
    from_text,
    moment,
    select,
    to_line,
)
from glmprov.report import table
from glmprov.results.history import HostHistory


def printed(blocks: Iterable[RenderableType], width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    table.show(console, blocks)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


def entry(event: Event = Event.DONE, run: str = "a", **more: Any) -> Entry:
    known: Mapping[str, Any] = {
        "at": "2026-11-22T19:00:00+00:00",
        "command": "provision",
        "owner": "ops@desk (pid 7)",
        "glmprov_version": "0.1.0",
    }
    return Entry(run=run, event=event, **{**known, **more})


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text()))
CHANGES = st.builds(Change, st.text(), VALUES, VALUES, st.text())


@given(st.lists(st.builds(entry, st.sampled_from(Event), reason=st.text(), changes=st.tuples(CHANGES))))
def test_what_is_written_comes_back(entries: list[Entry]) -> None:
    found = from_text("".join(map(to_line, entries)))
    assert (list(found.entries), found.unread) == (entries, 0)


@given(st.integers(1, 60))
def test_a_line_that_was_cut_off_is_told_and_costs_no_other(left: int) -> None:
    found = from_text(to_line(entry()) + to_line(entry(run="b"))[:left] + "\n" + to_line(entry(run="c")))
    assert [each.run for each in found.entries] == ["a", "c"]
    assert found.unread == 1


def test_a_line_of_a_newer_version_is_told() -> None:
    assert from_text(to_line(entry(version=2))).unread == 1


def test_both_ends_of_a_change_are_one() -> None:
    first, second = entry(Event.BEGUN), entry(at="2026-11-22T19:01:00+00:00", seconds=60)
    assert acts([first, second]) == (Act(first.at, End.DONE, second),)


def test_a_change_without_its_end_was_never_finished_unless_its_owner_is_at_work() -> None:
    begun = entry(Event.BEGUN)
    assert [act.end for act in acts([begun])] == [End.NEVER_FINISHED]
    assert [act.end for act in acts([begun], "ops@desk (pid 7)")] == [End.UNDER_WAY]
    assert [act.end for act in acts([begun], "ops@desk (pid 8)")] == [End.NEVER_FINISHED]


def test_what_a_run_saw_on_its_way_joins_what_it_began_with() -> None:
    keys = [Change("a.b", 1, 2), Change("c.d", None, 1)]
    (act,) = acts([entry(Event.BEGUN, changes=(key,)) for key in keys])
    assert act.entry.changes == tuple(keys)


def test_reboots_within_a_run_are_changes_of_their_own() -> None:
    boots = [entry(command="reboot", at=f"2026-11-22T19:0{minute}:00+00:00") for minute in (1, 2)]
    found = acts([entry(Event.BEGUN), *boots, entry()])
    assert [(act.entry.command, act.end) for act in found] == [
        ("provision", End.DONE),
        ("reboot", End.DONE),
        ("reboot", End.DONE),
    ]


def test_the_newest_of_those_that_are_wanted() -> None:
    found = acts([entry(run=str(day), at=f"2026-11-{day}T19:00:00+00:00") for day in (10, 16, 21)])
    assert [act.entry.run for act in select(found, Wanted(limit=2))] == ["16", "21"]
    assert [act.entry.run for act in select(found, Wanted(since=moment("7d", NOW)))] == ["16", "21"]
    assert select(found, Wanted(since=NOW)) == ()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30min", "2026-11-22T19:30:00+00:00"),
        ("12h", "2026-11-22T08:00:00+00:00"),
        ("2w", "2026-11-08T20:00:00+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00+00:00"),
        ("2026-11-20T10:00:00+01:00", "2026-11-20T10:00:00+01:00"),
        ("999999999999w", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_moments(text: str, meant: str) -> None:
    assert moment(text, NOW).isoformat() == meant


@given(st.text())
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    try:
        assert moment(text, NOW).tzinfo
    except ValueError:
        return


def test_a_person_reads_who_what_and_what_came_of_it() -> None:
    keys = (Change("gpu_power.limit_watts[GPU-1].effective", 600, 400, "FIXED"),)
    found = acts(
        [
            entry(Event.BEGUN, changes=keys),
            entry(changes=keys, rebooted=True, seconds=61.6, reason="new cards"),
            entry(Event.BEGUN, run="b", changes=keys),
            entry(run="c", error="gpu_driver: Install: no space\nmore", changes=keys),
        ]
    )
    text = printed(
        table.history([HostHistory("gpu-1", found, 2), HostHistory("gpu-2", error=UnreachableError("gone"))])
    )
    lines = text.splitlines()
    assert lines[0] == "gpu-1  3 changes"
    assert "2026-11-22 19:00:00 ops@desk" in lines[1] and lines[1].endswith("new cards")
    assert "1 fixed, rebooted, 62 s" in lines[1]
    assert "never finished, 1 planned" in lines[2]
    assert "1 fixed, stopped at an error" in lines[3] and lines[3].endswith("gpu_driver: Install: no space")
    assert lines[4].strip() == "note: 2 lines can't be read: cut off by a crash, or of a newer version"
    assert "gone" in text


def test_eighty_columns_are_enough() -> None:
    found = acts([entry(changes=(Change("a.b", 1, 2, "FIXED"),), seconds=5, reason="a long reason " * 6)])
    lines = printed(table.history([HostHistory("gpu-1", found)]), 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert "provision" in lines[1] and "ops@desk" in lines[1] and "1 fixed, 5 s" in " ".join(lines)
