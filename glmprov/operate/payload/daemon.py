"""One call of Docker's own API, over Docker's own socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from glmprov.operate.payload.telling import Fault

SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
CALL_SECONDS = 60.0
SILENT_STREAM_SECONDS = 900.0


class Engine(http.client.HTTPConnection):
    """One HTTP connection to the Docker daemon."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def socket_path(orders: dict[str, Any]) -> str:
    """Return where the daemon listens: as ordered, as DOCKER_HOST says, or where Docker always lies."""
    said = orders.get("socket") or os.environ.get("DOCKER_HOST", "")
    if said:
        if not said.startswith(("unix://", "/")):
            raise Fault("daemon-elsewhere", said)
        return str(said).replace("unix://", "", 1)
    rootless = os.path.join(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"), "docker.sock")
    return next((path for path in (*SOCKETS, rootless) if os.path.exists(path)), SOCKETS[0])


@contextlib.contextmanager
def called(
    orders: dict[str, Any],
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
    silent_seconds: float = CALL_SECONDS,
) -> Iterator[http.client.HTTPResponse]:
    """Yield the daemon's answer, read by whoever asked. Raise Fault if there is none, or it is a refusal."""
    where = socket_path(orders)
    engine = Engine(where, silent_seconds)
    try:
        try:
            engine.request(method, path + ("?" + urlencode(query) if query else ""), body, headers or {})
            answer = engine.getresponse()
        except TimeoutError:
            raise Fault(
                "daemon-silent", f"no answer to {method} {path} within {silent_seconds:g} s"
            ) from None
        except PermissionError:
            raise Fault("daemon-refuses", where) from None
        except (OSError, http.client.HTTPException) as error:
            raise Fault(
                "daemon-down", "{}: {}".format(where, getattr(error, "strerror", None) or error)
            ) from None
        if answer.status >= 400:
            raise Fault("refused", message_of(answer), status=answer.status)
        yield answer
    finally:
        engine.close()


def message_of(answer: http.client.HTTPResponse) -> str:
    text = answer.read(1 << 16).decode(errors="replace")
    with contextlib.suppress(ValueError):
        said = json.loads(text)
        if isinstance(said, dict) and said.get("message"):
            return str(said["message"]).strip()
    return text.strip() or f"{answer.status} {answer.reason}"


def get(orders: dict[str, Any], path: str, **how: Any) -> Any:
    with called(orders, "GET", path, **how) as answer:
        return json.loads(answer.read())


def unless_missing(orders: dict[str, Any], path: str, **how: Any) -> Any:
    try:
        return get(orders, path, **how)
    except Fault as fault:
        if fault.told.get("status") == 404:
            return None
        raise


def acted(orders: dict[str, Any], method: str, path: str, **how: Any) -> bool:
    try:
        with called(orders, method, path, **how) as answer:
            answer.read()
    except Fault as fault:
        if fault.told.get("status") == 404:
            return False
        raise
    return True


def messages(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a stream. Raise Fault if the daemon falls silent or dies in the middle."""
    try:
        for line in lines(answer):
            if line.strip():
                yield json.loads(line)
    except TimeoutError:
        raise Fault("daemon-silent", f"the stream was silent for {SILENT_STREAM_SECONDS:g} s") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Fault("daemon-down", "the stream broke off: %s" % (error or type(error).__name__)) from None


def lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield a stream's lines. readline() would take a stream that breaks off for one that has ended."""
    rest = b""
    for data in iter(lambda: answer.read1(1 << 16), b""):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    yield rest
