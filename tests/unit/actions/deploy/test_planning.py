"""What of an instance is to be done on a host: nothing, files, or a start."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest
from unit.instance.hosts import DIGEST, TURIN, VLLM, host
from unit.summary import uuid

from glmprov.actions.deploy.changes import changed
from glmprov.actions.deploy.clean import not_clean, require_clean
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.planning import plan
from glmprov.actions.deploy.records import instance_of, receipt_of
from glmprov.deployed import ObservedInstance
from glmprov.drift import Difference, Verdict
from glmprov.errors import PlanError
from glmprov.hardware import GpuProcess
from glmprov.instance import DEFAULT_NAME, Image, Taken, Wanted, parse_sets
from glmprov.inventory import Host
from glmprov.observation import Observation
from glmprov.recipe.lock import FileLock, ImageLock, ModelLock, RecipeLock
from glmprov.results.review import HostReview
from glmprov.state import EngineImage, EngineService, InstanceState, Manage, ModelStore, Unit

SHARDS = (FileLock("model-00001-of-00002.safetensors", 5), FileLock("model-00002-of-00002.safetensors", 7))
LOCK = RecipeLock(
    "recipe-x",
    ModelLock("zai-org/GLM-4.7-FP8", "0a1b", (*SHARDS, FileLock("config.json", 2))),
    ImageLock("vllm/vllm-openai:v0.23.0", DIGEST, "linux/amd64"),
    datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC),
)
THERE = Image("vllm/vllm-openai:v0.23.0", DIGEST, "sha256:" + "12" * 32, {"PATH": "/bin"})
HOST = Host("gpu-1", {}, "")


def planned(observation: Observation | None = None, wanted: Wanted | None = None, **more: Any) -> Planned:
    seen = observation or host(TURIN)
    return plan(
        HOST, seen, VLLM, LOCK, wanted or Wanted(), more.pop("image", THERE), "glmprov provision", **more
    )


def deployed(first: Planned, **changes: Any) -> Observation:
    """Return the host on which a plan was carried out, but for the changes."""
    receipt = receipt_of(first.instance, first.expected, None)
    service = first.expected.engine_service
    assert service is not None
    state = InstanceState(
        EngineImage(image=changes.get("image", THERE.image_id)),
        ModelStore(shards=changes.get("shards", {file.path: file.size_bytes for file in SHARDS})),
        EngineService(
            unit=changes.get("unit", Unit(True, True)),
            files={**(service.files or {}), **changes.get("files", {})},  # type: ignore[dict-item]
            environment={**(service.environment or {}), **changes.get("environment", {})},  # type: ignore[dict-item]
            restarts=changes.get("restarts", 0),
        ),
    )
    return replace(host(TURIN), instances={DEFAULT_NAME: ObservedInstance(receipt, state, "active")})


def test_a_new_instance_is_started_and_the_same_again_is_nothing_to_do() -> None:
    first = planned()
    assert first.differs and first.restarts
    assert first.instance.weights.folder == "/var/lib/glmprov/models/zai-org--GLM-4.7-FP8/0a1b"
    again = planned(deployed(first))
    assert (again.declared, again.found) == ((), ())
    assert not again.differs


@pytest.mark.parametrize(
    ("changes", "restarts"),
    [
        ({"files": {"/etc/systemd/system/glmprov-glm.service": "0" * 64}}, False),
        ({"restarts": 2}, False),
        ({"unit": Unit(False, True)}, False),
        ({"unit": Unit(True, False)}, True),
        ({"environment": {"NCCL_P2P_LEVEL": "PXB"}}, True),
        ({"image": "sha256:" + "34" * 32}, True),
        ({"shards": {SHARDS[0].path: 5}}, True),
    ],
)
def test_what_drifted_is_mended_and_only_what_a_start_mends_costs_one(
    changes: dict[str, Any], restarts: bool
) -> None:
    again = planned(deployed(planned(), **changes))
    assert again.found and not again.declared
    assert again.restarts is restarts
    assert again.replaces == 0  # the same once more is no step to go back by


def test_restarts_that_a_deploy_has_seen_are_noted_and_only_more_of_them_are_drift() -> None:
    again = planned(deployed(planned(), restarts=2))
    assert again.expected.engine_service and again.expected.engine_service.restarts == 2
    assert [bool(planned(deployed(again, restarts=count)).found) for count in (0, 2, 3)] == [
        False,
        False,
        True,
    ]


def test_another_wish_is_said_in_words() -> None:
    before = deployed(planned())
    again = planned(before, Wanted(sets=parse_sets(["max-num-seqs=8", "tool-call-parser=null"])))
    assert "launch.arguments.max-num-seqs: nothing → 8" in again.declared
    assert "launch.arguments.tool-call-parser: glm47 → nothing" in again.declared
    assert again.restarts


def test_it_keeps_its_cards_though_others_have_gone_and_moves_only_if_asked() -> None:
    right = tuple(uuid(number) for number in range(4, 8))
    first = planned(also_taken=[Taken("left", tuple(uuid(number) for number in range(4)), 9)])
    assert first.instance.gpus == right
    assert planned(deployed(first)).instance.gpus == right
    moved = planned(deployed(first), Wanted(gpus=",".join(uuid(number) for number in range(4))))
    assert moved.instance.gpus != right
    assert moved.restarts


def test_a_card_that_somebody_else_holds_is_not_free() -> None:
    held = host(TURIN)
    stranger = GpuProcess(uuid(0), 7, "python", 1 << 30)
    held = replace(held, hardware=replace(held.hardware, processes=(stranger,)))
    assert uuid(0) not in planned(held).instance.gpus
    with pytest.raises(PlanError, match="python"):
        planned(held, Wanted(gpus=",".join(uuid(number) for number in range(4))))


def test_before_the_image_is_there_its_id_is_not_expected() -> None:
    first = planned(image=Image("vllm/vllm-openai:v0.23.0", DIGEST))
    assert first.expected.engine_image is not None
    assert first.expected.engine_image.image is None


def test_a_receipt_gives_the_instance_back_and_knows_which_it_replaced() -> None:
    first = planned()
    receipt = receipt_of(first.instance, first.expected, None)
    second = receipt_of(first.instance, first.expected, receipt)
    assert instance_of(second) == first.instance
    assert (receipt.number, receipt.replaces, second.number, second.replaces) == (1, 0, 2, 1)
    assert not list(changed(receipt, first.instance, first.expected))
    back = receipt_of(first.instance, first.expected, second, replaces=receipt.replaces)
    assert (back.number, back.replaces) == (3, 0)


def test_a_host_that_is_not_as_provisioned_is_refused_and_what_others_set_is_not_counted() -> None:
    def difference(key: str, **more: Any) -> Difference:
        return Difference("gpu-1", key, 400, 600, **{"verdict": Verdict.DRIFT, **more})

    bad = difference("gpu_power.limit_watts[GPU-1].effective")
    fine = (
        difference("host_tuning.sysctl[a]", manage=Manage.AUDIT),
        difference("engine_service[glm].restarts"),
        difference("gpu_driver.version", verdict=Verdict.LATER),
    )
    assert not_clean(HostReview("gpu-1", differences=(bad, *fine))) == (bad,)
    require_clean(HostReview("gpu-1", differences=fine), "glmprov provision")
    with pytest.raises(PlanError, match=r"limit_watts.*expected 400, found 600") as caught:
        require_clean(HostReview("gpu-1", differences=(bad,)), "glmprov provision -i x")
    assert caught.value.next_step == "glmprov provision -i x"
