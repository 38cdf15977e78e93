"""A registry with one image, for tests: on loopback, over HTTP, as much of it as a pull needs. Runs alone too."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Content:
    """One image of one layer, under an index."""

    def __init__(self, payload: bytes = b"hello\n" * 100_000, architecture: str = "amd64") -> None:
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            entry = tarfile.TarInfo("greeting")
            entry.size = len(payload)
            tar.addfile(entry, io.BytesIO(payload))
        packed = gzip.compress(layer.getvalue(), mtime=0)
        self.config = json.dumps({
            "architecture": architecture, "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/bin", "A=b=c"], "Cmd": ["/greet"], "Entrypoint": None},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer.getvalue())]},
        }).encode()  # fmt: skip
        kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self._about("application/vnd.docker.container.image.v1+json", self.config),
            "layers": [self._about(kind, packed)],
        }).encode()  # fmt: skip
        platform = {"os": "linux", "architecture": architecture}
        elsewhere = {"os": "linux", "architecture": "s390x"}
        self.index = json.dumps({
            "schemaVersion": 2, "mediaType": INDEX,
            "manifests": [
                {**self._about(MANIFEST, b"another"), "platform": elsewhere},
                {**self._about(MANIFEST, self.manifest), "platform": platform},
            ],
        }).encode()  # fmt: skip
        self.layer_bytes = len(packed)
        self.blobs = {digest(data): data for data in (packed, self.config)}
        self.manifests = {
            digest(self.index): (INDEX, self.index),
            digest(self.manifest): (MANIFEST, self.manifest),
        }
        self.tags = {"v1": digest(self.index)}

    @staticmethod
    def _about(kind: str, data: bytes) -> dict[str, object]:
        return {"mediaType": kind, "size": len(data), "digest": digest(data)}


def serve(content: Content, port: int = 0, *, token: str = "") -> ThreadingHTTPServer:  # noqa: C901
    """Return a server that isn't started yet. token: what Authorization must hold, "" for anybody."""

    class Registry(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _, _, rest = self.path.partition("/v2/")
            _, kind, name = (
                rest.rpartition("/manifests/") if "/manifests/" in rest else rest.rpartition("/blobs/")
            )
            if self.path.startswith("/token"):
                self.send(200, "application/json", json.dumps({"token": token}).encode())
            elif token and self.headers.get("Authorization") != f"Bearer {token}":
                realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="stub"'
                self.send(401, "application/json", b"{}", {"WWW-Authenticate": realm})
            elif not rest:
                self.send(200, "application/json", b"{}")
            elif kind == "/manifests/" and (found := content.manifests.get(content.tags.get(name, name))):
                self.send(200, *found, {"Docker-Content-Digest": content.tags.get(name, name)})
            elif kind == "/blobs/" and name in content.blobs:
                self.send(200, "application/octet-stream", content.blobs[name])
            else:
                fault = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
                self.send(404, "application/json", json.dumps(fault).encode())

        do_HEAD = do_GET  # noqa: N815

        def send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            about = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
            for name, value in about.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Registry)


if __name__ == "__main__":
    serve(Content(), int(sys.argv[1])).serve_forever()
