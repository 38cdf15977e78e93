"""Stores images in a registry by its HTTP API (Docker's image manifest, version 2, schema 2)."""

from __future__ import annotations

import hashlib
import http.client
import json
from http import HTTPStatus

from glmprov.errors import LabError


def push(port: int, repository: str, tags: tuple[str, ...], layers: list[bytes], configuration: bytes) -> str:
    """Store an image under its tags and return its digest."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    blobs = [_push_blob(connection, repository, blob) for blob in (configuration, *layers)]
    kinds = ["application/vnd.docker.container.image.v1+json"]
    kinds += ["application/vnd.docker.image.rootfs.diff.tar.gzip"] * len(layers)
    described = [
        {"mediaType": kind, "size": len(blob), "digest": digest}
        for kind, blob, digest in zip(kinds, (configuration, *layers), blobs, strict=True)
    ]
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": described[0], "layers": described[1:]}
    body = json.dumps(manifest, indent=1).encode()
    for tag in tags:
        path = f"/v2/{repository}/manifests/{tag}"
        _request(connection, "PUT", path, body, {"Content-Type": kind})
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _push_blob(connection: http.client.HTTPConnection, repository: str, blob: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    if _request(connection, "HEAD", f"/v2/{repository}/blobs/{digest}", expect_missing=True) is None:
        place = _request(connection, "POST", f"/v2/{repository}/blobs/uploads/") or ""
        joint = "&" if "?" in place else "?"
        headers = {"Content-Type": "application/octet-stream"}
        _request(connection, "PUT", f"{place}{joint}digest={digest}", blob, headers)
    return digest


def _request(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    expect_missing: bool = False,
) -> str | None:
    """Return the Location of the answer ("" without one), or None if there is nothing at the path."""
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status == HTTPStatus.NOT_FOUND and expect_missing:
        return None
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise LabError(f"docker-registry refuses: {said.decode(errors='replace')[:300]}", place=path)
    return answer.getheader("Location", "")
