"""Images, weights, services and cards on a real node: Docker, systemd and sudo as on a host; cards are simulated."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from glmprov_program import run
from rehearsal import Fleet, Node

from glmprov import inventory
from glmprov.engines.stages import Stage
from glmprov.errors import FetchError, GlmprovError, UnreachableError
from glmprov.operate import cards, docker, docker_told, giving, hub, service, weights
from glmprov.recipe.image_name import image_name
from glmprov.recipe.lock import ModelLock
from glmprov.recipe.lock_file import read
from glmprov.remote import Channel, ConnectOptions, connect
from glmprov.remote.interruption import all_hung_up

pytestmark = pytest.mark.fleet

HUB = "https://hub.glmprov.lab"
MODEL = "zai-org/GLM-4.7-FP8"
IMAGE = "vllm/vllm-openai:v0.32.0"
UNIT = "glmprov-try.service"


@pytest.fixture(scope="module")
def up(provisioned: Fleet) -> Iterator[Fleet]:
    """The fleet for the whole run, with Docker, drivers and cards; the tests' images are gone afterwards."""
    yield provisioned
    for node in provisioned.nodes.values():
        node.try_ssh("docker image prune --all --force")


@pytest.fixture(scope="module")
def node(up: Fleet) -> Node:
    return up.nodes["genoa-4x"]


@pytest.fixture(params=["openssh", "libssh2", "paramiko"])
def each_channel(request: pytest.FixtureRequest, up: Fleet) -> Iterator[Channel]:
    yield from opened(up, request.param)


@pytest.fixture
def channel(up: Fleet) -> Iterator[Channel]:
    yield from opened(up, "auto")


def opened(fleet: Fleet, way: str, name: str = "genoa-4x") -> Iterator[Channel]:
    (host,) = inventory.load((fleet.inventory,), limit=name)
    with connect(host, ConnectOptions(become=True, channel=way)) as channel:
        yield channel


def test_docker_is_spoken_to_over_every_channel_as_an_unprivileged_login(
    each_channel: Channel, node: Node
) -> None:
    assert "docker" not in node.ssh("id -nG ops")
    daemon = docker.daemon(each_channel, "genoa-4x")
    assert daemon.root == "/var/lib/docker" and daemon.free_bytes > 1 << 30
    found = docker.resolve(each_channel, "genoa-4x", image_name(IMAGE))
    assert found.name.digest and found.config and found.compressed_bytes and found.platform == "linux/amd64"
    heard: list[docker_told.PullProgress] = []
    image = docker.pull(each_channel, "genoa-4x", found.name, heard.append)
    assert image.id == found.config and image.is_from(found.name)
    assert heard[-1].layers_done == heard[-1].layers == found.layers
    assert node.ssh(f"docker image inspect -f '{{{{.Id}}}}' {found.name.pinned}") == image.id
    assert docker.remove_image(each_channel, "genoa-4x", found.name.pinned)
    assert docker.inspect(each_channel, "genoa-4x", found.name) is None


@pytest.mark.parametrize(
    ("fault", "mended", "meaning"),
    [
        (("registry", "down"), ("registry", "off"), "can't be asked"),
        (("wrong-digest", "on"), ("wrong-digest", "off"), "isn't what the digest says|can't be asked"),
    ],
)
def test_a_registry_that_fails_is_told(
    up: Fleet, channel: Channel, fault: tuple[str, ...], mended: tuple[str, ...], meaning: str
) -> None:
    found = docker.resolve(channel, "genoa-4x", image_name(IMAGE))
    up.fault("genoa-4x", *fault)
    try:
        with pytest.raises(FetchError, match=meaning) as caught:
            docker.pull(channel, "genoa-4x", found.name)
        assert caught.value.next_step
    finally:
        up.fault("genoa-4x", *mended)
    assert docker.inspect(channel, "genoa-4x", found.name) is None


def test_an_image_that_is_not_there(channel: Channel) -> None:
    with pytest.raises(FetchError, match="the registry has no vllm/vllm-openai:v9"):
        docker.resolve(channel, "genoa-4x", image_name("vllm/vllm-openai:v9"))


