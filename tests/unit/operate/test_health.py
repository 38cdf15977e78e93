"""Whether engines on a host are well, by their own answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from glmprov.operate.health import healthy
from glmprov.remote import Channel


@pytest.fixture
def engines() -> Iterator[dict[str, tuple[str, int]]]:
    """Engines that answer /health with the status that they are called by."""
    with ExitStack() as running:
        found = {}
        for status in (200, 401, 404, 500, 503):

            class Handler(BaseHTTPRequestHandler):
                answer = status

                def do_GET(self) -> None:
                    self.send_response(self.answer if self.path == "/health" else 418)
                    self.end_headers()

                def log_message(self, *_: object) -> None:
                    pass

            server = running.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            running.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            found[str(status)] = ("127.0.0.1", server.server_port)
        nobody = running.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        yield {**found, "nobody": ("127.0.0.1", nobody.getsockname()[1])}


def test_an_engine_is_well_ill_or_says_nothing(channel: Channel, engines: dict[str, tuple[str, int]]) -> None:
    assert healthy(channel, "here", engines) == {
        "200": True, "401": None, "404": None, "500": False, "503": False, "nobody": False,
    }  # fmt: skip
