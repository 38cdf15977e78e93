"""Endpoints as Prometheus, LiteLLM and nginx read them, with their own readers where they are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from glmprov.report.gateways import litellm, nginx, prometheus
from glmprov.results.endpoint import HostEndpoint

MODEL = "zai-org/GLM-4.7-FP8"
LEFT = HostEndpoint(
    "gpu-1", "left", "recipe-3", "vllm", MODEL, "10.0.0.11", "0.0.0.0", 8000, 4,
    "/etc/glmprov/instances/left/key", True, "active", True,
)  # fmt: skip
RIGHT = replace(LEFT, name="right", port=8001, key_file=None)
STOPPED = replace(LEFT, host="gpu-2", address="fd00::2", listen="::", active="inactive", healthy=False)
LOCAL = replace(LEFT, host="gpu-3", address="127.0.0.1", listen="127.0.0.1")
ILL = replace(LEFT, host="gpu-4", address="10.0.0.14", healthy=False)
SGLANG = replace(LEFT, host="gpu-5", address="10.0.0.15", engine="sglang", metrics=False)
ALL = (LEFT, RIGHT, STOPPED, LOCAL, ILL, SGLANG)


def test_prometheus_scrapes_what_is_stopped_too_and_nothing_that_it_can_not_reach() -> None:
    text, left = prometheus(ALL)
    groups = json.loads(text)
    assert [group["targets"] for group in groups] == [
        ["10.0.0.11:8000"],
        ["10.0.0.11:8001"],
        ["[fd00::2]:8000"],
        ["10.0.0.14:8000"],
    ]
    assert groups[0]["labels"] == {
        "host": "gpu-1", "name": "left", "recipe": "recipe-3", "engine": "vllm", "model": MODEL,
    }  # fmt: skip
    assert [line.partition(":")[0] for line in left] == ["gpu-3 left is left out", "gpu-5 left is left out"]
    assert "enable-metrics" in left[1]


def test_litellm_gets_what_serves_with_a_variable_in_place_of_each_key() -> None:
    text, left = litellm(ALL)
    models = yaml.safe_load(text)["model_list"]
    assert [each["model_name"] for each in models] == [MODEL] * 3
    assert models[0]["litellm_params"] == {
        "model": f"openai/{MODEL}",
        "api_base": "http://10.0.0.11:8000/v1",
        "api_key": "os.environ/GLMPROV_KEY_GPU_1_LEFT",
    }
    assert models[1]["litellm_params"]["api_key"] == "none"
    assert "#   GLMPROV_KEY_GPU_1_LEFT: in /etc/glmprov/instances/left/key on gpu-1" in text
    assert [line.split()[0] for line in left] == ["gpu-2", "gpu-3", "gpu-4"]


def test_nginx_gets_an_upstream_a_model_with_what_does_not_serve_marked_down() -> None:
    text, left = nginx((*ALL, replace(RIGHT, model="other", port=9000)))
    assert text.count("upstream ") == 2 and "upstream zai_org_glm_4_7_fp8 {" in text
    servers = {
        line.split()[1].rstrip(";"): line.split("#")[0] for line in text.splitlines() if "server " in line
    }
    assert {address for address, line in servers.items() if " down;" in line} == {
        "[fd00::2]:8000",
        "10.0.0.14:8000",
    }
    assert "10.0.0.11:9000" in servers and "127.0.0.1:8000" not in servers
    assert len(left) == 1 and "gpu-3" in left[0]


def test_nothing_is_said_of_nothing() -> None:
    assert (prometheus(())[0], nginx(())[0]) == ("[]", "")
    assert yaml.safe_load(litellm(())[0]) == {"model_list": []}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) isn't installed")
def test_prometheus_own_reader_takes_it(tmp_path: Path) -> None:
    (tmp_path / "glmprov.json").write_text(prometheus(ALL)[0], encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(
        "scrape_configs: [{job_name: engines, file_sd_configs: [{files: [glmprov.json]}]}]", encoding="utf-8"
    )
    checked = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(checked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "FAILED" not in done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx isn't installed")
def test_nginx_own_reader_takes_it(tmp_path: Path) -> None:
    server = "server { listen 127.0.0.1:18999; location / { proxy_pass http://zai_org_glm_4_7_fp8; } }"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    http = f"access_log off; {paths} {nginx(ALL)[0]}\n{server}"
    config = f"error_log stderr; pid {tmp_path}/pid; events {{}} http {{ {http} }}"
    (tmp_path / "nginx.conf").write_text(config, encoding="utf-8")
    done = subprocess.run(
        ["nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