def test_an_interrupted_pull_leaves_no_pull_behind(up: Fleet, channel: Channel, node: Node) -> None:
    found = docker.resolve(channel, "genoa-4x", image_name(IMAGE))
    up.fault("genoa-4x", "slow-registry", "500")
    try:
        _interrupt(
            lambda begun: docker.pull(
                channel, "genoa-4x", found.name, lambda said: said.bytes_done and begun()
            )
        )
        # The daemon drops what nobody waits for any more; a second look is its own word for it.
        node.ssh("timeout 30 sh -c 'while ls /var/lib/docker/tmp | grep -q GetImageBlob; do sleep 0.2; done'")
    finally:
        up.fault("genoa-4x", "slow-registry", "off")
    for again in opened(up, "auto"):
        assert docker.inspect(again, "genoa-4x", found.name) is None
        assert docker.pull(again, "genoa-4x", found.name).is_from(found.name)


def _interrupt(work: Callable[[Callable[[], None]], object]) -> None:
    """Begin work, and hang up as Ctrl-C does once it says that it has begun."""
    begun = threading.Event()
    faults: list[GlmprovError] = []

    def run_it() -> None:
        try:
            work(begun.set)
        except GlmprovError as error:
            faults.append(error)

    thread = threading.Thread(target=run_it)
    thread.start()
    assert begun.wait(60)
    with all_hung_up():
        thread.join(20)
    assert isinstance(faults[0], UnreachableError)


@pytest.fixture
def model(channel: Channel) -> ModelLock:
    return hub.listing(channel, "genoa-4x", HUB, MODEL, None)


@pytest.fixture
def at(node: Node, model: ModelLock) -> Iterator[str]:
    folder = weights.folder(model)
    yield folder
    node.ssh(f"rm -rf {Path(folder).parent}")


def test_weights_come_from_the_hub_through_every_fault(
    up: Fleet, channel: Channel, node: Node, model: ModelLock, at: str
) -> None:
    host = "genoa-4x"
    for kind, word, meaning in (
        ("hub", "down", "can't be asked"),
        ("truncated-weights", "on", "sends less|broke off|can't be asked"),
        ("wrong-sha", "on", "another sum"),
    ):
        up.fault(host, kind, word)
        with pytest.raises(FetchError, match=meaning):
            weights.download(channel, host, model, at, HUB)
        up.fault(host, kind, "off")
        assert not weights.look(channel, host, model, at).complete
    weights.download(channel, host, model, at, HUB)
    assert weights.look(channel, host, model, at).verified
    shard = model.shards[0]
    assert node.ssh(f"sha256sum {at}/{shard.path}").split()[0] == shard.sha256
    node.ssh(f"printf x | dd of={at}/{shard.path} conv=notrunc status=none")
    assert weights.look(channel, host, model, at).unverified == (shard.path,)
    with pytest.raises(FetchError, match=shard.path):
        weights.verify(channel, host, model, at)
    node.ssh(f"truncate -s 100 {at}/{shard.path}")
    assert weights.look(channel, host, model, at).wrong == {shard.path: 100}


def test_weights_go_straight_from_host_to_host(
    up: Fleet, channel: Channel, node: Node, model: ModelLock, at: str
) -> None:
    giver = up.nodes["turin-8x"]
    for other in opened(up, "auto", "turin-8x"):
        weights.download(other, "turin-8x", model, at, HUB)
        try:
            came = giving.from_host(channel, "genoa-4x", other, "turin-8x", (), model, at, at)
        finally:
            giver.ssh(f"rm -rf {Path(at).parent}")
    assert came == len(model.files) and weights.look(channel, "genoa-4x", model, at).verified
    # The giver's server ends as soon as it notices that nobody listens to it.
    giver.ssh("timeout 20 sh -c 'while pgrep -f \"[p]ython3 -SI\"; do sleep 0.2; done'")


def test_a_recipe_is_locked_by_the_node(up: Fleet, tmp_path: Path) -> None:
    out = tmp_path / "recipe.lock"
    how = {"environment": {"HF_ENDPOINT": HUB}}
    run(up, "recipe", "lock", "recipe-3", "-l", "genoa-4x", "-o", str(out), **how).expect(0)
    lock = read(out)["recipe-3"]
    assert lock.image and lock.image.digest.startswith("sha256:") and lock.host == "genoa-4x"
    assert lock.model.id == MODEL and all(shard.sha256 for shard in lock.model.shards)
    up.fault("genoa-4x", "moved-tag", "on")
    try:
        moved = run(
            up, "recipe", "lock", "recipe-3", "-l", "genoa-4x", "-o", str(out), "--json", **how
        ).expect(0)
    finally:
        up.fault("genoa-4x", "moved-tag", "off")
    assert json.loads(moved.out)["changed"] == [f"the image was {lock.image.digest}"]
    assert run(up, "recipe", "lock", "recipe-33", "-o", str(out)).expect(2).err.count("did you mean recipe-3")


