"""The real vLLM, on the CPU, as recipe-3's instance on a host of the fleet: `make test-engine`.

This proves the way from a recipe to tokens: the plan, the unit, the gate, the key, the answer to a client. It proves
nothing of recipe-3's flags on GPUs: those that a CPU can't have are overridden in the inventory, as the plan shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from glmprov_program import run
from rehearsal import ROOT, Fleet, running_fleet

from glmprov import catalog
from glmprov.recipe import Gate

pytestmark = pytest.mark.engine

TINY_GLM = Path(__file__).with_name("tiny_glm.py")
HOST = "genoa-4x"
CPU = {
    "kv-cache-dtype": "auto",
    "tensor-parallel-size": 1,
    "gpu-memory-utilization": None,
    "attention-backend": None,
    "max-model-len": 512,
    "enforce-eager": True,
}
CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": 1, "VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": 1}


@pytest.fixture(scope="module")
def engine() -> Path:
    """The folder of the real engine."""
    made = subprocess.run([ROOT / "tools/cpu_engine.py"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


@pytest.fixture(scope="module")
def model(engine: Path) -> Path:
    """A tiny Glm4Moe that knows the gate's questions by heart. Made once, for these questions and this program."""
    lessons = json.dumps(_lessons())
    digest = hashlib.sha256(lessons.encode() + TINY_GLM.read_bytes()).hexdigest()[:12]
    folder = engine.parent / f"tiny-glm-{digest}"
    if not (folder / "config.json").exists():
        folder.mkdir(exist_ok=True)
        (folder / "lessons.json").write_text(lessons)
        learn = [engine / "bin/python", TINY_GLM, folder / "lessons.json", folder]
        learnt = subprocess.run(learn, capture_output=True, text=True)
        assert learnt.returncode == 0, learnt.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def fleet(engine: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    home = tmp_path_factory.mktemp("fleet")
    with _sharing(home, engine.parent) as up:
        (home / "host_vars").mkdir()
        instance = {
            "recipe": "recipe-3",
            "model": str(model),
            "venv": str(engine),
            "listen": "0.0.0.0",
            "set": CPU,
            "environment": {**CPU_ENVIRONMENT, "LD_LIBRARY_PATH": f"{engine}/libraries"},
            # One "card" holds the engine: the recipe wants four.
            "accept": ["gpus-too-few-for-recipe"],
            "bind": False,
            "start_seconds": 900,
        }
        declared = {"glmprov_instances": {"glm": instance}}
        (home / "host_vars" / f"{HOST}.yml").write_text(yaml.safe_dump(declared))
        run(up, "provision", "--yes", "--reboot").expect(0)
        yield up


@contextmanager
def _sharing(home: Path, folder: Path) -> Iterator[Fleet]:
    with running_fleet(home, "genoa-4x-workstation", "--share", str(folder)) as up:
        yield up


def _lessons() -> list[dict[str, object]]:
    asked = catalog.read("gate.yml")
    call = "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call>"
    return [
        {
            "messages": [{"role": "user", "content": Gate().prompt}],
            "answer": Gate().expected,
        },
        {
            "messages": [{"role": "user", "content": asked["tool_prompt"]}],
            "tools": [asked["tool"]],
            "answer": call,
        },
    ]


def test_recipe_3_is_deployed_with_the_real_engine_and_answers_its_client(fleet: Fleet, engine: Path) -> None:
    planned = run(fleet, "deploy", "--check")
    overrides = [
        line.split() for line in (planned.out + planned.err).splitlines() if "--enforce-eager" in line
    ]
    assert overrides and "inventory" in overrides[0], "the plan says where the overrides for a CPU come from"
    run(fleet, "deploy", "--yes").expect(0)
    node = fleet.nodes[HOST]
    key = node.ssh("cat /etc/glmprov/instances/glm/key 2>/dev/null || true")
    client = """
import json, sys
from openai import OpenAI
address, key, prompt, tool = sys.argv[1:]
client = OpenAI(base_url=f"http://{address}/v1", api_key=key or "none", max_retries=0, timeout=60)
model = client.models.list().data[0].id
extra = {"chat_template_kwargs": {"enable_thinking": False}}
ask = lambda text, **more: client.chat.completions.create(
    model=model, messages=[{"role": "user", "content": text}], temperature=0, max_tokens=100, extra_body=extra, **more
).choices[0].message
tool = json.loads(tool)
call = ask(tool["tool_prompt"], tools=[tool["tool"]]).tool_calls[0].function
print(json.dumps([model, ask(prompt).content, call.name, json.loads(call.arguments)]))
"""
    asked = catalog.read("gate.yml")
    command = [
        engine / "bin/python",
        "-c",
        client,
        f"{node.address}:8000",
        key,
        Gate().prompt,
        json.dumps(asked),
    ]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    model, answer, tool, arguments = json.loads(done.stdout)
    assert (answer.strip(), tool, arguments) == (Gate().expected, "get_weather", {"city": "Paris"})
    sys.stderr.write(f"{model} says {answer!r} and calls {tool}({arguments})\n")


def test_the_catalogue_agrees_with_the_real_parser(engine: Path) -> None:
    """No real option is missing: the contract tests that want the engine, run with its own Python."""
    contract = ROOT / "tests/contract/test_engine_catalogues.py"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tools'}", "VLLM_LOGGING_LEVEL": "ERROR"}
    # Without the project's settings, which want plugins that the engine's environment hasn't got.
    options = [
        "-q",
        "-rs",
        "-c",
        os.devnull,
        "--rootdir",
        str(ROOT),
        "-p",
        "no:cacheprovider",
        "-k",
        "real_parser",
    ]
    command = [engine / "bin/python", "-m", "pytest", *options, contract]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "passed" in done.stdout and "skipped" not in done.stdout, done.stdout
