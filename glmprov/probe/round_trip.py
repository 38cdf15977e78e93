"""One round trip to a host: send the payload, take its answer, understand it."""

from __future__ import annotations

import json
import re
import secrets
import zlib
from binascii import crc32
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from glmprov.errors import ProbeError
from glmprov.made_once import made_once
from glmprov.observation import Observation
from glmprov.probe import payload
from glmprov.probe.clean import clean_all
from glmprov.probe.nvml_cut import nvml_source
from glmprov.probe.parse import observation
from glmprov.probe.wanted import wanted
from glmprov.remote import Channel, Completed

OLDEST_PYTHON = (3, 8)
ARGV = ("-SEI", "-c", "import sys; exec(eval(sys.stdin.buffer.readline()))")
"""No site-packages, no environment, isolated: the start costs half. The program comes on standard input and not as
the script, so that Python doesn't parse what it has compiled before."""


FRAME = re.compile(rb"(glmprov-[0-9a-z-]+) (\d{1,10}) ([0-9a-f]{8})\r?\n")
"""What stands before the answer: the mark, the answer's length and its checksum."""

MAY_BE_UNCLEAN = re.compile(rb"\\[urbf]")
"""The payload writes ASCII and escapes everything else, so without such an escape no text needs cleaning."""


def observe(
    channel: Channel,
    host: str,
    *,
    become: bool = True,
    interpreter: str = "python3",
    sysctl_keys: Sequence[str] = (),
    nvml_seconds: float = 30.0,
) -> Observation:
    """Return what is true on the host now, read in one round trip. Nothing on it is changed.

    sysctl_keys: kernel settings that the inventory names. nvml_seconds is the patience on the host itself with
    NVML and the driver. Raise ProbeError if no whole answer comes back; what the channel
    raises passes.
    """
    mark = "glmprov-" + secrets.token_hex(8)
    completed = channel.run(
        (interpreter, *ARGV),
        stdin=program(mark, wanted(sysctl_keys, nvml_seconds=nvml_seconds)),
        deadline_seconds=nvml_seconds + 20.0,
        become=become,
    )
    return observation(host, answer_of(completed, mark, host))


def program(mark: str, orders: dict[str, Any]) -> bytes:
    """Return what a host is sent: a line that starts the rest, a line about it, and the two halves."""
    about, halves = _halves(repr(orders))
    return f"{payload.start()!r}\n{mark} {about}\n".encode() + halves


@made_once(maxsize=8)
def _halves(orders: str) -> tuple[str, bytes]:
    """Return name, digest and length of each half, and the halves, which a host unpacks once a boot."""
    texts = {"host": f"{payload.source()}\nORDERS = {orders}\n", "nvml": nvml_source()}
    packed = {name: zlib.compress(text.encode()) for name, text in texts.items()}
    about = (f"{name} {sha256(half).hexdigest()[:24]} {len(half)}" for name, half in packed.items())
    return " ".join(about), b"".join(packed.values())


def answer_of(completed: Completed, mark: str, host: str) -> dict[str, Any]:
    """Return the payload's answer, cleaned of control characters, from whatever else was printed around it.

    Raise ProbeError if there is no whole answer, saying what was found instead.
    """
    for frame in FRAME.finditer(completed.stdout, completed.stdout.find(mark.encode())):
        length = int(frame[2])
        body = completed.stdout[frame.end() : frame.end() + length]
        if frame[1] == mark.encode() and len(body) == length and crc32(body) == int(frame[3], 16):
            return _checked(body, host)
    raise _nothing_whole(completed, mark, host)


def _checked(body: bytes, host: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise ProbeError(
            f"the answer isn't JSON: {problem}", host=host, next_step="run again with -v"
        ) from problem
    if not isinstance(answer, dict) or answer.get("version") != 1:
        raise ProbeError("the answer is of another version of the payload", host=host, next_step="run again")
    python = tuple(answer.get("python", ()))
    if python < OLDEST_PYTHON:
        raise ProbeError(
            f"python3 is {_dotted(python)}, {_dotted(OLDEST_PYTHON)} or newer is needed",
            host=host,
            next_step="set ansible_python_interpreter to a newer one in the inventory",
        )
    cleaned: dict[str, Any] = clean_all(answer) if MAY_BE_UNCLEAN.search(body) else answer
    return cleaned


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _nothing_whole(completed: Completed, mark: str, host: str) -> ProbeError:
    """Return the error for output without a whole answer."""
    said = _last_line(completed.stderr) or _last_line(completed.stdout)
    if completed.truncated:
        return ProbeError(
            "the host printed more than is read, the answer is lost in it",
            host=host,
            next_step="look at what the login shell's profile prints (ssh HOST true)",
        )
    if completed.returncode in (126, 127) or "not found" in said:
        return ProbeError(
            f"no python3 on the host ({said or 'exit status 127'})",
            host=host,
            next_step="apt-get install python3-minimal, or set ansible_python_interpreter in the inventory",
        )
    if mark.encode() in completed.stdout:
        return ProbeError(
            "the answer came back broken (length or checksum is wrong)",
            host=host,
            next_step="run again; if it stays, look for a profile or a proxy that changes output",
        )
    return ProbeError(
        f"the payload ended with status {completed.returncode} and no answer" + (f": {said}" if said else ""),
        host=host,
        next_step="try: ssh HOST python3 --version",
    )


def _last_line(output: bytes) -> str:
    lines = str(clean_all(output[-4000:].decode("utf-8", "replace"))).split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
