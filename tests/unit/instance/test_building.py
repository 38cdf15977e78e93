"""What a recipe becomes on a host, and every reason why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.instance.hosts import GENOA, OWN_LAUNCHER, SGLANG, TURIN, VLLM, host, instance, locked, recipe
from unit.summary import uuid

from glmprov.errors import PlanError, UsageError
from glmprov.instance import DEFAULT_NAME, Image, Locked, Taken, Wanted, final, parse_sets
from glmprov.recipe import Change, Correction, Launch, Requirements, Source


def refusal(*arguments: object, **named: object) -> str:
    with pytest.raises(PlanError) as caught:
        instance(*arguments, **named)  # type: ignore[arg-type]
    return str(caught.value.message)


def test_four_cards_inside_one_socket_and_bound_to_it() -> None:
    found = instance()
    assert found.name == DEFAULT_NAME
    assert found.gpus == tuple(uuid(number) for number in range(4))
    assert found.cpus == tuple(range(8))
    assert found.nodes == (0,)
    assert found.port == 8000


def test_cards_of_another_instance_are_taken_and_the_other_socket_is_used() -> None:
    other = Taken("left", tuple(uuid(number) for number in range(4)), 8000)
    found = instance(wanted=Wanted(name="right", port=8001), taken=(other,))
    assert found.gpus == tuple(uuid(number) for number in range(4, 8))
    assert found.nodes == (1,)


def test_an_instance_takes_the_place_of_itself() -> None:
    itself = Taken(DEFAULT_NAME, tuple(uuid(number) for number in range(4)), 8000)
    assert instance(taken=(itself,), listening={8000: "python"}).gpus == itself.gpus


def test_a_free_pair_does_not_break_a_free_socket() -> None:
    two = recipe(replace(VLLM.published, arguments={"": "m", "tensor-parallel-size": "2"}), 2)
    other = Taken("left", (uuid(4), uuid(5)), 9000)
    assert instance(two, taken=(other,)).gpus == (uuid(6), uuid(7))


def test_where_no_socket_has_four_cards_they_cross_and_a_note_says_so() -> None:
    found = instance(summary={**TURIN, "cards": [{"node": n} for n in (0, 0, 0, 1, 1, 1)]})
    assert len(found.gpus) == 4
    assert (found.cpus, found.nodes) == ((), ())
    assert any("several sockets" in note for note in found.notes)


def test_every_reason_at_once() -> None:
    eight = (
        recipe(replace(SGLANG.published, arguments={"tp": "4", "dp": "2"}), 8, requires=Requirements(8))
        if False
        else replace(SGLANG, requires=Requirements(8, minimum_driver="590.1"))
    )
    eight = replace(eight, published=replace(eight.published, arguments={"tp": "4", "dp": "2"}))
    said = refusal(
        eight,
        {**GENOA, "applied": None},
        Wanted(name="gpu-power"),
        taken=(Taken("other", (), 30000),),
    )
    assert "requires.gpus: 8 needed, the host has 4" in said
    assert "glmprov provision" in said
    assert "port 30000: instance other has it" in said
    assert "glmprov-gpu-power.service is a unit of the host's own" in said
    assert "requires.minimum_driver: 590.1 needed, 580.95.05 is loaded" in said


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Wanted(gpus="GPU-dead"), "GPU-dead is no card and no set"),
        (Wanted(gpus="2"), "the launch takes 4"),
        (Wanted(gpus=",".join(map(uuid, range(3)))), "3 cards, the launch takes 4"),
        (Wanted(port=70000), "port: 70000 is none"),
        (Wanted(name="Big Name"), "is no name"),
        (Wanted(sets=parse_sets(["tensor-parallel-size=four"])), "'four' is no number"),
        (Wanted(sets=parse_sets(["api-key=hunter2"])), "is seen by everybody"),
        (Wanted(sets=parse_sets(["HF_TOKEN=hf_x"])), "HF_TOKEN: its name says that it is secret"),
        (Wanted(sets=parse_sets(["A=b\nc"])), "can't hold a line break"),
    ],
)
def test_a_wish_that_cannot_be(wanted: Wanted, reason: str) -> None:
    assert reason in refusal(wanted=wanted)


def test_what_others_hold_is_not_free() -> None:
    assert "4 needed, 3 of 4 free; python (process 7) has the others" in refusal(
        VLLM, GENOA, busy={uuid(0): "python (process 7)"}
    )
    assert "nginx listens there" in refusal(listening={8000: "nginx"})


def test_an_edition_that_the_recipe_does_not_know() -> None:
    picky = replace(VLLM, requires=Requirements(4, cards=("Server",)))
    assert instance(VLLM, GENOA)
    assert "requires.cards: Server needed" in refusal(picky, GENOA)


def test_a_recipe_that_is_not_served_names_what_to_type() -> None:
    quantize = replace(VLLM, kind="quantize", instead={"deploy": "glmprov quantize recipe-5"})
    with pytest.raises(UsageError) as caught:
        instance(quantize)
    assert caught.value.next_step == "glmprov quantize recipe-5"


def test_a_set_value_meets_the_argument_under_whichever_name_it_has() -> None:
    found = instance(SGLANG, wanted=Wanted(sets=parse_sets(["tp=2", "max_running_requests=8", "A=b"])))
    assert found.launch.arguments["tp-size"] == "2"
    assert found.launch.arguments["max-running-requests"] == "8"
    assert found.launch.origin("arguments.tp-size") == "--set"
    assert len(found.gpus) == 2
    assert found.environment["A"].origin == "--set"


def test_null_takes_away_and_no_value_switches_on() -> None:
    change = parse_sets(["quantization=null", "enable-metrics", "docker.shm-size=8g", "image=a:1"])
    assert change.arguments == {"quantization": None, "enable-metrics": True}
    assert change.options == {"shm-size": "8g"}
    assert change.image == "a:1"
    with pytest.raises(UsageError):
        parse_sets(["=3"])


def test_the_environment_is_in_order_of_precedence_and_every_value_says_whence() -> None:
    profile = {"NCCL_P2P_LEVEL": "SYS", "NCCL_BUFFSIZE": "1", "NCCL_DEBUG": "INFO"}
    found = instance(
        observation=host(TURIN, nccl=profile),
        locked=locked(VLLM, {"NCCL_DEBUG": "WARN", "PATH": "/bin"}),
        wanted=Wanted(inventory=parse_sets(["A=inventory", "B=inventory"]), sets=parse_sets(["B=set"])),
    )
    told = {name: (variable.value, variable.origin) for name, variable in found.environment.items()}
    assert told["NCCL_P2P_LEVEL"] == ("SYS", "host profile")
    assert told["NCCL_BUFFSIZE"] == ("67108864", "recipe")
    assert "NCCL_DEBUG" not in told and "PATH" not in told
    assert told["A"] == ("inventory", "inventory")
    assert told["B"] == ("set", "--set")
    assert told["HF_HUB_OFFLINE"] == ("1", "glmprov")
    assert any("NCCL_DEBUG: the image sets WARN" in note for note in found.notes)


def test_an_image_of_its_own_is_told_by_its_environment_and_the_key_is_not_in_it() -> None:
    found = instance(OWN_LAUNCHER)
    values = {name: variable.value for name, variable in found.environment.items()}
    assert values["PORT"] == "8000"
    assert values["MODEL_PATH"] == "/models/GLM-4.7-FP8"
    assert "API_KEY" not in values
    keyless = recipe(replace(OWN_LAUNCHER.published, environment={"PORT": "{port}"}))
    assert "takes no key as far as we know" in refusal(keyless)
    assert instance(keyless, wanted=Wanted(auth="none")).key_file is None


def test_as_published_keeps_the_command_and_borrows_the_image() -> None:
    bare = replace(SGLANG.published, image=None, options={})
    bare = replace(bare, version="0.5.9")
    change = Change(version="0.5.14", image="lmsysorg/sglang:v0.5.14", renamed={"tp": "tp-size"})
    one = recipe(bare, corrections=(Correction(change, "why", Source("who")),))
    found = instance(
        one,
        wanted=Wanted(as_published=True),
        locked=Locked(Image("lmsysorg/sglang:v0.5.14", "sha256:" + "ab" * 32)),
    )
    assert "tp" in found.launch.arguments
    assert found.form == "as published"
    assert (found.launch.image, found.launch.version) == ("lmsysorg/sglang:v0.5.14", "0.5.14")
    assert found.launch.origin("image") == found.launch.origin("version") == "correction"
    (warning,) = [note for note in found.notes if note.startswith("warning")]
    assert "published for sglang 0.5.9 without an image" in warning
    assert "lmsysorg/sglang:v0.5.14, the corrected form's, runs it, and that is sglang 0.5.14" in warning


def test_as_published_runs_in_the_image_that_it_names() -> None:
    change = Change(version="0.5.23", image="lmsysorg/sglang:v0.5.23")
    one = recipe(SGLANG.published, corrections=(Correction(change, "why", Source("who")),))
    launch, notes = final(one, Wanted(as_published=True))
    assert (launch.image, launch.version) == ("lmsysorg/sglang:v0.5.14", "0.5.14")
    assert not any("warning" in note for note in notes)


@pytest.mark.parametrize("own", [{"sets": parse_sets(["image=a/b:1"])}, {"venv": "/opt/sglang"}])
def test_as_published_in_what_somebody_names_borrows_neither_image_nor_version(own: dict[str, Any]) -> None:
    bare = replace(SGLANG.published, image=None, version="0.5.9", options={})
    change = Change(version="0.5.14", image="lmsysorg/sglang:v0.5.14")
    one = recipe(bare, corrections=(Correction(change, "why", Source("who")),))
    launch, notes = final(one, Wanted(as_published=True, **own))
    assert launch.version == "0.5.9"
    assert launch.image in (None, "a/b:1")
    assert not any("warning" in note for note in notes)


def test_what_is_reachable_is_said() -> None:
    assert any("every network" in note for note in instance().notes)
    assert any("guards /v1 only" in note for note in instance().notes)
    local = instance(wanted=Wanted(listen="127.0.0.1", auth="none"))
    assert any("127.0.0.1 only" in note for note in local.notes)
    assert any("no key" in note for note in local.notes)


def test_no_image_and_no_virtual_environment() -> None:
    assert "no image" in refusal(recipe(Launch("vllm", "0.23.0", ("vllm", "serve"), {"": "m"})))


def test_another_model_is_what_the_launch_names_whatever_the_recipe_was_made_for() -> None:
    launch, _ = final(VLLM, Wanted(name="glm", model="/srv/models/own"))
    assert launch.arguments[""] == "own"
    assert launch.origin("arguments.") == "--model"
