"""The same work on many hosts at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from glmprov.errors import GlmprovError
from glmprov.inventory import Host
from glmprov.remote.interruption import all_hung_up

T = TypeVar("T")

HEAR_SECONDS = 0.5
"""How long a Ctrl-C may go unheard."""

FORKS_PER_CORE = 16
MOST_FORKS = 64
"""Connections in flight: the hosts' answers hide each other's round trips, more only costs memory (measured)."""


def default_forks() -> int:
    """Return how many hosts to work on at once: from this machine's cores, not from the number of hosts."""
    return min(MOST_FORKS, FORKS_PER_CORE * (os.cpu_count() or 1))


def for_each(
    hosts: Iterable[Host], work: Callable[[Host], T], forks: int | None = None
) -> Iterator[tuple[Host, T | GlmprovError]]:
    """Do work on each host in threads; yield (host, result or its GlmprovError) as each comes in.

    One host's error never stops another. On Ctrl-C, when the caller stops asking, or at an error that isn't a
    GlmprovError (a fault of ours, which is raised), no further host is begun and those in work are hung up.
    """
    pool = ThreadPoolExecutor(max_workers=forks or default_forks(), thread_name_prefix="host")
    try:
        ended: SimpleQueue[Future[T]] = SimpleQueue()
        futures: dict[Future[T], Host] = {pool.submit(work, host): host for host in hosts}
        for future in futures:
            future.add_done_callback(ended.put)
        for _ in futures:
            future = _next(ended)
            try:
                yield futures[future], future.result()
            except GlmprovError as error:
                error.host = error.host or futures[future].name
                yield futures[future], error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)  # first, or those who are hung up begin the next host
        with all_hung_up():
            pool.shutdown(wait=True)
        raise
    pool.shutdown()


def by_host(
    hosts: Collection[Host],
    work: Callable[[Host], T],
    lost: Callable[[str, GlmprovError], T],
    forks: int | None = None,
) -> dict[str, T]:
    """Do work on each host as for_each; return the results by name, in the hosts' order.

    lost makes a result of a host's name and its error.
    """
    found: dict[str, T] = {}
    for host, result in for_each(hosts, work, forks):
        found[host.name] = lost(host.name, result) if isinstance(result, GlmprovError) else result
    return {host.name: found[host.name] for host in hosts}


def _next(ended: SimpleQueue[Future[T]]) -> Future[T]:
    """Return the next future that has ended.

    A signal that comes just before a thread blocks is heard only when it wakes, so it wakes now and then.
    """
    while True:
        with suppress(Empty):
            return ended.get(timeout=HEAR_SECONDS)
