"""The engine simulator: what it takes, refuses, holds, says and answers, and how it fails."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engine_process import Client, Machine, free_port, machine
from unit.instance.hosts import SGLANG as SGLANG_RECIPE
from unit.instance.hosts import instance

from glmprov.instance.log import log_text

GIB = float(1 << 30)
FOUR = ("--tensor-parallel-size", "4")
VLLM = (*FOUR, "--gpu-memory-utilization", "0.95", "--max-model-len", "32768", "--kv-cache-dtype", "fp8")
SGLANG = ("--tp-size", "4", "--mem-fraction-static", "0.95", "--kv-cache-dtype", "fp8_e4m3")
PARSERS = ("--tool-call-parser", "glm47", "--reasoning-parser", "glm45")
AUTO = "--enable-auto-tool-choice"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Return the current weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
WEATHER = "What is the weather in Paris? Use the tool."


@pytest.fixture
def host(tmp_path: Path) -> Machine:
    return machine(tmp_path, "genoa-4x-workstation")


def vllm(host: Machine, *more: str) -> tuple[str, ...]:
    return ("vllm", "0.32.0", "--model", str(host.model), *VLLM, *more)


def sglang(host: Machine, *more: str) -> tuple[str, ...]:
    return ("sglang", "0.5.14", "--model-path", str(host.model), *SGLANG, *more)


# --- a good start ---


def test_vllm_answers_calls_tools_and_says_that_it_is_simulated(host: Machine) -> None:
    with host.serving(*vllm(host, *PARSERS, AUTO, "--served-model-name", "glm")) as client:
        said = client.chat("What is 6 times 7?", model="glm")
        assert said["message"]["content"] == "42"
        assert said["message"]["reasoning_content"]
        assert said["usage"]["completion_tokens"] > 0
        called = client.chat(WEATHER, tools=[TOOL])["message"]["tool_calls"][0]["function"]
        assert (called["name"], json.loads(called["arguments"])) == ("get_weather", {"city": "Paris"})
        assert (
            client.ask("/v1/completions", {"prompt": "The capital of France is"})["choices"][0]["text"]
            == " Paris"
        )
        assert client.ask("/v1/models")["data"][0]["id"] == "glm"
        assert "simulator" in client.ask("/v1/models")["data"][0]["owned_by"]
        assert "SIMULATED" in client.ask("/version")["simulated"]
    assert "SIMULATED" in client.log.splitlines()[0]
    for stage in (
        "shards: 100%",
        "GPU KV cache size: 88,",
        "Capturing CUDA graphs",
        "Application startup complete.",
    ):
        assert stage in client.log


def test_sglang_logs_what_operators_wait_for(host: Machine) -> None:
    with host.serving(*sglang(host, *PARSERS, "--enable-metrics")) as client:
        said = client.chat("Say only OK.", chat_template_kwargs={"enable_thinking": False})
        assert said["message"]["content"] == "OK"
        assert "sglang:generation_tokens_total" in client.text("/metrics")
        assert client.ask("/model_info")["model_path"] == str(host.model)
    stages = (
        "Load weight end.",
        "KV Cache is allocated. #tokens: 16",
        "Capture cuda graph end.",
        "ready to roll!",
    )
    for stage in stages:
        assert stage in client.log
    assert "SIMULATED" in client.log.splitlines()[0]


def test_memory_is_that_of_the_real_model_and_gone_at_the_end(host: Machine) -> None:
    with host.serving(*sglang(host, "--speculative-algorithm", "EAGLE")) as client:
        held = [int(file.read_text()) / GIB for file in host.holders()]
        assert len(held) == 4
        assert 89 < min(held) < 95
        assert client.end() < 2
    assert "#tokens: 139" in client.log  # operators saw 139,303
    assert not host.holders()


def test_requests_that_run_are_counted_and_so_are_their_tokens(host: Machine) -> None:
    with host.serving(*vllm(host)) as client:
        host.fail("slow-tokens 0.05")
        body = {"prompt": "Count.", "max_tokens": 40, "ignore_eos": True}
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(client.ask, "/v1/completions", body)
            deadline = time.monotonic() + 10
            while client.metric("vllm:num_requests_running") != 1:
                assert time.monotonic() < deadline
            answer = asking.result()
        assert answer["usage"]["completion_tokens"] == 40
        assert answer["choices"][0]["finish_reason"] == "length"
        assert client.metric("vllm:num_requests_running") == 0
        assert client.metric("vllm:generation_tokens_total") == 40


def test_a_stream_brings_the_same_answer_in_pieces(host: Machine) -> None:
    with host.serving(*vllm(host, *PARSERS, AUTO)) as client:
        ask = {"messages": [{"role": "user", "content": "Repeat: one two three"}], "stream": True}
        lines = client.text("/v1/chat/completions", {**ask, "stream_options": {"include_usage": True}}).split(
            "\n\n"
        )
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
        deltas = [choice["delta"] for event in events for choice in event["choices"]]
        assert "".join(delta.get("content") or "" for delta in deltas) == "one two three"
        assert any(delta.get("reasoning_content") for delta in deltas)
        assert events[-1]["usage"]["completion_tokens"] > 0
        assert lines[-2] == "data: [DONE]"


# --- tools and keys ---


def test_without_a_parser_a_call_is_raw_text_and_vllm_refuses_it(host: Machine) -> None:
    with host.serving(*sglang(host)) as client:
        content = client.chat(WEATHER, tools=[TOOL])["message"]["content"]
        assert "<tool_call>get_weather<arg_key>city</arg_key>" in content
    with host.serving(*vllm(host)) as client:
        asked = {"messages": [{"role": "user", "content": WEATHER}], "tools": [TOOL]}
        assert "--enable-auto-tool-choice" in client.ask("/v1/chat/completions", asked)["error"]["message"]


def test_the_parser_of_an_older_model_loses_calls_without_a_word(host: Machine) -> None:
    with host.serving(*sglang(host, "--tool-call-parser", "glm45")) as client:
        message = client.chat(WEATHER, tools=[TOOL], chat_template_kwargs={"enable_thinking": False})[
            "message"
        ]
        assert (message.get("tool_calls"), message["content"]) == (None, "")


@pytest.mark.parametrize("by_environment", [False, True])
def test_vllm_guards_v1_and_nothing_else(host: Machine, by_environment: bool) -> None:
    key = () if by_environment else ("--api-key", "secret")
    with host.serving(*vllm(host, *key), VLLM_API_KEY="secret" if by_environment else "") as client:
        pages = ("/v1/models", "/health", "/metrics", "/version")
        assert [client.status(page) for page in pages] == [401, 200, 200, 200]
        client.key = "secret"
        assert client.status("/v1/models") == 200
    assert "secret" not in client.log


def test_an_older_vllm_logs_a_key_among_its_arguments(host: Machine) -> None:
    with host.serving("vllm", "0.23.0", "--model", str(host.model), *VLLM, "--api-key", "secret") as client:
        pass
    assert "secret" in client.log


def test_sglang_guards_all_but_health_and_metrics(host: Machine) -> None:
    with host.serving(*sglang(host, "--api-key", "secret", "--enable-metrics")) as client:
        pages = ("/v1/models", "/model_info", "/health", "/metrics")
        assert [client.status(page) for page in pages] == [401, 401, 200, 200]


# --- refusals ---


@pytest.mark.parametrize(
    ("engine", "arguments", "words"),
    [
        (
            "vllm",
            (*FOUR, "--kv-cache-dtype", "fp8_e5m2"),
            "fp8_e5m2 kv-cache is not supported with fp8 checkpoints.",
        ),
        (
            "vllm",
            (*FOUR, "--quantization", "fp8"),
            "(compressed-tensors) does not match the quantization method",
        ),
        (
            "vllm",
            ("--tensor-parallel-size", "8"),
            "World size (8) is larger than the number of available GPUs (4)",
        ),
        ("vllm", (*FOUR, "--gpu-memory-utilization", "0.88"), "No available memory for the cache blocks"),
        ("vllm", (*FOUR, "--gpu-memory-utilization", "0.95"), "the estimated maximum model length is 44"),
        ("vllm", ("--tensor-parallel-size", "2"), "CUDA out of memory"),
        ("vllm", (*FOUR, "--max-model-len", "999999"), "VLLM_ALLOW_LONG_MAX_MODEL_LEN"),
        ("sglang", ("--tp-size", "4", "--quantization", "fp8"), "does not match the quantization method"),
        ("sglang", ("--tp-size", "4", "--dp-size", "2"), "invalid device ordinal"),
        (
            "sglang",
            ("--tp-size", "4", "--mem-fraction-static", "0.88", "--speculative-algorithm", "EAGLE"),
            "Please try to increase --mem-fraction-static",
        ),
    ],
)
def test_what_the_engine_refuses_is_refused_in_its_words(
    host: Machine, engine: str, arguments: tuple[str, ...], words: str
) -> None:
    version = {"vllm": "0.16.0", "sglang": "0.5.14"}[engine]
    model = {"vllm": "--model", "sglang": "--model-path"}[engine]
    code, said = host.run(engine, version, model, str(host.model), *arguments)
    assert (code, words in said) == (1, True), said
    assert not host.holders()


@pytest.mark.parametrize(
    ("engine", "version", "arguments", "words"),
    [
        (
            "sglang",
            "0.5.23",
            ("--cuda-graph-max-bs", "8"),
            "ambiguous option: --cuda-graph-max-bs could match",
        ),
        ("sglang", "0.5.14", ("--kv-cache-dtype", "fp8"), "argument --kv-cache-dtype: invalid choice: 'fp8'"),
        ("vllm", "0.23.0", ("--swap-space", "4"), "unrecognized arguments: --swap-space"),
        ("vllm", "0.16.0", ("--tensor-parallel-size",), "expected one argument"),
    ],
)
def test_what_the_parser_of_the_version_refuses_ends_with_2(
    host: Machine, engine: str, version: str, arguments: tuple[str, ...], words: str
) -> None:
    model = {"vllm": "--model", "sglang": "--model-path"}[engine]
    code, said = host.run(engine, version, model, str(host.model), *arguments)
    assert (code, words in said) == (2, True), said
    assert ": error: " in said.splitlines()[-1]


def test_abbreviations_and_a_configuration_file_are_taken_as_the_engine_takes_them(host: Machine) -> None:
    file = host.folder / "config.yaml"
    file.write_text("api-key: secret\nmem-fraction-static: 0.5\n")
    more = ("--tp", "4", "--mem-fraction-static", "0.95", "--kv-cache-dtype", "fp8_e4m3")
    with host.serving(
        "sglang", "0.5.14", "--model-path", str(host.model), "--config", str(file), *more
    ) as client:
        assert client.status("/v1/models") == 401


@pytest.mark.parametrize("version", ["0.5.14", "0.5.23"])
def test_sglang_logs_its_key_unless_its_logging_is_configured(host: Machine, version: str) -> None:
    launch = ("sglang", version, "--model-path", str(host.model), *SGLANG, "--api-key", "secret")
    with host.serving(*launch) as open_client:
        pass
    assert "server_args=" in open_client.log and "secret" in open_client.log
    file = host.folder / "logging.json"
    file.write_text(log_text(instance(SGLANG_RECIPE)))
    with host.serving(*launch, SGLANG_LOGGING_CONFIG_PATH=str(file)) as client:
        pass
    assert "server_args=" not in client.log and "secret" not in client.log
    for stage in ("Load weight begin", "KV Cache is allocated", "The server is fired up"):
        assert stage in client.log


def test_a_default_tile_that_does_not_fit_the_card_ends_an_old_sglang(host: Machine) -> None:
    old = ("sglang", "0.5.9", "--model-path", str(host.model), *SGLANG)
    code, said = host.run(*old)
    assert (code, "shared memory, Required: 147456, Hardware limit: 101376" in said) == (1, True), said
    tuned = host.folder / "tuned/configs/triton_3_5_1"
    tuned.mkdir(parents=True)
    device = "NVIDIA_RTX_PRO_6000_Blackwell_Workstation_Edition"
    (tuned / f"E=161,N=384,device_name={device},dtype=fp8_w8a8,per_channel_quant=True.json").write_text("{}")
    with host.serving(*old, SGLANG_MOE_CONFIG_DIR=str(tuned.parents[1])):
        pass


def test_a_card_that_is_full_and_a_port_that_is_taken_are_refused(host: Machine) -> None:
    with host.serving(*vllm(host)) as client:
        code, said = host.run(*vllm(host, "--port", str(client.port)))
        assert (code, "Address already in use" in said) == (1, True), said
        code, said = host.run(*vllm(host))
        assert (code, "CUDA out of memory" in said or "less than desired GPU memory" in said) == (1, True), (
            said
        )


def test_weights_that_are_not_whole_are_refused(host: Machine) -> None:
    shard = host.model / "model-00002-of-00004.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1000])
    code, said = host.run(*vllm(host))
    assert (code, "SafetensorError" in said) == (1, True), said
    shard.unlink()
    code, said = host.run(*vllm(host))
    assert (code, "No such file or directory" in said) == (1, True), said


# --- failing on demand ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("crash-at-load", "OutOfResources: out of resource: shared memory"),
        ("out-of-memory", "CUDA out of memory"),
    ],
)
def test_it_fails_while_loading(host: Machine, words: str, said: str) -> None:
    host.fail(words)
    code, log = host.run(*sglang(host))
    assert (code, said in log) == (1, True), log


def test_a_fault_hits_only_whom_it_is_for(host: Machine) -> None:
    host.fail("crash-at-load for sglang")
    with host.serving(*vllm(host)) as client:
        assert client.chat("What is 2 plus 2?")["message"]["content"].endswith("4")
    assert host.run(*sglang(host))[0] == 1


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_it_hangs_at_warm_up(host: Machine, engine: str) -> None:
    host.fail("hang-at-warm-up")
    port = free_port()
    running = host.start(*(vllm if engine == "vllm" else sglang)(host, "--port", str(port)))
    client = Client(port, running)
    assert running.stdout
    last = (
        "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  25%"
        if engine == "vllm"
        else "Uvicorn running"
    )
    for line in running.stdout:
        if last in line:
            break
    assert client.status("/health") == (0 if engine == "vllm" else 503)
    assert client.end() < 2
    running.communicate()


def test_what_it_answers_can_be_wrong(host: Machine) -> None:
    with host.serving(*vllm(host, *PARSERS, AUTO)) as client:
        host.fail("no-tokens")
        nothing = client.chat("What is 6 times 7?")
        assert (nothing["message"]["content"], nothing["usage"]["completion_tokens"]) == ("", 0)
        host.fail("garbage")
        assert set(client.chat("What is 6 times 7?")["message"]["content"]) == {"!"}
        host.fail("no-tool-calls")
        assert not client.chat(WEATHER, tools=[TOOL])["message"].get("tool_calls")


def test_it_starts_late(host: Machine) -> None:
    host.fail("slow-start 2")
    begun = time.monotonic()
    with host.serving(*vllm(host)):
        assert time.monotonic() - begun > 2


def test_it_dies_later(host: Machine) -> None:
    host.fail("dies-later 0.5")
    with host.serving(*vllm(host)) as client:
        assert client.process.wait(10) == 1
    assert "illegal memory access" in client.log


def test_it_ignores_sigterm(host: Machine) -> None:
    host.fail("ignore-sigterm")
    with host.serving(*vllm(host)) as client:
        client.process.send_signal(signal.SIGTERM)
        assert client.chat("What is 6 times 7?")["message"]["content"].endswith("42")


def test_an_orphan_outlives_the_engine_and_goes_on_holding_memory(host: Machine) -> None:
    host.fail("orphan")
    with host.serving(*vllm(host)) as client:
        told = client.process
        children = Path(f"/proc/{told.pid}/task/{told.pid}/children").read_text().split()
        client.end()
    left = [
        pid for pid in map(int, children) if Path(f"/proc/{pid}").exists() and _name(pid).startswith("VLLM")
    ]
    try:
        assert len(left) == 1
        assert len(host.holders()) == 1
    finally:
        for pid in left:
            subprocess.run(["kill", "-9", str(pid)], check=False)


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()
