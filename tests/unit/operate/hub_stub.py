"""A model hub with one model, for tests: the real one's API, with faults to order."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "org/Model-FP8"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Hub:
    """What it holds, what is wrong with it, and what it was asked: method, path, headers."""

    files: dict[str, bytes]
    url: str = ""
    storage_url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    token: str = ""
    page_size: int = 2
    cut_at: dict[str, list[int]] = field(default_factory=dict)
    """Path: after how many bytes each of the next answers breaks off."""
    spoilt: dict[str, int] = field(default_factory=dict)
    """Path: how many of the next answers have a wrong byte."""
    status: dict[str, list[int]] = field(default_factory=dict)
    """Path: the statuses of the next answers."""
    ignores_range: bool = False
    waits: dict[str, threading.Event] = field(default_factory=dict)
    """Path: what to wait for in the middle of an answer."""


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the hub, and the storage that it sends large files' readers to, on another port."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler(hub)) for _ in range(2)]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hub.url, hub.storage_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.asked.append((self.path, dict(self.headers)))
            path, _, query = self.path.partition("?")
            name = path.rpartition(f"/resolve/{COMMIT}/")[2]
            if (
                hub.token
                and not path.startswith("/large/")
                and self.headers.get("Authorization") != f"Bearer {hub.token}"
            ):
                self.send(401, b"{}", {"X-Error-Message": "Repository not found"})
            elif path in (f"/api/models/{MODEL}/revision/main", f"/api/models/{MODEL}/revision/{COMMIT}"):
                self.send(200, json.dumps({"id": MODEL, "sha": COMMIT, "siblings": []}).encode())
            elif path == f"/api/models/{MODEL}/tree/{COMMIT}":
                self.tree(int(query.rpartition("cursor=")[2] or 0) if "cursor" in query else 0)
            elif path.startswith("/large/"):
                self.file(path.removeprefix("/large/"))
            elif name in hub.files and name.endswith(".safetensors"):
                self.send(302, b"", {"Location": f"{hub.storage_url}/large/{name}"})
            elif name in hub.files:
                self.file(name)
            else:
                self.send(404, b"{}", {"X-Error-Message": "Entry not found"})

        def tree(self, start: int) -> None:
            names = sorted(hub.files)
            found = [{"type": "directory", "path": "folder", "oid": "0", "size": 0}] if start == 0 else []
            for name in names[start : start + hub.page_size]:
                data = hub.files[name]
                about = {"type": "file", "path": name, "oid": git_sha1(data), "size": len(data)}
                if name.endswith(".safetensors"):
                    about["lfs"] = {
                        "oid": hashlib.sha256(data).hexdigest(),
                        "size": len(data),
                        "pointerSize": 134,
                    }
                found.append(about)
            more = start + hub.page_size < len(names)
            following = f"/api/models/{MODEL}/tree/{COMMIT}?recursive=true&cursor={start + hub.page_size}"
            link = {"Link": f'<{hub.url}{following}>; rel="next"'} if more else {}
            self.send(200, json.dumps(found).encode(), link)

        def file(self, name: str) -> None:
            if hub.status.get(name):
                self.send(hub.status[name].pop(0), b"")
                return
            data = hub.files[name]
            if hub.spoilt.get(name):
                hub.spoilt[name] -= 1
                data = data[:-1] + bytes([data[-1] ^ 1])
            asked = self.headers.get("Range", "")
            begun = 0 if hub.ignores_range or not asked else int(asked[6:].partition("-")[0])
            self.send_response(206 if begun else 200)
            if begun:
                self.send_header("Content-Range", f"bytes {begun}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - begun))
            self.end_headers()
            cut = hub.cut_at[name].pop(0) if hub.cut_at.get(name) else None
            if name in hub.waits:
                self.wfile.write(data[begun : len(data) // 2])
                hub.waits[name].wait(20)
                begun = len(data) // 2
            self.wfile.write(data[begun : None if cut is None else begun + cut])
            self.close_connection = self.close_connection or cut is not None

        def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
