"""recipe-3's instance with the real vLLM on the CPU, as `make demo ENGINE=vllm` and `make test-engine` deploy it.

`cpu_instance.py declare HOST` prints what a fleet's inventory says of it, and teaches the tiny model first where that
isn't done; `cpu_instance.py about` says what it is and what it can be asked. The engine must be there (cpu_engine.py),
and the fleet must share its folder (`glmprov lab up --share`).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cpu_engine

from glmprov import catalog
from glmprov.recipe import Gate

TINY_GLM = Path(__file__).with_name("tiny_glm.py")
CPU: dict[str, Any] = {
    "kv-cache-dtype": "auto",
    "tensor-parallel-size": 1,
    "gpu-memory-utilization": None,
    "attention-backend": None,
    "max-model-len": 512,
    "enforce-eager": True,
}
"""Instead of those of recipe-3's arguments that a CPU or so small a model can't have."""
ENVIRONMENT: dict[str, Any] = {
    "VLLM_CPU_KVCACHE_SPACE": 1,
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "HF_HUB_OFFLINE": 1,
    "LD_LIBRARY_PATH": str(cpu_engine.LIBRARIES),
}
CHAT = {
    "What is 6 times 7?": "42",
    "Capital of France?": "Paris",
    "Who are you?": "A tiny Glm4Moe on the real vLLM. I know these answers by heart and nothing else.",
}
"""What a person may ask it, besides the gate's questions. Engine and model think first unless they are told not to."""
THOUGHT = "I know this one."
ABOUT = f"""\
Ask it. The engine is the real vLLM {cpu_engine.VERSION}, on this machine's CPU; the cards are simulated, and it
uses none. The model is a tiny Glm4Moe that learnt a few answers by heart. That proves the way from
recipe-3 to an answer: plan, unit, gate, key, client. It proves nothing of recipe-3's image, of its
flags for GPUs, of quality or of speed. It knows {", ".join(f"'{prompt}'" for prompt in CHAT)}.
What it says to anything else is wrong."""


def instance(model: Path) -> dict[str, Any]:
    """Return what an inventory declares of the instance (InstanceSettings), of a model that was taught."""
    return {
        "recipe": "recipe-3",
        "model": str(model),
        "venv": str(cpu_engine.home()),
        "listen": "0.0.0.0",  # noqa: S104  (the hosts' network is the fleet's own)
        "set": CPU,
        "environment": ENVIRONMENT,
        # One "card" holds the engine: the recipe wants four.
        "accept": ["gpus-too-few-for-recipe"],
        "bind": False,
        "start_seconds": 900,
    }


def taught() -> Path:
    """Return the folder of a tiny Glm4Moe that knows the lessons. Taught once for these lessons and this program."""
    lessons = json.dumps(_lessons())
    digest = hashlib.sha256(lessons.encode() + TINY_GLM.read_bytes()).hexdigest()[:12]
    folder = cpu_engine.folder() / f"tiny-glm-{digest}"
    if not (folder / "taught").exists():
        begun = time.monotonic()
        _say(f"Teaching a tiny Glm4Moe {len(_lessons())} answers, a minute or two: {folder}")
        folder.mkdir(exist_ok=True)
        (folder / "lessons.json").write_text(lessons)
        learn = [cpu_engine.home() / "bin/python", TINY_GLM, folder / "lessons.json", folder]
        subprocess.run(learn, check=True, stdout=sys.stderr)
        (folder / "taught").touch()
        _say(f"It knows them ({time.monotonic() - begun:.0f} s)")
    return folder


def declaration(host: str) -> str:
    """Return the lines of an inventory in Ansible's ini form that declare the instance on a host."""
    return "\n".join(
        [
            "",
            "# The real vLLM on the CPU: what recipe-3 can't have there is set otherwise.",
            "[vllm_on_cpu]",
            host,
            "",
            "[vllm_on_cpu:vars]",
            f"glmprov_instances={ {'glm': instance(taught())}!r}",
            "",
        ]
    )


def _lessons() -> list[dict[str, Any]]:
    gate = catalog.read("gate.yml")
    call = "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call>"
    told = {Gate().prompt: Gate().expected, **CHAT}
    return [
        {"messages": _asked(gate["tool_prompt"]), "tools": [gate["tool"]], "answer": call},
        *({"messages": _asked(prompt), "answer": answer} for prompt, answer in told.items()),
        *(
            {"messages": _asked(prompt), "thought": THOUGHT, "answer": answer}
            for prompt, answer in told.items()
        ),
    ]


def _asked(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(words: list[str]) -> int:
    """Print the declaration, or what the instance is."""
    match words:
        case ["declare", host]:
            sys.stdout.write(declaration(host))
            _say(f"Declared on {host}: recipe-3 with the real vLLM. It takes some minutes to start on a CPU.")
        case ["about"]:
            sys.stdout.write(f"{ABOUT}\n")
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
