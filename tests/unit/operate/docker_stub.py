"""A Docker daemon that says what a test wrote down, on a socket of the test's own."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

Answer = Callable[["Asked"], tuple[int, Any]]


@dataclass(frozen=True)
class Asked:
    """What was asked of the daemon."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Daemon:
    """The daemon: answers by "METHOD path" (without query), and what it was asked. A generator is a stream."""

    socket: Path
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    broken_off: threading.Event = field(default_factory=threading.Event)
    """Set when a listener of a stream has gone."""


@contextmanager
def daemon(folder: Path) -> Iterator[Daemon]:
    """Run a daemon."""
    ours = Daemon(folder / "docker.sock")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            ours.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            answer = ours.answers.get(
                f"{self.command} {self.path.partition('?')[0]}", (404, {"message": "no such thing"})
            )
            if isinstance(answer, tuple):
                status, said = answer
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            else:
                self.stream(answer)

        do_POST = do_DELETE = do_GET  # noqa: N815

        def stream(self, lines: Iterable[dict[str, Any]]) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for line in lines:
                    data = json.dumps(line).encode() + b"\r\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                ours.broken_off.set()
                self.close_connection = True

        def address_string(self) -> str:
            return "here"

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    server = Server(str(ours.socket), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield ours
    finally:
        server.shutdown()
        server.server_close()
