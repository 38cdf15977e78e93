"""The package server, and the first process of a fleet: it makes the network namespace that all others enter.

Run as `python -m glmprov.lab.serve CONTENT AUTHORITY`: serves the directory CONTENT by HTTPS on the bridge.
"""

from __future__ import annotations

import ssl
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from glmprov.lab import namespaces, network
from glmprov.lab.processes import say_ready


class _Server(ThreadingHTTPServer):
    def __init__(self, content: Path, context: ssl.SSLContext) -> None:
        self._context = context
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

    def address_string(self) -> str:
        return str(self.client_address[0])


def main(content: str, authority: str) -> None:
    """Make the fleet's network and serve until killed."""
    namespaces.unshare(namespaces.NEW_NETWORK)
    network.make_bridge()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(authority) / "server.crt", Path(authority) / "server.key")
    with _Server(Path(content), context) as server:
        say_ready()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
