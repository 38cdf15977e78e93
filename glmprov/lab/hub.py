"""A stand-in for the model hub, as far as a download needs it: what a revision holds, and its files.

Shapes as huggingface_hub 1.x asks for them: /api/models/ID[/revision/REV][?blobs=true], /api/models/ID/tree/REV, and
/ID/resolve/REV/FILE, which sends large files on to another address and names their sha256 in X-Linked-Etag.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from glmprov.lab import service_faults
from glmprov.lab.service_faults import ServiceFaults

_PIECE_BYTES = 1 << 16
_LARGE = "/lfs/"
_API = re.compile(r"/api/models/(?P<model>[^/]+/[^/]+)(/(?P<what>revision|tree)/(?P<revision>[^/]+))?")
_FILE = re.compile(r"/(?P<model>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")


class Hub(BaseHTTPRequestHandler):
    """Answers a node, as far as the node's faults let it through. models: as hub_content makes it.

    elsewhere: where large files are, at another name. A client of the real hub takes a redirect to the same name for a
    repository that was renamed.
    """

    protocol_version = "HTTP/1.1"

    def __init__(self, *connection: object, models: Path, elsewhere: str, faults: Path) -> None:
        self._models, self._elsewhere, self._folder = models, elsewhere, faults
        super().__init__(*connection)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer one request."""
        self._faults = service_faults.load(self._folder / f"{self.client_address[0]}.json")
        url = urlsplit(self.path)
        path = unquote(url.path)
        if self._faults.hub_down:
            self.close_connection = True
        elif asked := _API.fullmatch(path):
            self._describe(asked, blobs="blobs" in parse_qs(url.query))
        elif asked := _FILE.fullmatch(path):
            self._resolve(asked)
        elif path.startswith(_LARGE):
            self._send_large(path.removeprefix(_LARGE))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound", "there is no such page")

    do_HEAD = do_GET  # noqa: N815  (the name is http.server's)

    def _describe(self, asked: re.Match[str], *, blobs: bool) -> None:
        record = self._find(asked["model"], asked["revision"] or "main")
        if record is None:
            return
        files = record["files"]
        if asked["what"] == "tree":
            listed = [
                {"type": "file", "path": name, "oid": one["oid"], "size": one["size"], **_lfs(one)}
                for name, one in files.items()
            ]
            self._send_json(listed)
            return
        siblings = [_sibling(name, one) if blobs else {"rfilename": name} for name, one in files.items()]
        about = {
            "_id": record["sha"][:24],
            "id": asked["model"],
            "modelId": asked["model"],
            "sha": record["sha"],
        }
        about |= {
            "author": asked["model"].partition("/")[0],
            "private": False,
            "gated": False,
            "disabled": False,
        }
        about |= {"lastModified": "2026-01-01T00:00:00.000Z", "createdAt": "2026-01-01T00:00:00.000Z"}
        about |= {
            "tags": ["glmprov-simulated", "safetensors"],
            "pipeline_tag": "text-generation",
            "downloads": 0,
            "likes": 0,
        }
        self._send_json(about | {"siblings": siblings})

    def _resolve(self, asked: re.Match[str]) -> None:
        record = self._find(asked["model"], asked["revision"])
        if record is None:
            return
        file = record["files"].get(asked["name"])
        if file is None:
            self._refuse(
                HTTPStatus.NOT_FOUND, "EntryNotFound", "Entry not found", {"X-Repo-Commit": record["sha"]}
            )
            return
        headers = {"X-Repo-Commit": record["sha"], "Accept-Ranges": "bytes"}
        if "sha256" not in file:
            self._send_file(self._blob(file["oid"]), headers | {"ETag": f'"{file["oid"]}"'}, self._faults)
            return
        headers |= {"X-Linked-Size": str(file["size"]), "X-Linked-Etag": f'"{file["sha256"]}"'}
        place = f"{self._elsewhere}{_LARGE}{file['sha256']}"
        self._send(HTTPStatus.FOUND, b"", headers | {"Location": place})

    def _send_large(self, sha256: str) -> None:
        file = self._blob(sha256)
        if re.fullmatch("[0-9a-f]{64}", sha256) and file.exists():
            self._send_file(
                file, {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"}, self._faults, is_large=True
            )
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound", "no such object")

    def _find(self, model: str, revision: str) -> dict[str, Any] | None:
        """Return what a revision holds, or answer that there is none."""
        folder = self._models / "models" / model
        if ".." in model or not folder.is_dir():
            # The real hub doesn't tell what isn't there from what one may not see.
            self._refuse(HTTPStatus.UNAUTHORIZED, "RepoNotFound", "Repository not found")
            return None
        found: dict[str, dict[str, Any]] = json.loads((folder / "revisions.json").read_text())
        for record in found.values():
            if revision in (record["sha"], *record["names"]):
                return record
        self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound", f"Invalid rev id: {revision}")
        return None

    def _blob(self, oid: str) -> Path:
        return self._models / "blobs" / oid

    def _send_file(
        self, file: Path, headers: Mapping[str, str], faults: ServiceFaults, *, is_large: bool = False
    ) -> None:
        size = file.stat().st_size
        first, last = _range(self.headers.get("Range", ""), size)
        if first > last:
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", {"Content-Range": f"bytes */{size}"})
            return
        is_part = (first, last) != (0, size - 1)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if is_part else HTTPStatus.OK)
        extra = {"Content-Range": f"bytes {first}-{last}/{size}"} if is_part else {}
        for name, value in {**headers, **extra, "Content-Length": str(last - first + 1)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = size // 2 if is_large and faults.truncated_weights else size
        spoilt = size - 1 if is_large and faults.wrong_sha else -1
        for piece in _pieces(file, first, min(last + 1, cut), spoilt):
            time.sleep(faults.hub_slow_ms / 1000)
            self.wfile.write(piece)
        self.close_connection |= cut <= last

    def _send_json(self, value: object) -> None:
        self._send(
            HTTPStatus.OK, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"}
        )

    def _refuse(
        self, status: HTTPStatus, code: str, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        said = {
            "X-Error-Code": code,
            "X-Error-Message": text,
            "Content-Type": "application/json; charset=utf-8",
        }
        self._send(status, json.dumps({"error": text}).encode(), {**said, **(headers or {})})

    def _send(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def address_string(self) -> str:
        """Return the node's address, without asking for its name."""
        return str(self.client_address[0])

    def log_request(self, *_: object) -> None:
        """Say nothing of what went well."""


def _lfs(file: Mapping[str, Any]) -> dict[str, Any]:
    if "sha256" not in file:
        return {}
    return {"lfs": {"oid": file["sha256"], "size": file["size"], "pointerSize": 134}}


def _sibling(name: str, file: Mapping[str, Any]) -> dict[str, Any]:
    about = {"rfilename": name, "blobId": file["oid"], "size": file["size"]}
    if "sha256" in file:
        about["lfs"] = {"sha256": file["sha256"], "size": file["size"], "pointerSize": 134}
    return about


def _range(header: str, size: int) -> tuple[int, int]:
    """Return the first and the last byte that a Range header asks for; all of them if it is none that we know."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if not asked or asked.groups() == ("", ""):
        return 0, size - 1
    first, last = asked.groups()
    if not first:
        return max(size - int(last), 0), size - 1
    return int(first), min(int(last or size - 1), size - 1)


def _pieces(file: Path, start: int, end: int, spoilt: int) -> Iterator[bytes]:
    """Yield a file's bytes from start to before end; the byte at spoilt is another one."""
    with file.open("rb") as reading:
        reading.seek(start)
        while start < end and (piece := reading.read(min(_PIECE_BYTES, end - start))):
            at = spoilt - start
            yield piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :] if 0 <= at < len(piece) else piece
            start += len(piece)
