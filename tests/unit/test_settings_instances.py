"""What is declared of instances is checked with everything else, all faults at once."""

from __future__ import annotations

from typing import Any

import pytest

from glmprov.errors import InventoryError
from glmprov.secret import Secret
from glmprov.settings import from_variables, instances
from glmprov.settings.instances import INSTANCES, declared
from glmprov.settings.reading import OF_INSTANCES


def faults(**variables: Any) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        from_variables("gpu-1", variables, "rigs.yml")
    assert (caught.value.host, caught.value.place) == ("gpu-1", "rigs.yml")
    return caught.value.message.splitlines()


def test_what_is_declared_is_no_fault_and_read_whole() -> None:
    written = {
        "left": {"recipe": "recipe-3", "gpus": "left", "port": 8001, "set": {"max-num-seqs": 8}},
        "right": {"api_key": Secret("vaulted"), "environment": {"NCCL_DEBUG": "INFO"}},
        "third": None,
    }
    from_variables("gpu-1", {INSTANCES: written, "glmprov_model_root": "/srv/models"})
    found = declared("gpu-1", {INSTANCES: written})
    assert (found["left"].settings.recipe, found["left"].settings.set) == ("recipe-3", {"max-num-seqs": 8})
    assert found["right"].api_key is not None and found["right"].api_key.reveal() == "vaulted"
    assert set(found) == {"left", "right", "third"}


def test_every_fault_is_told_with_its_place_beside_those_of_other_settings() -> None:
    told = faults(
        gpu_power_limit_wats=400,
        glmprov_model_root="models",
        glmprov_instances={
            "left": {"recip": "recipe-3", "port": 80000, "weights": "{{ root }}/glm"},
            "right": {
                "environment": {"HF_TOKEN": Secret("x")},
                "api_key": "a",
                "api_key_command": "pass glm",
            },
            "third": ["recipe-3"],
        },
    )
    places = [line.partition(": ")[0] for line in told]
    assert places == [
        "gpu_power_limit_wats",
        "glmprov_model_root",
        "glmprov_instances.third",
        "glmprov_instances.left.weights",
        "glmprov_instances.left.port",
        "glmprov_instances.left.recip",
        "glmprov_instances.right.environment",
        "glmprov_instances.right",
    ]
    assert "did you mean recipe?" in told[5]


@pytest.mark.parametrize("word", ["glmprov_instance", "glmprov_models_root"])
def test_a_misspelt_name_is_told(word: str) -> None:
    assert "did you mean glmprov_" in faults(**{word: {}})[0]


def test_the_names_are_those_that_instances_are_read_by() -> None:
    assert OF_INSTANCES == (instances.INSTANCES, instances.MODEL_ROOT)


def test_where_weights_come_from_is_one_place_and_no_relative_folder() -> None:
    told = faults(
        glmprov_instances={
            "left": {"weights": "/srv/glm", "weights_from": "gpu-1"},
            "right": {"weights_from": "./glm"},
            "third": {"weights_from": "gpu-1:glm"},
        }
    )
    assert told[0] == "glmprov_instances.left: has weights and weights_from; write one of them"
    assert told[1].startswith(
        "glmprov_instances.right.weights_from: './glm' is no absolute path: write a folder"
    )
    assert told[2].startswith("glmprov_instances.third.weights_from: 'gpu-1:glm' is no place")