@pytest.fixture
def unit(node: Node) -> Iterator[Callable[[str, str], None]]:
    """A function that writes a unit whose program and gate are these shell commands."""

    def write(program: str, gate: str = "true") -> None:
        text = (
            f"[Service]\nType=exec\nExecStart=/bin/sh -c '{program}'\n"
            f"ExecStartPost=/bin/sh -c '{gate}'\nTimeoutStopSec=2\n"
        )
        node.ssh(f"cat > /etc/systemd/system/{UNIT} <<'END'\n{text}END\nsystemctl daemon-reload")

    yield write
    node.ssh(f"systemctl stop {UNIT}; rm -f /etc/systemd/system/{UNIT}; systemctl daemon-reload")


def test_a_unit_is_started_to_the_end_of_its_gate_and_its_log_tells_the_stages(
    channel: Channel, node: Node, unit: Callable[..., None]
) -> None:
    unit(
        "echo loading: 50%%; echo loading: 100%%; touch /run/try; exec sleep 300",
        "while [ ! -e /run/try ]; do sleep 0.1; done; sleep 1",
    )
    heard: list[service.StageProgress] = []
    stages = [Stage("loading", r"loading: (?P<percent>\d+)%")]
    started = service.start(channel, "genoa-4x", UNIT, start_seconds=60, stages=stages, heard=heard.append)
    assert started.ok and started.state.active == "active" and started.seconds >= 1
    assert ("loading", 100) in {(each.stage, each.percent) for each in heard}
    lines: list[str] = []

    def hear(at: float, text: str) -> None:
        lines.append(text)
        if text == "loading: 100%":
            raise StopIteration

    with pytest.raises(StopIteration):
        service.follow(channel, "genoa-4x", UNIT, hear, lines=50)
    assert "loading: 50%" in lines
    assert service.stop(channel, "genoa-4x", UNIT, stop_seconds=5) < 5
    assert service.state(channel, "genoa-4x", UNIT).at_rest
    assert service.stop(channel, "genoa-4x", "glmprov-none.service", stop_seconds=5) == 0


def test_a_failed_start_brings_its_log_and_a_deaf_one_is_stopped(
    channel: Channel, node: Node, unit: Callable[..., None]
) -> None:
    unit("echo RuntimeError: no luck; exit 3", "sleep 1; false")
    started = service.start(channel, "genoa-4x", UNIT, start_seconds=60)
    assert not started.ok and "RuntimeError: no luck" in started.log and started.state.result == "exit-code"
    unit('trap "" TERM; while :; do sleep 1; done')
    assert service.start(channel, "genoa-4x", UNIT, start_seconds=60).ok
    assert 1.5 < service.stop(channel, "genoa-4x", UNIT, stop_seconds=5) < 30


def test_cards_are_freed_of_what_is_ours_and_of_nothing_else(up: Fleet, channel: Channel, node: Node) -> None:
    (uuid,) = node.ssh("nvidia-smi -i 0 --query-gpu=uuid --format=csv,noheader").splitlines()
    assert cards.free(channel, "genoa-4x", [uuid], marks=[UNIT]).ended == ()
    up.fault("genoa-4x", "gpu-busy", "0", "50000")
    try:
        (holder,) = cards.memory(channel, "genoa-4x", [uuid])[uuid].processes
        with pytest.raises(GlmprovError, match=f"somebody else holds .*pid {holder.pid}"):
            cards.free(channel, "genoa-4x", [uuid], marks=[UNIT])
        freed = cards.free(channel, "genoa-4x", [uuid], marks=[], recorded=[(holder.pid, holder.started)])
        assert [each.pid for each in freed.ended] == [holder.pid]
    finally:
        up.fault("genoa-4x", "gpu-busy", "0", "off")
    assert cards.listener(channel, "genoa-4x", 22).name == "sshd"  # type: ignore[union-attr]
    assert cards.listener(channel, "genoa-4x", 8000) is None
