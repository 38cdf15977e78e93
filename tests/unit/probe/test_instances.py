"""What a look finds of instances, and what the audit says of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.instance.hosts import TURIN, host, instance

from glmprov import deployed, drift
from glmprov.actions.deploy.records import expected_of, receipt_of
from glmprov.deployed import InstanceReceipt
from glmprov.observation import Observation
from glmprov.probe.answer import Answer
from glmprov.probe.parse_instances import instances
from glmprov.probe.payload import instances as payload

IMAGE = "sha256:" + "12" * 32
SHARDS = {"model-00001-of-00002.safetensors": 5, "model-00002-of-00002.safetensors": 7}
HOME = "/var/lib/glmprov/instances/glm"


def receipt() -> InstanceReceipt:
    found = instance()
    return receipt_of(found, expected_of(found, IMAGE, SHARDS), before=None)


def answer(written: InstanceReceipt | None, **changes: Any) -> dict[str, Any]:
    """Return what a host answers on which all is as the receipt says, but for the changes."""
    made = receipt()
    service = made.expected.engine_service
    assert service is not None
    shown = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NRestarts": "0"}
    shown |= changes.get("unit", {})
    lines = "\n".join(f"{name}={value}" for name, value in {"Id": "glmprov-glm.service", **shown}.items())
    running = {
        "image": changes.get("image", IMAGE),
        "environment": {**(service.environment or {}), "PATH": "/bin"},
    }
    running["environment"] |= changes.get("environment", {})
    sizes = {f"{HOME}/weights/{name}": size for name, size in SHARDS.items()} | changes.get("sizes", {})
    return {
        "instances": {"glm": changes.get("running", running)},
        "files": {}
        if written is None
        else {f"{HOME}/receipt.json": changes.get("text", deployed.to_json(written))},
        "sums": {**(service.files or {}), **changes.get("sums", {})},
        "sizes": {path: size for path, size in sizes.items() if size is not None},
        "commands": {"instances": {"status": 0, "output": lines}},
    }


def audit(parts: dict[str, Any]) -> dict[str, drift.Difference]:
    observed: Observation = replace(host(TURIN), instances=instances(Answer(parts)))
    return {each.key: each for each in drift.instances(observed)}


def test_an_instance_whose_files_are_gone_is_asked_for_by_its_receipt(tmp_path: Path) -> None:
    for name in ("etc/glm", "etc/.new", "var/lost", "var/never-written"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "var/lost/receipt.json").write_text("{}")
    found = payload.instance_names(str(tmp_path / "etc"), f"{tmp_path}/var/*/receipt.json")
    assert found == ["glm", "lost"]


def test_as_deployed_is_clean() -> None:
    assert audit(answer(receipt())) == {}


UNIT = "/etc/systemd/system/glmprov-glm.service"


@pytest.mark.parametrize(
    ("changes", "key", "observed"),
    [
        ({"sums": {UNIT: "0" * 64}}, f"engine_service[glm].files[{UNIT}]", "sha256 000000000000"),
        ({"environment": {"NCCL_P2P_LEVEL": "PXB"}}, "engine_service[glm].environment[NCCL_P2P_LEVEL]", "PXB"),
        ({"image": "sha256:" + "34" * 32}, "engine_image[glm].image", "sha256 343434343434"),
        ({"sizes": {f"{HOME}/weights/model-00002-of-00002.safetensors": None}},
         "model_store[glm].shards[model-00002-of-00002.safetensors]", None),
        ({"sizes": {f"{HOME}/weights/model-00002-of-00002.safetensors": 6}},
         "model_store[glm].shards[model-00002-of-00002.safetensors]", 6),
        ({"unit": {"NRestarts": "2"}}, "engine_service[glm].restarts", 2),
        ({"unit": {"UnitFileState": "disabled"}}, "engine_service[glm].unit.enabled", False),
    ],
)  # fmt: skip
def test_each_thing_that_drifts_is_named(changes: dict[str, Any], key: str, observed: Any) -> None:
    found = audit(answer(receipt(), **changes))
    assert list(found) == [key]
    assert found[key].observed == observed
    assert found[key].verdict is drift.Verdict.DRIFT
    assert found[key].section in ("engine_service", "engine_image", "model_store")
    assert found[key].reason


def test_of_what_does_not_run_only_that_is_said() -> None:
    stopped = {"running": {"image": None, "environment": None}, "unit": {"ActiveState": "failed"}}
    found = audit(answer(receipt(), **stopped))
    assert list(found) == ["engine_service[glm].unit.active"]
    assert found["engine_service[glm].unit.active"].reason == "systemd says failed"


def test_a_receipt_that_was_edited_or_is_not_there_is_unknown() -> None:
    edited = deployed.to_json(receipt()).replace('"port": 8000', '"port": 8001')
    for parts, reason in ((answer(receipt(), text=edited), "edited by hand"), (answer(None), "no receipt")):
        (difference,) = audit(parts).values()
        assert difference.verdict is drift.Verdict.UNKNOWN
        assert reason in difference.reason


def test_a_receipt_comes_back_as_it_was() -> None:
    made = receipt()
    assert deployed.from_json(deployed.to_json(made)) == made
    assert "{key}" not in "".join(made.texts.values())


def test_the_payload_takes_no_secret_from_a_process() -> None:
    plain = {"NCCL_DEBUG": "INFO", "EMPTY": "", "TOKENIZERS_PARALLELISM": "0"}
    variables = {**plain, "VLLM_API_KEY": "sk-1", "HF_TOKEN": "hf"}
    words = ["/bin/sh", "-c", "echo; read line"]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables)
    assert child.stdout is not None
    child.stdout.readline()  # a process that is just being made has no environment yet
    try:
        assert payload.environment(str(child.pid)).items() >= plain.items()
        assert payload.SECRET == deployed.SECRET_WORDS
        assert not {"VLLM_API_KEY", "HF_TOKEN"} & set(payload.environment(str(child.pid)))
    finally:
        child.kill()
        child.wait()
    assert payload.environment(str(child.pid)) == {"error": "its process is gone"}


def test_the_payload_finds_process_and_image_in_what_docker_says() -> None:
    body = '{"Id":"ab","State":{"Running":true,"Pid":77,"ExitCode":0},"Image":"sha256:12"}'
    assert payload.behind(body, '"Pid":', ",}") == "77"
    assert payload.behind(body, '"Image":"', '"') == "sha256:12"
    assert payload.behind(body, '"Absent":', ",") is None
