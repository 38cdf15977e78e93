"""The examples of the docs have the form that their programs want, as ansible-lint's schemas know it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ansiblelint
import jsonschema
import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
SCHEMAS = Path(ansiblelint.__file__).parent / "schemas"


def example(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("execution-environment.yml", "execution-environment.json"),
        ("ansible-navigator.yml", "ansible-navigator-config.json"),
        ("awx.yml", "playbook.json"),
    ],
)
def test_an_example_has_the_form_that_its_program_wants(name: str, schema: str) -> None:
    jsonschema.validate(example(name), json.loads((SCHEMAS / schema).read_text()))


def test_the_image_has_an_ansible_that_we_support() -> None:
    project = (EXAMPLES.parents[1] / "pyproject.toml").read_text()
    (lowest, highest) = (2, 19), (2, 22)
    assert f"ansible-core>={lowest[0]}.{lowest[1]},<{highest[0]}.{highest[1]}" in project
    package = example("execution-environment.yml")["dependencies"]["ansible_core"]["package_pip"]
    version = tuple(map(int, package.removeprefix("ansible-core==").split(".")[:2]))
    assert lowest <= version < highest


def test_awx_runs_the_playbook_and_the_inventory_of_an_export() -> None:
    (play,) = example("awx.yml")
    tasks = {task["name"]: task for task in play["tasks"]}
    assert tasks["Make the job"]["awx.awx.job_template"]["playbook"] == "provision.yml"
    source = tasks["Fill it from the export, host_vars included"]["awx.awx.inventory_source"]
    assert source["source_path"] == "inventory.yml"
