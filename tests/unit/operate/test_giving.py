"""Weights copied from host to host."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from glmprov.errors import FetchError
from glmprov.inventory import Host
from glmprov.operate import giving, weights
from glmprov.remote import Channel, connect
from glmprov.secret import Secret
from tests.unit.operate.test_copying import MODEL, pytestmark, right, source

__all__ = ["pytestmark", "source"]


def test_a_copy_from_host_to_host_ends_the_giver_too(channel: Channel, source: Path, tmp_path: Path) -> None:
    at = tmp_path / "taker" / "org--Model" / MODEL.revision
    giver, addresses = connect(Host("giver", {"ansible_connection": "local"})), ("192.0.2.1", "127.0.0.1")
    came = giving.from_host(channel, "here", giver, "giver", addresses, MODEL, str(source), str(at))
    assert came == 3 and right(at)
    assert weights.look(channel, "here", MODEL, str(at)).verified
    (source / "config.json").unlink()
    with pytest.raises(FetchError, match=r"isn't org/Model at a{12}:\nconfig\.json is missing"):
        giving.from_host(channel, "here", giver, "giver", addresses, MODEL, str(source), str(at))


@pytest.fixture
def served(source: Path) -> Callable[[str, str], int]:
    """A function that asks a giver's server and returns the status."""

    def ask(path: str, token: str) -> int:
        giver = connect(Host("giver", {"ansible_connection": "local"}))
        with giving._serving(giver, "giver", MODEL, str(source), Secret("right")) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            return connection.getresponse().status

    return ask


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/config.json", "right", 200),
        ("/config.json", "wrong", 401),
        ("/unrelated", "right", 404),
        ("/../../etc/passwd", "right", 404),
        ("/sub/../config.json", "right", 404),
    ],
)
def test_the_giver_gives_the_models_files_to_who_has_the_token_and_nothing_else(
    served: Callable[[str, str], int], path: str, token: str, status: int
) -> None:
    assert served(f"/org/Model/resolve/{MODEL.revision}{path}", token) == status


def test_a_giver_that_is_not_reached_is_told_with_every_address(channel: Channel) -> None:
    with pytest.raises(FetchError, match=r"doesn't reach giver: http://127\.0\.0\.1:9: .*refused") as caught:
        giving._reached(channel, "here", "giver", ["http://127.0.0.1:9"], MODEL, Secret("x"))
    assert "--weights-from FOLDER" in (caught.value.next_step or "")


def test_something_else_at_the_port_is_no_giver(channel: Channel, served_by_another: str) -> None:
    with pytest.raises(FetchError, match="doesn't reach giver"):
        giving._reached(channel, "here", "giver", [served_by_another], MODEL, Secret("x"))


@pytest.fixture
def served_by_another(tmp_path: Path) -> Iterator[str]:
    """The address of a web server that has an answer for everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    serving.join()
    server.server_close()
