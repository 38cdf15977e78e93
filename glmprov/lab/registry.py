"""The fleet's container registry: Debian's docker-registry on stored content, behind TLS and each node's faults.

Nodes use it as a mirror of docker.io, as sites without a way out do: images keep the names that the world gives them.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab import service_faults
from glmprov.lab.service_faults import ServiceFaults

MOVED = "-moved"
"""After a tag of the storage: the build that the tag stands for where a fault says that it moved."""
PORT = 5000
"""Of docker-registry itself, on the loopback of the fleet's network namespace."""
_PIECE_BYTES = 1 << 16
_PATIENCE_SECONDS = 20.0
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "server", "date"}


def start(
    program: Path, storage: Path, scratch: Path, port: int, *, read_only: bool
) -> subprocess.Popen[bytes]:
    """Start docker-registry on a port of this network namespace's loopback, and wait until it answers."""
    # JSON is YAML. The storage may be shared by fleets, none of which writes.
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "cache": {"blobdescriptor": "inmemory"},
            "maintenance": {"readonly": {"enabled": read_only}, "uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"127.0.0.1:{port}", "relativeurls": True},
    }
    configuration = scratch / "docker-registry.yml"
    configuration.write_text(json.dumps(settings, indent=1) + "\n")
    with (scratch / "docker-registry.log").open("ab") as log:
        running = subprocess.Popen([program, "serve", configuration], stdout=log, stderr=log)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while running.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v2/")
            if connection.getresponse().status == HTTPStatus.OK:
                return running
        time.sleep(0.02)
    running.kill()
    raise LabError("docker-registry doesn't start", place=str(scratch / "docker-registry.log"))


class Registry(BaseHTTPRequestHandler):
    """Hands a node's requests on to docker-registry, as far as the node's faults let them through."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *connection: object, faults: Path) -> None:
        self._folder = faults
        self._behind: http.client.HTTPConnection | None = None
        super().__init__(*connection)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer with what is stored."""
        faults = service_faults.load(self._folder / f"{self.client_address[0]}.json")
        if faults.registry_down:
            self.close_connection = True
            return
        answer = self._ask(_moved(self.path) if faults.moved_tag else self.path)
        spoilt = faults.wrong_digest and "/manifests/" in self.path and answer.status == HTTPStatus.OK
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() == "content-length" and spoilt:
                value = str(int(value) + 1)
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            for piece in _pieces(answer, faults):
                self.wfile.write(piece)
            if spoilt:
                self.wfile.write(b"\n")

    do_HEAD = do_GET  # noqa: N815  (the name is http.server's)

    def _ask(self, path: str) -> http.client.HTTPResponse:
        if self._behind is None:
            self._behind = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        self._behind.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        # Docker says what it accepts in several headers of one name.
        for name, value in self.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self._behind.putheader(name, value)
        self._behind.endheaders()
        answer = self._behind.getresponse()
        if self.command == "HEAD":
            answer.read()
        return answer

    def address_string(self) -> str:
        """Return the node's address, without asking for its name."""
        return str(self.client_address[0])

    def log_request(self, *_: object) -> None:
        """Say nothing of what went well."""


def _moved(path: str) -> str:
    """Return the path of the build that a tag was moved to."""
    start, separator, reference = path.rpartition("/manifests/")
    return path if not separator or ":" in reference else f"{start}{separator}{reference}{MOVED}"


def _pieces(answer: http.client.HTTPResponse, faults: ServiceFaults) -> Iterator[bytes]:
    while piece := answer.read(_PIECE_BYTES):
        if faults.registry_slow_ms:
            time.sleep(faults.registry_slow_ms / 1000)
        yield piece
