"""The unit, the `docker run` in it, and the files beside it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

from unit.instance.hosts import OWN_LAUNCHER, SGLANG, VLLM, instance, recipe
from unit.summary import uuid

from glmprov.instance import (
    Wanted,
    docker_argv,
    environment_text,
    gate_settings,
    gate_text,
    key_rendering,
    parse_sets,
    texts_of,
    unit_text,
)
from glmprov.recipe import Launch


def option(argv: tuple[str, ...], name: str) -> list[str]:
    return [argv[at + 1] for at, word in enumerate(argv) if word == f"--{name}"]


def test_the_container_by_digest_with_cards_by_uuid_and_without_a_restart_of_its_own() -> None:
    argv = docker_argv(instance())
    assert "vllm/vllm-openai@sha256:" + "ab" * 32 in argv
    assert option(argv, "gpus") == ['"device=' + ",".join(map(uuid, range(4))) + '"']
    assert option(argv, "pull") == ["never"]
    assert "--rm" in argv and "--restart" not in argv
    assert option(argv, "ulimit") == ["memlock=-1", "stack=67108864"]
    assert (option(argv, "ipc"), option(argv, "network")) == (["host"], ["host"])
    assert (option(argv, "cpuset-cpus"), option(argv, "cpuset-mems")) == (["0-7"], ["0"])
    assert "/var/lib/glmprov/models/zai-org/GLM-4.7-FP8/0a1b:/models/GLM-4.7-FP8:ro" in option(argv, "volume")
    assert "glmprov-jit-" + "ab" * 6 + ":/var/cache/glmprov" in option(argv, "volume")


def test_the_engine_is_told_where_the_weights_are_and_keeps_its_name_for_them() -> None:
    argv = docker_argv(instance())
    assert argv[argv.index("vllm/vllm-openai@sha256:" + "ab" * 32) + 1 :][:2] == (
        "serve",
        "/models/GLM-4.7-FP8",
    )
    assert option(argv, "entrypoint") == ["vllm"]
    assert option(argv, "served-model-name") == ["zai-org/GLM-4.7-FP8"]
    assert option(argv, "port") == ["8000"]


def test_a_published_port_stays_published_and_the_author_s_folder_is_ours() -> None:
    argv = docker_argv(instance(SGLANG, wanted=Wanted(port=31000, listen="10.0.0.1")))
    assert option(argv, "publish") == ["10.0.0.1:31000:30000"]
    assert option(argv, "network") == ["bridge"]
    assert option(argv, "port") == ["30000"]
    assert option(argv, "host") == ["0.0.0.0"]
    assert not [volume for volume in option(argv, "volume") if volume.startswith("/path/to")]
    assert option(argv, "gpus")[0].startswith('"device=GPU-')


def test_the_key_is_in_no_argument_and_in_no_file_that_others_read() -> None:
    for one in (VLLM, SGLANG, OWN_LAUNCHER):
        found = instance(one)
        rendering = key_rendering(found)
        assert rendering is not None and "{key}" in rendering.text
        shown = unit_text(found) + environment_text(found) + gate_text(found)
        assert "{key}" not in shown
    assert key_rendering(instance()).text == "VLLM_API_KEY={key}\n"  # type: ignore[union-attr]
    assert "--config /run/glmprov/key.yml" in shlex.join(docker_argv(instance(SGLANG)))
    assert "/etc/glmprov/instances/glm/key.env" in option(docker_argv(instance(OWN_LAUNCHER)), "env-file")
    assert key_rendering(instance(wanted=Wanted(auth="none"))) is None


def test_an_engine_that_logs_its_key_gets_a_logging_configuration_without_it() -> None:
    found = instance(SGLANG)
    path = "/etc/glmprov/instances/glm/logging.json"
    assert f"{path}:/run/glmprov/logging.json:ro" in option(docker_argv(found), "volume")
    assert found.environment["SGLANG_LOGGING_CONFIG_PATH"].value == "/run/glmprov/logging.json"
    levels = json.loads(texts_of(found)[path])
    assert levels["root"]["level"] == "INFO" and levels["disable_existing_loggers"] is False
    assert levels["loggers"]["sglang.srt.entrypoints.engine"] == {"level": "WARNING"}
    venv = instance(SGLANG, wanted=Wanted(venv="/opt/venv", port=30000))
    assert venv.environment["SGLANG_LOGGING_CONFIG_PATH"].value == path
    for other in (instance(VLLM), instance(OWN_LAUNCHER), instance(SGLANG, wanted=Wanted(auth="none"))):
        assert not [name for name in (*texts_of(other), *other.environment) if "logging" in name.lower()]


def test_a_logging_configuration_of_the_recipes_own_stays() -> None:
    sets = parse_sets(["SGLANG_LOGGING_CONFIG_PATH=/mine.json"])
    found = instance(SGLANG, wanted=Wanted(sets=sets))
    assert found.environment["SGLANG_LOGGING_CONFIG_PATH"].value == "/mine.json"
    assert not [path for path in texts_of(found) if path.endswith("logging.json")]


def test_the_unit_waits_for_the_cards_and_gates_every_start() -> None:
    lines = unit_text(instance()).splitlines()
    (after,) = [line for line in lines if line.startswith("After=")]
    for name in (
        "network-online.target",
        "docker",
        "nvidia-persistenced",
        "glmprov-gpu-power",
        "glmprov-host-tuning",
    ):
        assert name in after
    assert "Requires=docker.service" in lines
    assert "Restart=on-failure" in lines
    assert "ExecStartPost=/usr/local/lib/glmprov/gate /etc/glmprov/instances/glm/gate.json" in lines
    assert "ExecStop=/usr/bin/docker stop --time 60 glmprov-glm" in lines
    starts = dict(line.split("=", 1) for line in lines if "=" in line)
    budget = instance().gate.start_seconds
    assert int(starts["TimeoutStartSec"]) > budget
    assert int(starts["StartLimitIntervalSec"]) > int(starts["StartLimitBurst"]) * budget


def test_a_virtual_environment_gets_by_directives_what_a_container_gets_by_arguments() -> None:
    found = instance(wanted=Wanted(venv="/opt/venv"))
    text = unit_text(found)
    weights = "/var/lib/glmprov/models/zai-org/GLM-4.7-FP8/0a1b"
    assert f"ExecStart=/opt/venv/bin/vllm serve {weights} \\\n" in text
    assert "docker" not in text
    for line in (
        "CPUAffinity=0-7",
        "NUMAPolicy=bind",
        "NUMAMask=0",
        "LimitMEMLOCK=infinity",
        "PrivateTmp=yes",
    ):
        assert f"{line}\n" in text
    assert "EnvironmentFile=/etc/glmprov/instances/glm/key.env\n" in text
    assert f'CUDA_VISIBLE_DEVICES="{",".join(found.gpus)}"' in environment_text(found)
    assert "CPUAffinity" not in unit_text(instance(wanted=Wanted(venv="/opt/venv", bind=False)))


def test_an_engine_in_somebodys_home_is_seen_there_and_nothing_else_of_it() -> None:
    text = unit_text(instance(wanted=Wanted(venv="/home/ann/vllm env")))
    assert 'ProtectHome=tmpfs\nBindReadOnlyPaths="/home/ann/vllm env"\n' in text
    assert "ProtectHome=yes\n" in unit_text(instance(wanted=Wanted(venv="/opt/venv")))


def test_a_percent_sign_and_a_dollar_reach_the_engine_as_they_are() -> None:
    found = instance(wanted=Wanted(sets=parse_sets(['chat-template={{ "a" }} 50% $x'])))
    assert '--chat-template "{{ \\"a\\" }} 50%% $$x"' in unit_text(found)


def test_the_gate_asks_for_a_tool_call_only_where_a_parser_is_named() -> None:
    settings = gate_settings(instance())
    assert settings["tool"]["tools"][0]["function"]["name"] == "get_weather"
    assert settings["address"] == "127.0.0.1"
    assert settings["key_file"] == "/etc/glmprov/instances/glm/key"
    without = recipe(Launch("vllm", "0.23.0", ("vllm", "serve"), {"": "m"}, image="a:1"), 1)
    assert gate_settings(instance(without))["tool"] is None
    quiet = replace(VLLM, gate=replace(VLLM.gate, tool_call=False))
    assert gate_settings(instance(quiet))["tool"] is None
    assert json.loads(gate_text(instance(OWN_LAUNCHER)))["model"] is None
