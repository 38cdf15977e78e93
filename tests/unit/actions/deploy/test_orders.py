"""What is asked of an instance: the inventory's word and the command line's, and where its key comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glmprov.actions.deploy.orders import KEY_CHARACTERS, key_of, wanted_of
from glmprov.errors import HookError, InventoryError, UsageError
from glmprov.instance import Wanted, parse_sets
from glmprov.secret import Secret
from glmprov.settings.instances import declared, model_root

ROLES = Path(__file__).parents[4] / "roles"


def inventory(**settings: Any) -> dict[str, Any]:
    return {"glmprov_instances": {"left": settings}}


def test_the_command_line_wins_over_the_inventory() -> None:
    said = declared("gpu-1", inventory(recipe="recipe-3", port=8001, set={"max_num_seqs": 8}, bind=False))[
        "left"
    ]
    wanted = wanted_of("left", said, Wanted(port=9000, sets=parse_sets(["max-num-seqs=4"])))
    assert (wanted.name, wanted.port, wanted.bind) == ("left", 9000, False)
    assert wanted.inventory.arguments == {"max-num-seqs": "8"}
    assert wanted.sets.arguments == {"max-num-seqs": "4"}


def test_values_as_people_write_them() -> None:
    said = declared(
        "gpu-1",
        inventory(
            gpus=["GPU-1", "GPU-2"],
            environment={"NCCL_DEBUG": "INFO", "A": True, "B": None, "C": 1},
            set={"enable-metrics": True, "quantization": None},
            docker={"volume": ["/a:/a"], "shm-size": "8g"},
        ),
    )["left"]
    wanted = wanted_of("left", said, Wanted())
    assert wanted.gpus == "GPU-1,GPU-2"
    assert wanted.inventory.environment == {"NCCL_DEBUG": "INFO", "A": "1", "B": None, "C": "1"}
    assert wanted.inventory.arguments == {"enable-metrics": True, "quantization": None}
    assert wanted.inventory.options == {"volume": ("/a:/a",), "shm-size": "8g"}


def test_every_fault_of_the_inventory_at_once_with_its_place() -> None:
    wrong = {
        "left": {"recipee": "recipe-3", "port": 70000, "listen": "everywhere"},
        "right": {"environment": {"A": Secret("x")}},
    }
    with pytest.raises(InventoryError) as caught:
        declared("gpu-1", {"glmprov_instances": wrong})
    said = str(caught.value.message)
    assert "glmprov_instances.left.recipee: no such setting; did you mean recipe?" in said
    assert "glmprov_instances.left.port" in said
    assert "glmprov_instances.left.listen" in said
    assert "glmprov_instances.right.environment: is a vault value" in said
    with pytest.raises(InventoryError, match="got list"):
        declared("gpu-1", {"glmprov_instances": ["recipe-3"]})
    assert declared("gpu-1", {}) == {}


def test_where_the_key_comes_from() -> None:
    assert key_of("gpu-1", "left", None) is None
    held = declared("gpu-1", inventory(api_key=Secret("sk-12345\n")))["left"]
    assert key_of("gpu-1", "left", held) == Secret("sk-12345")
    printed = declared("gpu-1", inventory(api_key_command='echo "sk-$GLMPROV_HOST-$GLMPROV_INSTANCE"'))[
        "left"
    ]
    assert key_of("gpu-1", "left", printed) == Secret("sk-gpu-1-left")


@pytest.mark.parametrize(
    ("command", "error", "reason"),
    [
        ("echo no vault >&2; exit 3", HookError, "ended with 3: no vault"),
        ("true", UsageError, "printed no key"),
        ("echo 'two words'", UsageError, "eight characters at least"),
    ],
)
def test_a_command_that_gives_no_key(command: str, error: type[Exception], reason: str) -> None:
    said = declared("gpu-1", inventory(api_key_command=command))["left"]
    with pytest.raises(error, match=reason):
        key_of("gpu-1", "left", said)


def test_a_key_that_no_host_would_take_is_refused_before_one_is_asked() -> None:
    said = declared("gpu-1", inventory(api_key=Secret("short")))["left"]
    with pytest.raises(UsageError, match="eight characters at least") as caught:
        key_of("gpu-1", "left", said)
    assert caught.value.place == "glmprov_instances.left.api_key" and "short" not in str(caught.value)
    role = (ROLES / "engine_service/library/engine_service_instance.py").read_text(encoding="utf-8")
    assert f'KEY_CHARACTERS = re.compile(r"{KEY_CHARACTERS.pattern}")' in role


def test_the_models_folder() -> None:
    assert model_root({}) is None
    assert model_root({"glmprov_model_root": "/data/models/"}) == "/data/models"
