"""Where an instance serves, as its receipt says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.instance.hosts import OWN_LAUNCHER, SGLANG, VLLM, instance

from glmprov.actions.deploy.records import expected_of, receipt_of
from glmprov.actions.endpoint import endpoint_of
from glmprov.deployed import ObservedInstance
from glmprov.instance import Wanted, parse_sets
from glmprov.recipe import Recipe
from glmprov.results.endpoint import HostEndpoint
from glmprov.state import InstanceState, Unknown


def endpoint(recipe: Recipe = VLLM, active: str = "active", **asked: Any) -> HostEndpoint:
    made = instance(recipe, wanted=Wanted(**asked))
    receipt = receipt_of(made, expected_of(made, None, {}), None)
    return endpoint_of("gpu-1", made.name, ObservedInstance(receipt, InstanceState(), active), "10.0.0.11")


@pytest.mark.parametrize(
    ("listen", "target", "local"),
    [
        ("0.0.0.0", "10.0.0.11:8000", False),
        ("::", "10.0.0.11:8000", False),
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("::1", "[::1]:8000", True),
        ("192.168.1.5", "192.168.1.5:8000", False),
    ],
)
def test_an_endpoint_is_where_others_reach_it(listen: str, target: str, local: bool) -> None:
    found = endpoint(listen=listen)
    assert (found.target, found.local) == (target, local)
    assert (found.model, found.recipe, found.gpus) == ("zai-org/GLM-4.7-FP8", "recipe-x", 4)


def test_a_key_is_named_by_its_file_alone() -> None:
    assert endpoint().key_file == "/etc/glmprov/instances/glm/key"
    assert endpoint(auth="none").key_file is None


@pytest.mark.parametrize(
    ("recipe", "sets", "metrics"),
    [(VLLM, (), True), (SGLANG, (), False), (SGLANG, ("enable-metrics",), True), (OWN_LAUNCHER, (), None)],
)
def test_whether_it_serves_metrics(recipe: Recipe, sets: tuple[str, ...], metrics: bool | None) -> None:
    assert endpoint(recipe, sets=parse_sets(sets)).metrics is metrics


def test_what_is_stopped_serves_nothing_and_what_is_up_has_yet_to_be_asked() -> None:
    stopped, up = endpoint(active="inactive"), endpoint()
    assert (stopped.healthy, stopped.serves) == (False, False)
    assert (up.healthy, up.serves, replace(up, healthy=False).serves) == (None, True, False)


@pytest.mark.parametrize("receipt", [None, Unknown("it was edited by hand")])
def test_an_instance_that_nobody_can_describe_is_one_with_an_error(receipt: Unknown | None) -> None:
    found = endpoint_of("gpu-1", "glm", ObservedInstance(receipt, InstanceState(), "active"), "10.0.0.11")
    assert found.error is not None and found.error.exit_code == 4
