"""What hosts would get of a recipe, in words that can be copied to them."""

from __future__ import annotations

import json
import shlex

import pytest
from unit.instance.hosts import SGLANG, VLLM, instance, locked

from glmprov.cli import run
from glmprov.errors import ExitCode, PlanError
from glmprov.instance import Locked, Wanted, argv, environment_text, unit_text
from glmprov.report.rendered import remarks, rendered, rendered_hosts_json
from glmprov.results.deploy import HostDeploy


def test_a_host_is_shown_its_files_and_argv_word_for_word() -> None:
    made = instance(VLLM)
    text = "\n".join(rendered([HostDeploy("gpu-1", "glm", instance=made)]))
    assert unit_text(made) in text and environment_text(made) in text
    assert "# gpu-1: /etc/systemd/system/glmprov-glm.service\n" in text
    assert tuple(shlex.split(text.splitlines()[-1])) == argv(made)


@pytest.mark.parametrize(("recipe", "file"), [(VLLM, "key.env"), (SGLANG, "key.yml")])
def test_a_place_is_kept_for_the_key_where_root_alone_reads(recipe: object, file: str) -> None:
    made = instance(recipe)  # type: ignore[arg-type]
    (host,) = json.loads(rendered_hosts_json([HostDeploy("gpu-1", "glm", instance=made)], ExitCode.DONE))[
        "hosts"
    ]
    assert [path for path, text in host["files"].items() if "{key}" in text] == [
        "/etc/glmprov/instances/glm/key",
        f"/etc/glmprov/instances/glm/{file}",
    ]
    assert host["argv"] == list(argv(made)) and host["environment"]["HF_HUB_OFFLINE"]["origin"] == "glmprov"


def test_no_key_no_file_for_one() -> None:
    made = instance(wanted=Wanted(auth="none"))
    assert not [text for text in rendered([HostDeploy("gpu-1", "glm", instance=made)]) if "{key}" in text]


def test_what_deploy_would_refuse_is_shown_with_the_reason() -> None:
    error = PlanError("the host isn't as provisioned", next_step="glmprov provision -l gpu-1")
    results = [
        HostDeploy("gpu-1", "glm", instance=instance(), error=error),
        HostDeploy("gpu-2", "glm", error=error),
    ]
    assert len(list(rendered(results))) == len(list(rendered(results[:1])))
    said = list(remarks(results))
    assert said[0] == "gpu-1: deploy would refuse it: the host isn't as provisioned"
    assert said[1:3] == [
        "next: glmprov provision -l gpu-1",
        "gpu-2: not rendered: the host isn't as provisioned",
    ]


def test_an_image_that_nobody_has_looked_into_is_said_to_be_unknown() -> None:
    image = locked(VLLM).image
    assert image is not None
    unseen = type(image)(image.reference, image.digest)
    made = instance(locked=Locked(unseen, locked(VLLM).weights))
    assert "the image isn't there yet" in next(remarks([HostDeploy("gpu-1", "glm", instance=made)]))
    assert not list(remarks([HostDeploy("gpu-1", "glm", instance=instance())]))


@pytest.mark.parametrize(
    "words", [["--gpus", "4"], ["--name", "left"], ["--locked"], ["--hub", "https://hub"]]
)
def test_what_is_about_a_host_wants_one(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "render", "recipe-3", *words]) == 2
    assert f"{words[0]}: that is about a host" in capsys.readouterr().err
