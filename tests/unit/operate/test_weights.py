"""A model's files: listed, fetched, fetched again after every fault, verified and removed."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from glmprov.errors import FetchError, GlmprovError, UnreachableError
from glmprov.operate import hub, weights
from glmprov.operate.payload.weights import LOCK
from glmprov.recipe.lock import FileLock, ModelLock
from glmprov.remote import Channel
from glmprov.remote.interruption import all_hung_up
from glmprov.secret import Secret
from tests.unit.operate.hub_stub import COMMIT, MODEL, Hub, serve

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root's own, as on a host")

ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
FILES = {
    ".gitattributes": b"x",
    "config.json": b'{"architectures": ["Glm4MoeForCausalLM"]}',
    "extra/tokenizer.json": b"{}",
    ONE: os.urandom(3_000_000),
    TWO: os.urandom(2_000_000),
    "pytorch_model.bin": b"the same again",
}


@pytest.fixture
def stub() -> Iterator[Hub]:
    with serve(Hub(dict(FILES))) as running:
        yield running


@pytest.fixture
def model(channel: Channel, stub: Hub) -> ModelLock:
    listed = hub.listing(channel, "here", stub.url, MODEL, None)
    stub.asked.clear()
    return listed


@pytest.fixture
def at(tmp_path: Path, model: ModelLock) -> Path:
    return Path(weights.folder(model, str(tmp_path / "models")))


def fetch(channel: Channel, stub: Hub, model: ModelLock, at: Path, **how: object) -> int:
    return weights.download(channel, "here", model, str(at), stub.url, **how)  # type: ignore[arg-type]


def right(at: Path) -> bool:
    wanted = {
        path: data for path, data in FILES.items() if path not in (".gitattributes", "pytorch_model.bin")
    }
    return all((at / path).read_bytes() == data for path, data in wanted.items()) and not list(
        at.rglob("*.part")
    )


def test_a_listing_is_read_over_all_its_pages(model: ModelLock) -> None:
    assert model.revision == COMMIT and model.asked is None
    assert [file.path for file in model.files] == ["config.json", "extra/tokenizer.json", ONE, TWO]
    assert [file.path for file in model.shards] == [ONE, TWO]
    assert all(file.sha256 for file in model.shards) and model.files[0].git_sha1 and not model.files[0].sha256
    assert model.size_bytes == sum(len(FILES[file.path]) for file in model.files)


def test_a_download_is_verified_on_the_way_and_not_repeated(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    before = weights.look(channel, "here", model, str(at))
    assert not before.complete and before.needed_bytes == model.size_bytes and len(before.missing) == 4
    heard: list[weights.Progress] = []
    assert fetch(channel, stub, model, at, heard=heard.append) == 4
    assert right(at) and at.name == COMMIT and at.parent.name == "org--Model-FP8"
    last = heard[-1]
    assert (last.files_done, last.bytes_done, last.bytes_total) == (4, model.size_bytes, model.size_bytes)
    assert weights.look(channel, "here", model, str(at)).verified
    asked = len(stub.asked)
    assert fetch(channel, stub, model, at) == 0 and len(stub.asked) == asked
    assert not (at / ONE).stat().st_mode & 0o022 and (at / ONE).stat().st_mode & 0o044


def test_the_token_goes_to_the_hub_and_not_on_to_its_storage(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    stub.token = "hf_secret"
    with pytest.raises(FetchError, match="doesn't show it") as caught:
        fetch(channel, stub, model, at)
    assert caught.value.next_step and "HF_TOKEN" in caught.value.next_step
    stub.asked.clear()
    assert fetch(channel, stub, model, at, key=Secret("hf_secret")) == 4
    told = {path.startswith("/large/"): headers.get("Authorization") for path, headers in stub.asked}
    assert told == {True: None, False: "Bearer hf_secret"}


def test_a_download_goes_on_where_the_connection_broke_off(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    stub.cut_at = {ONE: [1_000_000, 500_000], TWO: [0, 1]}
    assert fetch(channel, stub, model, at) == 4
    ranges = [headers.get("Range") for path, headers in stub.asked if path == f"/large/{ONE}"]
    assert ranges == [None, "bytes=1000000-", "bytes=1500000-"] and right(at)


def test_a_hub_that_knows_no_ranges_sends_it_all_again(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    stub.cut_at, stub.ignores_range = {ONE: [1_000_000]}, True
    assert fetch(channel, stub, model, at) == 4 and right(at)


def test_one_wrong_sum_is_fetched_again_and_a_second_one_told(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    stub.spoilt = {ONE: 1, TWO: 9, "config.json": 9}
    with pytest.raises(FetchError, match=f"(?s)has another sum.*config.json.*{TWO}") as caught:
        fetch(channel, stub, model, at)
    assert ONE not in caught.value.message
    seen = weights.look(channel, "here", model, str(at))
    assert set(seen.missing) == {TWO, "config.json"} and not list(at.rglob("*.part"))
    stub.spoilt = {}
    assert fetch(channel, stub, model, at) == 2 and right(at)


def test_a_file_that_stays_short_is_told_and_kept_for_the_next_run(
    channel: Channel, stub: Hub, model: ModelLock, at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "RETRY_SECONDS", 0.01)
    short = replace(
        model,
        files=tuple(
            replace(file, size_bytes=file.size_bytes + 5) if file.path == ONE else file
            for file in model.files
        ),
    )
    with pytest.raises(FetchError, match=r"416|sends less"):
        fetch(channel, stub, short, at)
    assert (at / f"{ONE}.part").stat().st_size == 3_000_000


def test_a_file_that_the_revision_has_not_and_a_hub_that_is_down(
    channel: Channel, stub: Hub, model: ModelLock, at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "RETRY_SECONDS", 0.01)
    with pytest.raises(FetchError, match=r"can't be asked.*refused"):
        weights.download(channel, "here", model, str(at), "http://127.0.0.1:9")
    more = replace(model, files=(*model.files, FileLock("none.json", 5, git_sha1="0" * 40)))
    with pytest.raises(FetchError, match="no such revision or file"):
        fetch(channel, stub, more, at)
    with pytest.raises(FetchError, match="has no no/such"):
        stub.token = "x"
        hub.listing(channel, "here", stub.url, "no/such", None)
    stub.token = ""
    with pytest.raises(FetchError, match="no such revision"):
        hub.listing(channel, "here", stub.url, MODEL, "v2")


def test_what_lies_there_cut_off_or_too_long_is_mended(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    (at / "extra").mkdir(parents=True)
    (at / ONE).write_bytes(FILES[ONE][:2_000_000])
    (at / TWO).write_bytes(FILES[TWO] + b"more")
    seen = weights.look(channel, "here", model, str(at))
    assert seen.wrong == {ONE: 2_000_000, TWO: 2_000_004}
    assert fetch(channel, stub, model, at) == 4 and right(at)
    assert [h.get("Range") for path, h in stub.asked if path == f"/large/{ONE}"] == ["bytes=2000000-"]


def test_a_disk_without_room_is_refused_before_anything_comes(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    huge = replace(model, files=(*model.files, FileLock("huge.safetensors", 1 << 60, sha256="0" * 64)))
    with pytest.raises(FetchError, match=r"TB are missing, [0-9.]+ .B are free"):
        fetch(channel, stub, huge, at)
    assert not stub.asked and not (at / "config.json").exists()


def test_two_that_fetch_into_one_folder_meet(channel: Channel, stub: Hub, model: ModelLock, at: Path) -> None:
    stub.waits = {ONE: threading.Event()}
    begun = threading.Event()
    first = threading.Thread(target=lambda: fetch(channel, stub, model, at, heard=lambda _: begun.set()))
    first.start()
    assert begun.wait(20)
    with pytest.raises(FetchError, match=r"somebody else fetches .*pid \d+ on the host"):
        fetch(channel, stub, model, at)
    stub.waits[ONE].set()
    first.join(20)
    assert right(at)


def test_an_interrupted_download_stops_on_the_host_and_goes_on_later(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    stub.waits = {ONE: threading.Event(), TWO: threading.Event()}
    half = threading.Event()
    faults: list[GlmprovError] = []

    def run() -> None:
        try:
            fetch(channel, stub, model, at, heard=lambda said: said.bytes_done >= 2_000_000 and half.set())
        except GlmprovError as error:
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert half.wait(20)
    with all_hung_up():
        thread.join(10)
    assert isinstance(faults[0], UnreachableError)
    with (at / LOCK).open() as held:
        fcntl.flock(
            held, fcntl.LOCK_EX
        )  # until the first one is gone: it must not get what the second one fetches
    for wait in stub.waits.values():
        wait.set()
    stub.waits = {}
    fetch(channel, stub, model, at)
    assert right(at)
    assert any(h.get("Range") for path, h in stub.asked if path.startswith("/large/"))


def test_a_verification_names_every_file_that_is_wrong(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    fetch(channel, stub, model, at)
    for path in (TWO, "config.json"):
        data = bytearray((at / path).read_bytes())
        data[0] ^= 1
        (at / path).write_bytes(data)
    assert set(weights.look(channel, "here", model, str(at)).unverified) == {TWO, "config.json"}
    with pytest.raises(FetchError, match=rf"config\.json, {TWO}"):
        weights.verify(channel, "here", model, str(at))
    (at / TWO).write_bytes(FILES[TWO])
    (at / "config.json").write_bytes(FILES["config.json"])
    weights.verify(channel, "here", model, str(at), only=(TWO, "config.json"))
    assert weights.look(channel, "here", model, str(at)).verified


def test_the_store_is_listed_and_a_revision_removed(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    root = str(at.parent.parent)
    assert weights.stored(channel, "here", root) == ()
    fetch(channel, stub, model, at)
    (found,) = weights.stored(channel, "here", root)
    assert (found.model, found.revision, found.partly) == (MODEL, COMMIT, False)
    assert weights.remove(channel, "here", str(at)) >= model.size_bytes and not at.parent.exists()
    assert weights.remove(channel, "here", str(at)) == 0


def test_what_somebody_put_beside_the_models_is_no_model(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    fetch(channel, stub, model, at)
    before = weights.stored(channel, "here", str(at.parent.parent))
    (at.parent.parent / "README").write_text("ours")
    (at.parent / "notes.txt").write_text("ours")
    (at / "gone").symlink_to("nowhere")
    (found,) = weights.stored(channel, "here", str(at.parent.parent))
    assert replace(found, size_bytes=before[0].size_bytes) == before[0]
    assert weights.remove(channel, "here", str(at)) >= model.size_bytes


def test_a_folder_that_somebody_fetches_into_is_not_removed(
    channel: Channel, stub: Hub, model: ModelLock, at: Path
) -> None:
    fetch(channel, stub, model, at)
    with (at / LOCK).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match="somebody else fetches into"):
            weights.remove(channel, "here", str(at))
    assert (at / ONE).exists()


def test_where_the_hub_is_and_its_key() -> None:
    assert hub.endpoint(None, {}) == "https://huggingface.co"
    assert hub.endpoint(None, {"HF_ENDPOINT": "https://hub.example/"}) == "https://hub.example"
    assert hub.endpoint("https://here/", {"HF_ENDPOINT": "https://hub.example"}) == "https://here"
    assert hub.token({}) is None
    key = hub.token({"HF_TOKEN": "hf_x"})
    assert key is not None and key.reveal() == "hf_x"
