"""The package server, and the first process of a fleet: it makes the network namespace that all others enter.

Run as `python -m glmprov.lab.serve CONTENT AUTHORITY FAULTS`: serves the directory CONTENT by HTTPS on the bridge,
to each node with the faults that it has in the directory FAULTS.
"""

from __future__ import annotations

import ssl
import sys
import time
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from glmprov.lab import namespaces, network, package_faults
from glmprov.lab.processes import say_ready


class _Server(ThreadingHTTPServer):
    def __init__(self, content: Path, context: ssl.SSLContext, faults: Path) -> None:
        self._context = context
        self.faults = faults
        super().__init__((network.GATEWAY, 443), partial(_Files, directory=str(content)))

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake belongs into the connection's thread: one slow client must not stop the others.
        request.settimeout(60)
        with self._context.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        sys.stderr.write(f"{client_address[0]}: {sys.exception()}\n")


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer, as far as the faults let it through."""
        faults = package_faults.load(self._faults)
        time.sleep(faults.slow_ms / 1000)
        # A fault that is mended brings back an older file, which must not be taken for an unchanged one.
        del self.headers["If-Modified-Since"]
        if Path(self.path).name.partition("_")[0] in faults.lost:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            super().do_GET()

    def translate_path(self, path: str) -> str:
        """Return the file of a path, the node's own where it has one."""
        own = package_faults.replacement(self._faults, path)
        return str(own) if own else super().translate_path(path)

    @property
    def _faults(self) -> Path:
        assert isinstance(self.server, _Server)  # noqa: S101  (there is no other)
        return self.server.faults / self.client_address[0]

    def address_string(self) -> str:
        return str(self.client_address[0])


def main(content: str, authority: str, faults: str) -> None:
    """Make the fleet's network and serve until killed."""
    namespaces.unshare(namespaces.NEW_NETWORK)
    network.make_bridge()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(authority) / "server.crt", Path(authority) / "server.key")
    with _Server(Path(content), context, Path(faults)) as server:
        say_ready()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
