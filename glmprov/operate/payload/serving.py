"""A host's model folder, for another host to fetch from: the hub's own way to a file, with a token, for a while."""

from __future__ import annotations

import hmac
import os
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from glmprov.operate.payload.telling import progress

TOLD_EVERY_SECONDS = 1.0


class Handler(BaseHTTPRequestHandler):
    """Answers GET /MODEL/resolve/REVISION/FILE with the file, or with the rest of it, to whoever has the token."""

    protocol_version = "HTTP/1.1"
    token = ""
    prefix = ""
    folder = ""
    files: frozenset[str] = frozenset()

    def do_GET(self) -> None:
        path = unquote(self.path)
        name = path[len(self.prefix) :]
        said = self.headers.get("Authorization", "")
        if not hmac.compare_digest(said.encode(), f"Bearer {self.token}".encode()):
            self.refuse(401)
        elif not path.startswith(self.prefix) or name not in self.files:
            self.refuse(404)
        else:
            self.send(os.path.join(self.folder, name))

    def refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, path: str) -> None:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            begun = min(int(asked[1]), size) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(size - begun))
            self.end_headers()
            file.seek(begun)
            self.wfile.flush()
            while size > begun:
                sent = os.sendfile(
                    self.connection.fileno(), file.fileno(), begun, min(size - begun, 16 << 20)
                )
                if not sent:
                    return
                begun += sent

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes is no news."""


def serve(orders: dict[str, Any]) -> Any:
    """Serve the files, and tell the port, until nobody listens to us any more."""
    Handler.token, Handler.folder = orders["token"], orders["folder"]
    Handler.prefix = f"/{orders['model']}/resolve/{orders['revision']}/"
    Handler.files = frozenset(file["path"] for file in orders["files"])
    if os.path.exists("/proc/net/if_inet6"):
        Server.address_family = socket.AF_INET6  # which takes IPv4 too
    server = Server(("", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:  # told again and again: whoever hears it says by hanging up that it is no longer needed
        progress({"port": server.server_address[1]}, now=True)
        time.sleep(TOLD_EVERY_SECONDS)
