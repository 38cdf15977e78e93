"""Which hosts go together, when a run ends early, and until when something may begin. Pure.

Batches are meant as Ansible means `serial` and `max_fail_percentage`
(https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_strategies.html).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TypeVar

from glmprov.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Portion:
    """The size of a batch: a number of hosts, or so many percent of all that are to be changed. 0 hosts: the rest."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """Return how many hosts it is of total. Percent rounds down, to one host at least."""
        return max(1, total * self.number // 100) if self.percent else self.number or total


def parse_serial(text: str) -> tuple[Portion, ...]:
    """Given "1,25%", return the sizes of the batches. Raise UsageError if it is none."""
    found = [re.fullmatch(r"(\d+)(%?)", word.strip()) for word in text.split(",")]
    portions = tuple(Portion(int(match[1]), bool(match[2])) for match in found if match)
    if len(portions) != len(found):
        raise UsageError(
            f"--serial: {text!r} is no list of batch sizes",
            next_step='a size is a number of hosts or a percentage: --serial "1,25%"',
        )
    return portions


def split(hosts: Sequence[T], serial: Sequence[Portion]) -> tuple[tuple[T, ...], ...]:
    """Return the hosts in batches, in their order. The last size repeats; without a size all are one batch."""
    batches: list[tuple[T, ...]] = []
    begin = 0
    while begin < len(hosts):
        portion = serial[min(len(batches), len(serial) - 1)] if serial else Portion(0)
        end = begin + portion.of(len(hosts))
        batches.append(tuple(hosts[begin:end]))
        begin = end
    return tuple(batches)


def ends_the_run(failed: int, size: int, max_fail_percentage: float | None) -> str:
    """Return why no further batch begins after one of this size in which so many hosts failed, "" if one does.

    The percentage must be exceeded, not reached. A batch in which every host failed ends the run in any case.
    """
    if failed and failed == size:
        return "its only host failed" if size == 1 else f"all {size} hosts of it failed"
    if max_fail_percentage is not None and failed * 100 > max_fail_percentage * size:
        return f"{failed} of {size} hosts failed, more than {max_fail_percentage:g} %"
    return ""


def parse_until(text: str, now: datetime) -> datetime:
    """Given "05:00" or an ISO date with a time, and now with its time zone, return the moment.

    A time of day is the nearest such moment, ahead or past: at 22:00, 05:00 is ahead; at 05:01 it is past, and
    nothing begins. Raise UsageError if the text is neither.
    """
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text.strip()):
            of_day = time.fromisoformat(text.strip().zfill(5))
            days = (now.date() + timedelta(days=offset) for offset in (1, 0, -1))
            moments = [datetime.combine(day, of_day, now.tzinfo) for day in days]
            return min(moments, key=lambda moment: abs(moment - now))
        if not re.search(r"\d[T ]\d", text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"--until: {text!r} is no time", next_step="write 05:00, or a date and time: 2026-03-01T05:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
