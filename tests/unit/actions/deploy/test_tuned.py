"""Which tuned fused-MoE file an instance will meet: said before anything is stopped, and what the lint goes by."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from unit.actions.deploy.test_planning import HOST, LOCK, THERE, deployed, planned
from unit.instance.hosts import TURIN, VLLM, host

from glmprov.actions.deploy.checks import check, findings_of
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.planning import plan
from glmprov.actions.deploy.tuned import told
from glmprov.engines.moe import listing, listing_argv
from glmprov.errors import PlanError
from glmprov.instance import Wanted
from glmprov.observation import Observation
from glmprov.results.review import HostReview
from glmprov.state import Unknown

NAME = "E=160,N=384,device_name=NVIDIA_RTX_PRO_6000_Blackwell_Server_Edition,dtype=fp8_w8a8.json"
FOLDER = "/opt/vllm/configs"


def with_file(folder: Path, text: str, observation: Observation | None = None) -> Planned:
    """Return the plan of a recipe with a file of its own."""
    (folder / "moe.json").write_text(text)
    own = replace(VLLM, moe_config="moe.json", place=str(folder / "recipe.yml"))
    return plan(HOST, observation or host(TURIN), own, LOCK, Wanted(), THERE, "glmprov provision")


def test_what_the_image_ships_is_said() -> None:
    (said,) = told(planned(), host(TURIN), {FOLDER: [NAME]})
    assert said == f"tuned fused-MoE file: the image ships {NAME}"


def test_without_the_file_the_default_tile_is_judged() -> None:
    (said,) = told(planned(), host(TURIN), {FOLDER: ["E=8.json"]})
    assert f"ships no {NAME}" in said
    assert "B of shared memory" in said


def test_an_image_that_cannot_be_asked_is_unknown_and_one_that_is_not_there_is_no_reason_to_speak() -> None:
    (said,) = told(planned(), host(TURIN), Unknown("no python3"))
    assert "can't be seen: no python3" in said
    assert not list(told(planned(), host(TURIN), None))


def test_the_recipes_own_is_mounted_and_what_the_image_ships_does_not_matter(tmp_path: Path) -> None:
    own = with_file(tmp_path, '{"1": {}}')
    (said,) = told(own, host(TURIN), {FOLDER: ["E=8.json"]})
    assert said == f"tuned fused-MoE file: the recipe's own, mounted as {NAME}"


def test_the_lint_goes_by_the_image_on_the_host() -> None:
    def rules(shipped: dict[str, list[str]]) -> set[str]:
        return {each.rule for each in findings_of(planned(), VLLM, host(TURIN), shipped)}

    assert any(rule.startswith("fused-moe") for rule in rules({FOLDER: []}))
    assert not any(rule.startswith("fused-moe") for rule in rules({FOLDER: [NAME]}))


def test_a_tile_that_does_not_fit_is_refused_before_anything_is_stopped(tmp_path: Path) -> None:
    tile = '{"1": {"BLOCK_SIZE_M": 256, "BLOCK_SIZE_N": 256, "BLOCK_SIZE_K": 256, "num_stages": 4}}'
    review = HostReview("gpu-1", host(TURIN))
    with pytest.raises(PlanError, match="moe-config-unusable"):
        check(with_file(tmp_path, tile), VLLM, review, Wanted(), "glmprov provision")


def test_another_file_is_another_wish(tmp_path: Path) -> None:
    again = with_file(tmp_path, '{"2": {}}', deployed(with_file(tmp_path, '{"1": {}}')))
    assert any(each.startswith("moe.text") for each in again.declared)
    assert again.restarts


def test_the_listing_finds_what_a_package_ships_without_importing_it(tmp_path: Path) -> None:
    folder = tmp_path / "vllm/layers/configs"
    folder.mkdir(parents=True)
    (tmp_path / "vllm/__init__.py").write_text("raise SystemExit('imported')")
    (folder / NAME).write_text("{}")
    _, *rest = listing_argv("vllm")
    done = subprocess.run([sys.executable, *rest], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listing(done.stdout) == {str(folder): [NAME]}
