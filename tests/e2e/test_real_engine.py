"""The real vLLM, on the CPU, as recipe-3's instance on a host of the fleet: `make test-engine`.

This proves the way from a recipe to tokens: the plan, the unit, the gate, the key, the answer to a client. It proves
nothing of recipe-3's flags on GPUs: those that a CPU can't have are overridden in the inventory, as the plan shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cpu_engine
import cpu_instance
import pytest
from glmprov_program import run
from rehearsal import ROOT, Fleet, running_fleet

from glmprov import catalog
from glmprov.recipe import Gate

# The first test waits for the model's lessons and for a start that may take the instance's 900 s.
pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

HOST = "genoa-4x"


@pytest.fixture(scope="module")
def engine() -> Path:
    """The folder of the real engine."""
    assert cpu_engine.is_complete(), "tools/cpu_engine.py installs it"
    return cpu_engine.home()


@pytest.fixture(scope="module")
def fleet(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    home = tmp_path_factory.mktemp("fleet")
    with running_fleet(home, "genoa-4x-workstation", "--share", str(cpu_engine.folder())) as up:
        with up.inventory.open("a") as inventory:
            inventory.write(cpu_instance.declaration(HOST))
        run(up, "provision", "--yes", "--reboot").expect(0)
        yield up


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
address, key, prompt, tool, chat = sys.argv[1:]
client = OpenAI(base_url=f"http://{address}/v1", api_key=key or "none", max_retries=0, timeout=60)
model = client.models.list().data[0].id
extra = {"chat_template_kwargs": {"enable_thinking": False}}
ask = lambda text, **more: client.chat.completions.create(
    model=model, messages=[{"role": "user", "content": text}], temperature=0, max_tokens=100, extra_body=extra, **more
).choices[0].message
tool = json.loads(tool)
call = ask(tool["tool_prompt"], tools=[tool["tool"]]).tool_calls[0].function
plainly = lambda text: client.chat.completions.create(
    model=model, messages=[{"role": "user", "content": text}]
).choices[0].message.content
chat = {text: plainly(text) for text in json.loads(chat)}
print(json.dumps([model, ask(prompt).content, call.name, json.loads(call.arguments), chat]))
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
        json.dumps(list(cpu_instance.CHAT)),
    ]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    model, answer, tool, arguments, chat = json.loads(done.stdout)
    assert (answer.strip(), tool, arguments) == (Gate().expected, "get_weather", {"city": "Paris"})
    assert chat == cpu_instance.CHAT, "what the demo says that it knows"
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
