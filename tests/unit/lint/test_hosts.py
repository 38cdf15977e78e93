"""A host as the lint sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.summary import observation
from unit.test_plan_profiles import summary

from glmprov.actions.recipe.lint_hosts import target_of
from glmprov.lint.linted import lint_launch
from glmprov.recipe.launch import Change
from glmprov.recipe.launch import changed as change
from glmprov.recipe.reading import read_shipped
from glmprov.state import NcclEnv, Unknown


@pytest.mark.parametrize(
    ("profile", "gpus", "editions"),
    [("turin-8x-server", 8, {"Server"}), ("mixed-4x", 4, {"Server", "Workstation"})],
)
def test_cards_and_driver_are_the_hosts(profile: str, gpus: int, editions: set[str]) -> None:
    target = target_of(observation(summary(profile, "595.58.03")))
    assert (target.gpus, target.driver) == (gpus, "595.58.03")
    named = {name.removesuffix(" Edition").rpartition(" ")[2] for name in target.cards}
    assert named == editions and len(target.cards) == len(set(target.cards))


def test_a_host_without_a_driver_is_known_by_its_pci_devices() -> None:
    found = observation(summary("turin-8x-server", None))
    assert isinstance(found.hardware.gpus, Unknown)
    target = target_of(found)
    assert (target.gpus, target.driver) == (8, None)
    assert target.cards == ("NVIDIA RTX PRO 6000 Blackwell Server Edition",)


def test_the_hosts_own_nccl_environment_is_overridden_and_said_so() -> None:
    found = observation(summary("turin-8x-server", "595.58.03"))
    found = replace(found, state=replace(found.state, nccl_env=NcclEnv(env={"NCCL_P2P_DISABLE": "0"})))
    recipe = read_shipped("recipe-3")
    said = lint_launch(recipe.published, recipe, target_of(found), as_published=True).findings
    [override] = [each for each in said if each.rule == "variable-overrides-host"]
    assert "NCCL_P2P_DISABLE=1 takes the place of the host's own NCCL_P2P_DISABLE=0" in override.sentence


def test_a_level_that_ends_at_the_node_is_too_short_for_a_group_of_both_sockets() -> None:
    found = observation(summary("turin-8x-server", "595.58.03"))
    found = replace(found, state=replace(found.state, nccl_env=NcclEnv(env={"NCCL_P2P_LEVEL": "PHB"})))
    recipe = read_shipped("recipe-1")
    target = target_of(found)
    whole = change(recipe.corrected, Change(arguments={"tp-size": "8"}), "--set")
    [short] = [
        each for each in lint_launch(whole, recipe, target).findings if each.rule == "p2p-level-below-host"
    ]
    assert short.level == "warn" and "meet at SYS only" in short.sentence
    said = lint_launch(recipe.corrected, recipe, target).findings
    assert "p2p-level-below-host" not in {each.rule for each in said}
