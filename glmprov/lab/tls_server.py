"""An HTTPS server of the fleet: one thread a connection, and each node met with its own faults."""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class TlsServer(ThreadingHTTPServer):
    """Serves on port 443 of an address of the fleet's network. A node asks for many layers at once."""

    request_queue_size = 128

    def __init__(
        self, address: str, context: ssl.SSLContext, handler: Callable[..., BaseHTTPRequestHandler]
    ) -> None:
        self._context = context
        super().__init__((address, 443), handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Greet a client, and answer it."""
        # The handshake belongs into the connection's thread: one slow client must not stop the others.
        request.settimeout(60)
        with self._context.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note what went wrong, without a traceback."""
        sys.stderr.write(f"{client_address[0]}: {sys.exception()}\n")

    def start(self) -> None:
        """Serve in a thread of its own until the process ends."""
        threading.Thread(target=self.serve_forever, daemon=True).start()


def context(authority: Path) -> ssl.SSLContext:
    """Return what the fleet's servers prove themselves with."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(authority / "servers.crt", authority / "servers.key")
    return made
