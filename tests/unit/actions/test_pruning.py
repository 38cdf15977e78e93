"""What may go from a host: only what deploy brought, and only what no kept receipt names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from unit.instance.hosts import VLLM, instance

from glmprov.actions.deploy.records import expected_of, receipt_of
from glmprov.actions.pruning import Store, kept, prunable
from glmprov.deployed import InstanceReceipt
from glmprov.instance import Image, Weights
from glmprov.operate.docker_told import Image as Present
from glmprov.operate.weights_told import Stored

ROOT = "/var/lib/glmprov/models"


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def revision(number: int) -> str:
    return f"{number:040x}"


def receipt(number: int, replaces: int | None = None, image: int | None = None) -> InstanceReceipt:
    """Return a receipt whose image and revision are of its own number, or of image."""
    of = number if image is None else image
    made = replace(
        instance(VLLM),
        image=Image("vllm/vllm-openai:v1", digest(of), f"sha256:id{of}"),
        weights=Weights("zai-org/GLM-4.7-FP8", revision(of), f"{ROOT}/zai-org--GLM-4.7-FP8/{revision(of)}"),
    )
    written = receipt_of(made, expected_of(made, None, {}), None)
    return replace(written, number=number, replaces=number - 1 if replaces is None else replaces)


def numbered(*receipts: InstanceReceipt) -> Mapping[int, InstanceReceipt]:
    return {each.number: each for each in receipts}


def present(number: int, *tags: str, used_by: tuple[str, ...] = ()) -> Present:
    repository = "vllm/vllm-openai"
    named = tags or (f"{repository}:glmprov-kept-{number:012x}",)
    return Present(f"sha256:id{number}", (f"{repository}@{digest(number)}",), named, used_by=used_by)


def model(number: int, name: str = "zai-org/GLM-4.7-FP8") -> Stored:
    return Stored(name, revision(number), 1000, False)


@pytest.mark.parametrize(("keep", "numbers"), [(1, {4}), (2, {4, 3}), (3, {4, 3, 2}), (9, {1, 2, 3, 4})])
def test_the_one_in_force_is_kept_and_those_before_it(keep: int, numbers: set[int]) -> None:
    receipts = numbered(*(receipt(number) for number in range(1, 5)))
    assert {each.number for each in kept(receipts[4], receipts, keep)} == numbers


def test_after_a_rollback_what_rollback_leads_to_counts_before_what_is_newer() -> None:
    receipts = numbered(receipt(1), receipt(2), receipt(3), receipt(4, replaces=1, image=2))
    assert {each.number for each in kept(receipts[4], receipts, 2)} == {4, 1}
    assert {each.number for each in kept(receipts[4], receipts, 3)} == {4, 1, 3}


def test_what_no_kept_receipt_names_goes() -> None:
    receipts = numbered(*(receipt(number) for number in range(1, 4)))
    store = Store(
        {"glm": receipts[3]},
        {"glm": receipts},
        [present(1), present(2), present(3)],
        ["glmprov-jit-000000000000", "glmprov-jit-somethingels", "theirs"],
        [model(1), model(2), model(3)],
        ROOT,
    )
    items, said = prunable(store, 2)
    assert [(each.kind, each.name) for each in items] == [
        ("receipt", "glm 1"),
        ("image", "sha256:id1"),
        ("cache", "glmprov-jit-somethingels"),
        ("weights", f"{ROOT}/zai-org--GLM-4.7-FP8/{revision(1)}"),
    ]
    assert said == ("glm: receipts 3, 2",)
    assert not prunable(replace(store, volumes=()), 3)[0]


def test_what_another_instance_needs_stays() -> None:
    receipts = numbered(receipt(1), receipt(2))
    store = Store(
        {"glm": receipts[2], "left": receipt(1)},
        {"glm": receipts, "left": numbered(receipt(1))},
        [present(1), present(2)],
        (),
        [model(1), model(2)],
        ROOT,
    )
    assert [each.name for each in prunable(store, 1)[0]] == ["glm 1"]


@pytest.mark.parametrize(
    "image",
    [
        present(9, "vllm/vllm-openai:v1"),
        present(9, "vllm/vllm-openai:glmprov-kept-9", "vllm/vllm-openai:v1"),
        present(9, used_by=("somebody",)),
        Present("sha256:id9", ("vllm/vllm-openai@" + digest(9),)),
    ],
    ids=["theirs", "theirs too", "used", "of no name"],
)
def test_an_image_that_is_not_ours_alone_stays(image: Present) -> None:
    assert not prunable(Store({}, {}, [image]), 1)[0]


@pytest.mark.parametrize(
    "stored",
    [
        Stored("GLM-4.7-FP8", revision(1), 1, False),
        Stored("models/zai-org--GLM", "snapshots", 1, False),
        Stored("zai-org/GLM", "main", 1, False),
    ],
    ids=["no organization", "a hub's cache", "no commit"],
)
def test_a_folder_that_deploy_did_not_make_stays(stored: Stored) -> None:
    assert not prunable(Store({}, {}, models=[stored], root=ROOT), 1)[0]


def test_on_a_host_without_instances_everything_that_deploy_fetched_goes() -> None:
    items, _ = prunable(Store({}, {}, [present(1)], (), [replace(model(1), partly=True)], ROOT), 2)
    assert [each.kind for each in items] == ["image", "weights"]
    assert items[1].about == "zai-org/GLM-4.7-FP8, not whole"
