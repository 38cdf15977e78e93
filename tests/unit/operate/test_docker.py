"""Docker's API over our channel, against a daemon that says what the real one says."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glmprov.errors import ApplyError, FetchError, GlmprovError, UnreachableError
from glmprov.operate import docker, docker_told
from glmprov.recipe.image_name import ImageName, image_name
from glmprov.remote import Channel
from glmprov.remote.interruption import all_hung_up
from tests.unit.operate.docker_stub import Daemon
from tests.unit.operate.registry_stub import Content, digest, serve

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root's own, as on a host")

DIGEST = "sha256:" + "d" * 64
NAME = image_name(f"vllm/vllm-openai:v0.16.0@{DIGEST}")
INSPECTED = {
    "Id": "sha256:" + "1" * 64,
    "RepoDigests": [f"vllm/vllm-openai@{DIGEST}"],
    "RepoTags": [],
    "Created": "2026-02-01T00:00:00Z",
    "Size": 22_000_000_000,
    "Os": "linux",
    "Architecture": "amd64",
    "Config": {"Env": ["A=b=c", "EMPTY="], "Entrypoint": ["vllm", "serve"], "Cmd": None, "Labels": None},
}
PULLED = [
    {"status": "Pulling from vllm/vllm-openai", "id": DIGEST},
    {"status": "Already exists", "progressDetail": {}, "id": "aaa"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "bbb"},
    {"status": "Downloading", "progressDetail": {"current": 10, "total": 100}, "id": "bbb"},
    {"status": "Download complete", "progressDetail": {}, "id": "bbb"},
    {"status": "Extracting", "progressDetail": {"current": 50, "total": 100}, "id": "bbb"},
    {"status": "Pull complete", "progressDetail": {}, "id": "bbb"},
    {"status": f"Digest: {DIGEST}"},
    {"status": "Status: Downloaded newer image"},
]


def test_a_pull_is_by_digest_tells_how_far_it_is_and_is_looked_at_again(
    channel: Channel, docker_daemon: Daemon
) -> None:
    docker_daemon.answers["POST /images/create"] = iter(PULLED)
    docker_daemon.answers[f"GET /images/vllm/vllm-openai%40{DIGEST.replace(':', '%3A')}/json"] = (
        200,
        INSPECTED,
    )
    heard: list[docker_told.PullProgress] = []
    image = docker.pull(channel, "here", NAME, heard.append)
    assert docker_daemon.asked[0].path.endswith(f"?fromImage=vllm%2Fvllm-openai&tag=sha256%3A{'d' * 64}")
    assert image.environment == {"A": "b=c", "EMPTY": ""} and image.entrypoint == ("vllm", "serve")
    last = heard[-1]
    assert (last.layers, last.layers_done, last.bytes_done, last.bytes_total) == (2, 2, 100, 100)
    assert last.by_layer["bbb"] == ("Pull complete", 100, 100)


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("manifest for a/b not found: manifest unknown: manifest unknown", "the registry has no vllm"),
        ("Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup: no such host", "can't be asked"),
        ("pull access denied for a/b, repository does not exist or may require 'docker login'", "doesn't give"),
        ("filesystem layer verification failed for digest sha256:abc", "isn't what the digest says"),
        ("write /var/lib/docker/tmp/x: no space left on device", "the disk is full"),
        ("toomanyrequests: You have reached your pull rate limit", "had enough"),
        ("received unexpected HTTP status: 503 Service Unavailable", "can't be asked"),
        ("bottles of sha256:50" + "3" * 62 + " settle", "Docker refuses: bottles"),
        ("the daemon has a headache", "Docker refuses: the daemon has a headache"),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_fails_the_pull_and_says_what_to_do(
    channel: Channel, docker_daemon: Daemon, said: str, meaning: str
) -> None:
    failure = {"errorDetail": {"message": said}, "error": said}
    docker_daemon.answers["POST /images/create"] = iter([*PULLED[:4], failure])
    with pytest.raises(FetchError, match=meaning) as caught:
        docker.pull(channel, "here", NAME)
    assert caught.value.host == "here"
    assert caught.value.next_step or meaning.startswith("Docker refuses")


def test_a_pull_that_ends_well_with_another_image_is_no_pull(channel: Channel, docker_daemon: Daemon) -> None:
    docker_daemon.answers["POST /images/create"] = iter(PULLED)
    other = {**INSPECTED, "RepoDigests": ["vllm/vllm-openai@sha256:" + "0" * 64]}
    docker_daemon.answers[f"GET /images/vllm/vllm-openai%40{DIGEST.replace(':', '%3A')}/json"] = (200, other)
    with pytest.raises(FetchError, match=r"says that it pulled .*d, and has .*0000"):
        docker.pull(channel, "here", NAME)


def test_a_stream_that_breaks_off_is_told_from_one_that_ended(
    channel: Channel, docker_daemon: Daemon
) -> None:
    def dying() -> Iterator[dict[str, Any]]:
        yield PULLED[3]
        raise ConnectionAbortedError  # the daemon is killed: no end of the stream

    docker_daemon.answers["POST /images/create"] = dying()
    with pytest.raises(ApplyError, match="broke off"):
        docker.pull(channel, "here", NAME)


def test_an_interrupted_pull_ends_at_the_daemon_too(channel: Channel, docker_daemon: Daemon) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless() -> Iterator[dict[str, Any]]:
        while not ended.wait(0.05):
            yield PULLED[3]

    docker_daemon.answers["POST /images/create"] = endless()
    faults: list[GlmprovError] = []

    def pull() -> None:
        try:
            docker.pull(channel, "here", NAME, lambda _: begun.set())
        except GlmprovError as error:
            faults.append(error)

    thread = threading.Thread(target=pull)
    thread.start()
    assert begun.wait(10)
    with all_hung_up():
        thread.join(10)
    gone = docker_daemon.broken_off.wait(15)
    ended.set()
    assert gone and isinstance(faults[0], UnreachableError)


def test_the_hosts_own_login_goes_with_the_question(channel: Channel, docker_daemon: Daemon) -> None:
    kept = {"auths": {"https://index.docker.io/v1/": {"auth": base64.b64encode(b"me:pass:word").decode()}}}
    (Path(os.environ["DOCKER_CONFIG"]) / "config.json").write_text(json.dumps(kept))
    docker_daemon.answers["POST /images/create"] = iter([{"error": "x"}])
    with pytest.raises(FetchError):
        docker.pull(channel, "here", NAME)
    header = docker_daemon.asked[0].headers["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {
        "username": "me", "password": "pass:word", "serveraddress": "https://index.docker.io/v1/",
    }  # fmt: skip


def test_without_a_daemon_the_error_names_its_socket(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/no/such.sock")
    with pytest.raises(ApplyError, match=r"/run/no/such\.sock: No such file") as caught:
        docker.daemon(channel, "here")
    assert caught.value.next_step and "glmprov provision" in caught.value.next_step
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    with pytest.raises(ApplyError, match="DOCKER_HOST names tcp://elsewhere"):
        docker.daemon(channel, "here")


def _info(daemon: Daemon, folder: Path, registry: str = "") -> None:
    known = {"Mirrors": [], "IndexConfigs": {registry: {"Secure": False}}}
    info = {
        "OSType": "linux",
        "Architecture": "x86_64",
        "DockerRootDir": str(folder),
        "RegistryConfig": known,
    }
    daemon.answers["GET /info"] = (200, {**info, "ServerVersion": "28.2.2"})


def _resolved_at(content: Content, daemon: Daemon, folder: Path, token: str = "") -> docker_told.Resolved:
    server = serve(content, token=token)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    registry = f"127.0.0.1:{server.server_port}"
    name = ImageName(registry, "a/b", "v1")
    _info(daemon, folder, registry)
    answer = {"Descriptor": {"digest": digest(content.index)}, "Platforms": []}
    daemon.answers[f"GET /distribution/127.0.0.1%3A{server.server_port}/a/b%3Av1/json"] = (200, answer)
    from glmprov.inventory import Host
    from glmprov.remote import connect

    try:
        with connect(Host("here", {"ansible_connection": "local"})) as channel:
            return docker.resolve(channel, "here", name)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("token", ["", "secret-token"])
def test_a_name_is_resolved_to_digest_platform_size_and_configuration(
    docker_daemon: Daemon, tmp_path: Path, token: str
) -> None:
    content = Content()
    found = _resolved_at(content, docker_daemon, tmp_path, token)
    assert found.name.digest == digest(content.index) and found.platform == "linux/amd64"
    assert (found.config, found.layers, found.compressed_bytes) == (
        digest(content.config),
        1,
        content.layer_bytes,
    )


def test_what_the_registry_does_not_tell_is_unknown_and_no_fault(
    docker_daemon: Daemon, tmp_path: Path
) -> None:
    content = Content()
    content.manifests.clear()
    found = _resolved_at(content, docker_daemon, tmp_path)
    assert found.name.digest == digest(content.index) and found.compressed_bytes is None
    assert "404" in found.unknown


def test_a_manifest_with_other_bytes_than_its_digest_is_not_believed(
    docker_daemon: Daemon, tmp_path: Path
) -> None:
    content = Content()
    content.manifests[digest(content.index)] = (
        "application/json",
        b'{"layers": [], "config": {"digest": "x"}}',
    )
    found = _resolved_at(content, docker_daemon, tmp_path)
    assert found.config is None and "hasn't the digest" in found.unknown


def test_an_image_too_large_for_the_disk_is_refused_with_the_arithmetic() -> None:
    daemon = docker_told.Daemon("28", "/var/lib/docker", 20_000_000_000)
    with pytest.raises(
        FetchError, match=r"35.0 GB in /var/lib/docker: 10.0 GB packed, 2.5 times .* 20.0 GB are free"
    ):
        daemon.refuse_if_too_small("a/b", 10_000_000_000, "here")
    daemon.refuse_if_too_small("a/b", 5_000_000_000, "here")
    daemon.refuse_if_too_small("a/b", None, "here")


def test_images_of_a_file_are_loaded_and_counted(
    channel: Channel, docker_daemon: Daemon, tmp_path: Path
) -> None:
    file = tmp_path / "image.tar"
    file.write_bytes(b"x" * 3_000_000)
    docker_daemon.answers["POST /images/load"] = iter([{"stream": "Loaded image: a/b:v1\n"}])
    heard: list[tuple[int, int]] = []
    assert docker.load(channel, "here", str(file), lambda *bytes_: heard.append(bytes_)) == ("a/b:v1",)
    assert docker_daemon.asked[0].body == file.read_bytes() and heard[0][1] == 3_000_000
    docker_daemon.answers["POST /images/load"] = iter(
        [{"error": "unexpected EOF", "errorDetail": {"message": "x"}}]
    )
    with pytest.raises(FetchError):
        docker.load(channel, "here", str(file))
    with pytest.raises(FetchError, match="No such file"):
        docker.load(channel, "here", str(tmp_path / "none.tar"))


def test_images_come_with_what_uses_them_and_one_in_use_stays(
    channel: Channel, docker_daemon: Daemon
) -> None:
    docker_daemon.answers["GET /images/json"] = (
        200, [{"Id": "sha256:1", "RepoDigests": ["a@b"], "RepoTags": ["<none>:<none>"], "Size": 5, "Labels": None}],
    )  # fmt: skip
    docker_daemon.answers["GET /containers/json"] = (200, [{"ImageID": "sha256:1", "Names": ["/glmprov-x"]}])
    (only,) = docker.images(channel, "here")
    assert only.used_by == ("glmprov-x",) and only.tags == () and only.digests == ("a@b",)
    refusal = "conflict: unable to delete 1 (cannot be forced) - image is being used by running container 2"
    docker_daemon.answers["DELETE /images/sha256%3A1"] = (409, {"message": refusal})
    with pytest.raises(FetchError, match="is in use"):
        docker.remove_image(channel, "here", "sha256:1")
    assert docker.remove_image(channel, "here", "sha256:2") is False


def test_a_containers_log_is_put_together_from_its_frames(channel: Channel, docker_daemon: Daemon) -> None:
    frames = b"\x01\0\0\0\0\0\0\x04out\n" + b"\x02\0\0\0\0\0\0\x04err\n"
    docker_daemon.answers["GET /containers/glmprov-x/json"] = (200, {"Config": {"Tty": False}})
    docker_daemon.answers["GET /containers/glmprov-x/logs"] = (200, frames)
    assert docker.container_log(channel, "here", "glmprov-x") == "out\nerr\n"
    assert docker.container_log(channel, "here", "glmprov-y") is None
    docker_daemon.answers["POST /containers/glmprov-x/stop"] = (204, b"")
    assert docker.stop_container(channel, "here", "glmprov-x", 5) is True
    assert docker.stop_container(channel, "here", "glmprov-y") is False
