"""Batches as Ansible makes them, when a run ends early, and until when something may begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.actions.changing.batches import Portion, ends_the_run, parse_serial, parse_until, split
from glmprov.errors import UsageError

PORTIONS = st.builds(Portion, st.integers(0, 120), st.booleans())


@pytest.mark.parametrize(
    ("serial", "hosts", "sizes"),
    [
        ("1,25%", 10, [1, 2, 2, 2, 2, 1]),
        ("30%", 10, [3, 3, 3, 1]),
        ("10%", 3, [1, 1, 1]),
        ("1,5,10", 20, [1, 5, 10, 4]),
        ("2", 5, [2, 2, 1]),
        ("1,0", 8, [1, 7]),
        ("100%", 4, [4]),
        ("50", 3, [3]),
    ],
)
def test_batches_have_the_sizes_that_ansible_gives_them(serial: str, hosts: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in split(range(hosts), parse_serial(serial))] == sizes


def test_without_sizes_all_hosts_are_one_batch_and_no_hosts_are_none() -> None:
    assert split("abc", ()) == (("a", "b", "c"),)
    assert split("", parse_serial("1,25%")) == ()


@given(st.lists(st.integers(), max_size=60), st.lists(PORTIONS, max_size=4))
def test_every_host_is_in_one_batch_in_its_order(hosts: list[int], serial: list[Portion]) -> None:
    batches = split(hosts, serial)
    assert [host for batch in batches for host in batch] == hosts
    assert all(batches)


@pytest.mark.parametrize("text", ["", "1,", "one", "-1", "25 percent", "1.5", "1;2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--serial"):
        parse_serial(text)


@pytest.mark.parametrize(
    ("failed", "size", "percentage", "ends"),
    [
        (0, 10, 0, False),
        (1, 10, None, False),
        (10, 10, None, True),
        (1, 1, None, True),
        (1, 1, 100, True),
        (2, 10, 20, False),
        (3, 10, 20, True),
        (1, 10, 0, True),
        (0, 0, 0, False),
    ],
)
def test_a_percentage_must_be_exceeded_and_a_lost_batch_ends_the_run(
    failed: int, size: int, percentage: float | None, ends: bool
) -> None:
    assert bool(ends_the_run(failed, size, percentage)) is ends


@pytest.mark.parametrize(
    ("text", "now", "moment"),
    [
        ("05:00", "2026-03-01T22:00", "2026-03-02T05:00"),
        ("5:00", "2026-03-01T04:59", "2026-03-01T05:00"),
        ("05:00", "2026-03-01T05:01", "2026-03-01T05:00"),
        ("23:50", "2026-03-01T00:10", "2026-02-28T23:50"),
        ("00:10", "2026-03-01T23:50", "2026-03-02T00:10"),
        ("2026-03-01T05:00", "2026-01-01T00:00", "2026-03-01T05:00"),
        ("2026-03-01 05:00:30", "2026-01-01T00:00", "2026-03-01T05:00:30"),
    ],
)
def test_a_time_of_day_is_the_nearest_one(text: str, now: str, moment: str) -> None:
    local = datetime.now().astimezone().tzinfo
    at = parse_until(text, datetime.fromisoformat(now).replace(tzinfo=local))
    assert at == datetime.fromisoformat(moment).replace(tzinfo=local)


def test_a_time_zone_that_is_said_is_kept() -> None:
    assert parse_until("2026-03-01T05:00+00:00", datetime(2026, 1, 1, tzinfo=UTC)).utcoffset() == timedelta(0)


@given(st.times(), st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1)))
def test_no_other_such_moment_is_nearer(of_day: object, now: datetime) -> None:
    at = parse_until(f"{of_day:%H:%M}", now.replace(tzinfo=UTC))
    assert abs(at - now.replace(tzinfo=UTC)) <= timedelta(hours=12)
    assert f"{at:%H:%M}" == f"{of_day:%H:%M}"


@pytest.mark.parametrize("text", ["", "5", "25:00", "tomorrow", "2026-03-01", "2026-02-30T05:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--until"):
        parse_until(text, datetime.now().astimezone())
