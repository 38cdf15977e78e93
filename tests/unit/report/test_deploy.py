"""What a person reads of a deploy: before it, and after it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from unit.actions.deploy.test_planning import planned

from glmprov.actions.deploy.stages import _rounds
from glmprov.actions.deploy.work import Deployment
from glmprov.errors import ExitCode, GateError, PlanError, RestoreError
from glmprov.inventory import Host
from glmprov.recipe import Change
from glmprov.recipe.launch import changed
from glmprov.report import deploy as report
from glmprov.results.deploy import Deployed, HostDeploy, deploy_code
from glmprov.results.review import HostReview


def deployment(host: str = "gpu-1", name: str = "glm", **values: Any) -> Deployment:
    made = Deployment(Host(host, {}, ""), name, HostReview(host), planned=planned())
    for key, value in values.items():
        setattr(made, key, value)
    return made


def read(blocks: Any) -> str:
    text = io.StringIO()
    console = Console(file=text, width=200, soft_wrap=True, color_system=None)
    for block in blocks:
        console.print(block)
    return text.getvalue()


def told(**values: Any) -> HostDeploy:
    return deployment(**values).told


@pytest.mark.parametrize(
    ("values", "word", "code"),
    [
        ({"done": True}, Deployed.DEPLOYED, ExitCode.DONE),
        (
            {"restored": "receipt 1 serves again", "error": GateError("x")},
            Deployed.RESTORED,
            ExitCode.GATE_FAILED,
        ),
        ({"error": RestoreError("x")}, Deployed.FAILED, ExitCode.RESTORE_FAILED),
        ({"error": PlanError("x")}, Deployed.FAILED, ExitCode.FAILED),
        ({"not_begun": "interrupted"}, Deployed.NOT_BEGUN, ExitCode.DRIFT),
    ],
)
def test_what_became_of_it_and_its_exit_code(values: dict[str, Any], word: Deployed, code: ExitCode) -> None:
    result = told(**values)
    assert result.word is word
    assert deploy_code([result]) is code


def test_one_with_nothing_to_do_is_unchanged() -> None:
    nothing = deployment()
    nothing.planned = replace(planned(), declared=(), found=())
    assert nothing.told.word is Deployed.UNCHANGED
    assert "nothing to do" in read(report.planned([nothing.told]))
    assert deploy_code([nothing.told]) is ExitCode.DONE


def test_the_plan_says_image_model_cards_port_key_and_whence_a_value_comes() -> None:
    said = read(report.planned([told()]))
    for words in ("vllm/vllm-openai:v0.23.0 is sha256:abab", "zai-org/GLM-4.7-FP8 at 0a1b", "4: GPU-0000", "8000",
                  "key in /etc/glmprov/instances/glm/key", "NCCL_P2P_LEVEL", "host profile"):  # fmt: skip
        assert words in said
    assert "NCCL_BUFFSIZE" not in said
    assert "NCCL_BUFFSIZE" in read(report.planned([told()], verbose=True))


def test_the_plan_says_which_virtual_environment_and_what_was_taken_away_by_whom() -> None:
    one = told()
    assert one.instance is not None
    launch = changed(one.instance.launch, Change(arguments={"tensor-parallel-size": None}), "inventory")
    local = replace(one.instance.weights, revision="", model="tiny")
    instance = replace(one.instance, launch=launch, venv="/opt/vllm", weights=local)
    said = [line.split() for line in read(report.planned([replace(one, instance=instance)])).splitlines()]
    assert ["virtual", "environment", "/opt/vllm"] in said
    assert ["--tensor-parallel-size", "taken", "away", "inventory"] in said
    assert ["model", "tiny", local.folder] in said


def test_a_deploy_says_how_long_nothing_served_and_where_the_key_is() -> None:
    said = read(report.deployed([told(done=True, served_before=True, stopped_at=10.0, tokens_at=14.25, answer="42",
                                      tokens=2, tool_call=True, fetched=["image a:1"])]))  # fmt: skip
    assert "down for 4.2 s" in said
    assert "'42' in 2 tokens, and a tool call that parses" in said
    assert "sudo cat /etc/glmprov/instances/glm/key" in said
    assert "fetched: image a:1" in said


def test_a_failed_deploy_names_what_is_known_of_it_and_shows_the_end_of_its_log() -> None:
    said = read(
        report.deployed(
            [
                told(
                    error=GateError("no tokens"),
                    restored="receipt 1 (recipe-1) serves again",
                    known_failure="a tile is too large",
                    log="\n".join(map(str, range(50))),
                )
            ]
        )
    )
    assert "did not serve; receipt 1 (recipe-1) serves again" in said
    assert "known failure: a tile is too large" in said
    assert "49" in said and "\n  5\n" not in said


def test_a_host_has_one_instance_at_a_time() -> None:
    works = [deployment("a", "left"), deployment("a", "right"), deployment("b", "left")]
    assert [[(w.host.name, w.name) for w in each] for each in _rounds(works)] == [
        [("a", "left"), ("b", "left")],
        [("a", "right")],
    ]
