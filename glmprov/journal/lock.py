"""The lock of a host: who is changing it.

A lock carries a lease that its controller renews; a controller that dies leaves a lock that ends by itself. The same
person on the same machine sees that the process is gone, and takes the lock over at once.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from glmprov.errors import GlmprovError, LockError
from glmprov.journal import HOME
from glmprov.journal.asking import ask
from glmprov.journal.holder import gone, ourselves
from glmprov.receipt import LockState
from glmprov.remote import Channel

LEASE_SECONDS = 120.0
"""How long a lock outlives its controller. Renewed three times in it, so two renewals may be lost."""

REBOOT_LEASE_SECONDS = 1800.0
"""How long a host may take to come back from a reboot: servers train much memory for minutes."""


def status(channel: Channel, *, home: str = HOME) -> LockState | None:
    """Return the host's lock, live or expired, None if it has none."""
    return lock_state(ask(channel, "status", {"home": home}).get("lock"))


def release(channel: Channel, *, home: str = HOME) -> LockState | None:
    """Take the lock away from whoever has it. Return what it was, None if there was none."""
    return lock_state(ask(channel, "release", {"home": home, "force": True, "token": ""}).get("lock"))


def release_left(channel: Channel, *, home: str = HOME) -> LockState | None:
    """Take away a lock whose holder was a process of ours that no longer runs. Return it, None if there is no such."""
    lock = ask(channel, "status", {"home": home}).get("lock") or {}
    if not gone(lock.get("holder") or {}):
        return None
    answer = ask(channel, "release", {"home": home, "force": False, "token": lock["token"]})
    return lock_state(lock) if answer["got"] else None


class Lock:
    """The host's lock, ours within the `with` block and renewed by a thread of its own.

    expired is the lock that was taken over, for a remark: it ran out, or its process is gone. lost: somebody took
    ours away.
    """

    def __init__(
        self,
        channel: Channel,
        host: str,
        reason: str,
        *,
        lease_seconds: float = LEASE_SECONDS,
        home: str = HOME,
    ) -> None:
        self.host = host
        self.expired: LockState | None = None
        self.lost = False
        self._channel = channel
        self._asked: dict[str, Any] = {
            "home": home,
            "token": secrets.token_hex(16),
            "owner": owner(),
            "holder": ourselves(),
            "reason": reason,
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "lease_seconds": lease_seconds,
            "reboot_expected": False,
        }
        self._done = threading.Event()
        self._talking = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name=f"lock of {host}", daemon=True)

    def __enter__(self) -> Self:
        """Get the lock. Raise LockError if somebody else holds it with a live lease."""
        answer = ask(self._channel, "acquire", self._asked)
        lock = answer.get("lock") or {}
        if not answer["got"] and gone(lock.get("holder") or {}):
            answer = ask(self._channel, "acquire", {**self._asked, "instead_of": lock["token"]})
        holder = lock_state(answer.get("lock"))
        if not answer["got"] and holder is not None:
            raise locked(self.host, holder)
        self.expired = lock_state(answer.get("expired"))
        self._thread.start()
        return self

    def expect_reboot(self, channel: Channel | None = None) -> None:
        """Before a reboot of ours: make the lease outlast it."""
        self._asked |= {"lease_seconds": REBOOT_LEASE_SECONDS, "reboot_expected": True}
        self.renew(channel)

    def came_back(self, channel: Channel) -> None:
        """After a reboot of ours: go on with this channel and the usual lease."""
        with self._talking:
            self._channel = channel
        self._asked |= {"lease_seconds": LEASE_SECONDS, "reboot_expected": False}
        self.renew()

    def renew(self, channel: Channel | None = None) -> None:
        """Renew the lease now. Raise LockError if the lock isn't ours any more."""
        with self._talking:
            answer = ask(channel or self._channel, "renew", self._asked)
        if not answer["got"]:
            self.lost = True
            raise locked(self.host, lock_state(answer.get("lock")))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            with self._talking:
                ask(self._channel, "release", {**self._asked, "force": False})
        except GlmprovError:
            # The host is gone; the lease ends by itself. What happened inside the block matters more.
            if exc is None:
                raise

    def _keep(self) -> None:
        while not self._done.wait(min(self._asked["lease_seconds"], LEASE_SECONDS) / 3):
            if self._asked["reboot_expected"]:
                continue
            try:
                self.renew()
            except LockError:
                return
            except GlmprovError:
                # Unreachable just now. The next try may do.
                continue


def owner() -> str:
    """Return who we are, for people: user, controller, process."""
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"


def locked(host: str, holder: LockState | None) -> LockError:
    """Return the error that names who holds the host's lock, since when, why, and what to do."""
    if holder is None:
        return LockError(
            "the lock was released by somebody else meanwhile", host=host, next_step="run it again"
        )
    reboot = ", the host is being rebooted" if holder.reboot_expected else ""
    return LockError(
        f"{holder.owner} is at work here since {holder.since}: {holder.reason}{reboot}; "
        f"the lock ends in {holder.seconds_left:.0f} s if its owner is gone",
        host=host,
        place="lock",
        next_step=f"wait, or if nobody is at work there: glmprov lock release {host}",
    )


def lock_state(lock: Mapping[str, Any] | None) -> LockState | None:
    """Return a lock as the host tells it, None if there is none."""
    if not lock:
        return None
    return LockState(
        owner=str(lock["owner"]),
        reason=str(lock["reason"]),
        since=str(lock["since"]),
        seconds_left=float(lock["seconds_left"]),
        boot_id=str(lock.get("renewed", {}).get("boot_id", "")),
        reboot_expected=bool(lock.get("reboot_expected")),
    )
