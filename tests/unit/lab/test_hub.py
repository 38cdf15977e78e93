"""The stand-in for the model hub, as a client of the real one meets it."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from glmprov.lab import hub_content, service_faults
from glmprov.lab.hub import Hub

API = f"/api/models/{hub_content.MODEL}"
FILES = f"/{hub_content.MODEL}/resolve"
SHARD = "model-00002-of-00004.safetensors"


class Client:
    def __init__(self, port: int, faults: Path) -> None:
        self.port, self.faults = port, faults

    def raw(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, headers=headers or {})
        return connection.getresponse()

    def get(self, path: str, **headers: str) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        with closing(urllib.request.urlopen(request, timeout=10)) as answer:
            body: bytes = answer.read()
            return body

    def about(self, path: str = "") -> Any:
        return json.loads(self.get(API + path))

    def fail(self, kind: str, *words: str) -> None:
        service_faults.change(self.faults / "127.0.0.1.json", kind, list(words))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hub_content.ensure(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def hub(models: Path, tmp_path: Path) -> Iterator[Client]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        elsewhere = f"http://localhost:{server.server_address[1]}"
        server.RequestHandlerClass = partial(Hub, models=models, elsewhere=elsewhere, faults=tmp_path)  # type: ignore[assignment]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Client(server.server_address[1], tmp_path)
        server.shutdown()


def test_a_revision_tells_its_commit_and_every_files_size_and_hash(hub: Client) -> None:
    about = hub.about("/revision/main?blobs=true")
    assert len(about["sha"]) == 40
    assert hub.about(f"/revision/{about['sha']}") == hub.about()
    for file in about["siblings"]:
        data = hub.get(f"{FILES}/{about['sha']}/{file['rfilename']}")
        assert len(data) == file["size"]
        if "lfs" in file:
            assert hashlib.sha256(data).hexdigest() == file["lfs"]["sha256"]
        else:
            assert hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == file["blobId"]


def test_there_is_an_older_revision_with_other_weights(hub: Client, models: Path) -> None:
    record = json.loads((models / "models" / hub_content.MODEL / "revisions.json").read_text())
    (older,) = (one["sha"] for one in record.values() if not one["names"])
    assert hub.get(f"{FILES}/{older}/{SHARD}") != hub.get(f"{FILES}/main/{SHARD}")


def test_the_model_is_the_real_one_as_far_as_its_configuration_goes(hub: Client) -> None:
    config = json.loads(hub.get(f"{FILES}/main/config.json"))
    shape = (config["num_hidden_layers"], config["n_routed_experts"], config["moe_intermediate_size"])
    assert shape == (92, 160, 1536)
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    index = json.loads(hub.get(f"{FILES}/main/model.safetensors.index.json"))["weight_map"]
    assert any(name.startswith("model.layers.92.") for name in index)
    assert set(index.values()) == {
        file["rfilename"] for file in hub.about()["siblings"] if file["rfilename"].endswith(".safetensors")
    }
    assert b"SIMULATED" in hub.get(f"{FILES}/main/README.md")


def test_a_large_file_is_somewhere_else_and_its_hash_is_told_before(hub: Client) -> None:
    head = hub.raw(f"{FILES}/main/{SHARD}", "HEAD")
    assert head.status == 302
    data = hub.get(f"{FILES}/main/{SHARD}")
    assert head.headers["X-Linked-Etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert head.headers["X-Linked-Size"] == str(len(data))
    assert head.headers["X-Repo-Commit"] == hub.about()["sha"]


def test_a_download_goes_on_where_it_ended(hub: Client) -> None:
    whole = hub.get(f"{FILES}/main/{SHARD}")
    assert hub.get(f"{FILES}/main/{SHARD}", Range="bytes=100-") == whole[100:]
    place = hub.raw(f"{FILES}/main/{SHARD}", "HEAD").headers["Location"].partition(str(hub.port))[2]
    part = hub.raw(place, headers={"Range": "bytes=10-19"})
    assert (part.status, part.headers["Content-Range"]) == (206, f"bytes 10-19/{len(whole)}")
    assert part.read() == whole[10:20]
    assert hub.raw(place, headers={"Range": f"bytes={len(whole)}-"}).status == 416


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/models/zai-org/GLM-9", 401, "RepoNotFound"),
        (f"{API}/revision/nowhere", 404, "RevisionNotFound"),
        (f"{FILES}/main/nothing.bin", 404, "EntryNotFound"),
    ],
)
def test_what_is_not_there_is_named(hub: Client, path: str, status: int, code: str) -> None:
    answer = hub.raw(path)
    assert (answer.status, answer.headers["X-Error-Code"]) == (status, code)


def test_weights_can_be_cut_off_spoilt_and_out_of_reach(hub: Client) -> None:
    whole = hub.get(f"{FILES}/main/{SHARD}")
    hub.fail("truncated-weights", "on")
    with pytest.raises(IncompleteRead):
        hub.get(f"{FILES}/main/{SHARD}")
    hub.fail("truncated-weights", "off")
    hub.fail("wrong-sha", "on")
    spoilt = hub.get(f"{FILES}/main/{SHARD}")
    assert (len(spoilt), spoilt == whole) == (len(whole), False)
    assert hub.get(f"{FILES}/main/config.json")
    hub.fail("wrong-sha", "off")
    hub.fail("hub", "down")
    with pytest.raises(OSError):
        hub.get(API)
    hub.fail("hub", "off")
    assert hub.get(f"{FILES}/main/{SHARD}") == whole
