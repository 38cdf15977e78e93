"""The gate, run as systemd runs it, against an engine's stand-in on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from unit.instance.hosts import VLLM, instance

from glmprov.instance import gate_settings

PROGRAM = Path(__file__).parents[3] / "roles/engine_service/files/gate"

ANSWER = {"choices": [{"message": {"content": "42"}}], "usage": {"completion_tokens": 2}}
EMPTY: dict[str, Any] = {"choices": [{"message": {"content": ""}}], "usage": {"completion_tokens": 0}}


def called(name: str = "get_weather", arguments: str = '{"city": "Paris"}') -> dict[str, Any]:
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {
        "choices": [{"message": {"content": None, "tool_calls": [call]}}],
        "usage": {"completion_tokens": 9},
    }


@dataclass
class Stub:
    """What the stand-in answers: the next of replies to a prompt, the last for ever; tool to one with tools."""

    replies: list[tuple[int, Any]] = field(default_factory=lambda: [(200, ANSWER)])
    tool: Any = field(default_factory=called)
    key: str | None = None
    hang: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0


@contextmanager
def serving(stub: Stub) -> Iterator[Stub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say(200, {"data": [{"id": "whatever"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.asked.append(body)
            if stub.hang:
                released.wait(30)
            if stub.key and self.headers.get("Authorization") != f"Bearer {stub.key}":
                self.say(401, {"error": "Unauthorized"})
            elif "tools" in body:
                self.say(200, stub.tool)
            else:
                self.say(*(stub.replies.pop(0) if len(stub.replies) > 1 else stub.replies[0]))

        def say(self, status: int, body: Any) -> None:
            text = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    released = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield stub
    finally:
        released.set()
        server.shutdown()
        server.server_close()


def gate(
    folder: Path, port: int, *words: str, seconds: float = 10, main: str = "", **settings: Any
) -> tuple[int, str, dict[str, Any]]:
    """Run the gate with an instance's own settings; return its exit code, what it said, and its last line."""
    found = gate_settings(instance(VLLM))
    found |= {"port": port, "start_seconds": seconds, "key_file": None, **settings}
    path = folder / "gate.json"
    path.write_text(json.dumps(found))
    environment = {**os.environ, "MAINPID": main}
    done = subprocess.run(
        [sys.executable, PROGRAM, *words, path], capture_output=True, text=True, timeout=50, env=environment
    )
    lines = done.stdout.splitlines()
    last = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return done.returncode, done.stdout + done.stderr, last


def test_it_opens_at_the_first_tokens(tmp_path: Path) -> None:
    with serving(Stub([(503, "loading"), (200, EMPTY), (200, "no JSON"), (200, ANSWER)])) as stub:
        code, said, result = gate(tmp_path, stub.port)
    assert code == 0, said
    assert result["tokens"] == 2
    for sight in ("HTTP 503: loading", "without tokens", "isn't JSON"):
        assert said.count(sight) == 1
    assert stub.asked[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert stub.asked[0]["model"] == "zai-org/GLM-4.7-FP8"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((200, EMPTY), "without tokens"),
        ((500, "CUDA error"), "HTTP 500: CUDA error"),
        ((200, {}), "without tokens"),
    ],
)
def test_it_stays_shut_where_no_tokens_come(tmp_path: Path, reply: tuple[int, Any], reason: str) -> None:
    with serving(Stub([reply])) as stub:
        code, _, result = gate(tmp_path, stub.port, seconds=1)
    assert code == 1
    assert "no tokens within 1 s" in result["reason"] and reason in result["reason"]


def test_a_hang_ends_with_the_budget(tmp_path: Path) -> None:
    with serving(Stub(hang=True)) as stub:
        code, _, result = gate(tmp_path, stub.port, seconds=1)
    assert code == 1
    assert "no answer within 1 s" in result["reason"]


def test_nobody_listens(tmp_path: Path) -> None:
    code, said, result = gate(tmp_path, 1, seconds=0.5)
    assert (code, result["serves"]) == (1, False)
    assert said.count("waiting: Connection refused") == 1


def test_an_engine_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    code, said, result = gate(tmp_path, 1, seconds=40, main=str(child.pid))
    assert code == 1
    assert result["reason"] == "the engine ended before it served", said


def test_the_key_is_sent_and_one_that_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-1\n")
    with serving(Stub(key="sk-1")) as stub:
        assert gate(tmp_path, stub.port, key_file=str(key))[0] == 0
        key.write_text("sk-2\n")
        code, said, result = gate(tmp_path, stub.port, key_file=str(key))
    assert code == 1
    assert "the key is refused" in result["reason"]
    assert "sk-" not in said
    assert gate(tmp_path, 1, key_file=str(tmp_path / "absent"))[0] == 2


def test_a_deploy_asks_for_sane_text_and_a_tool_call(tmp_path: Path) -> None:
    with serving(Stub()) as stub:
        code, _, result = gate(tmp_path, stub.port, "--deploy")
        assert code == 0
        assert result["answer"] == "42"
        assert result["tool_call"] == {"name": "get_weather", "arguments": {"city": "Paris"}}
        assert gate(tmp_path, stub.port, "--deploy", tool=None)[2].get("tool_call") is None


@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        (Stub([(200, {"choices": [{"message": {"content": "\ufffd\ufffd!!"}}], "usage": {"completion_tokens": 3}})]),
         "doesn't hold '42'"),
        (Stub(tool=ANSWER), "got none"),
        (Stub(tool=called(arguments='{"city": ')), "don't parse"),
        (Stub(tool=called(name="other")), "asked for get_weather"),
        (Stub(tool=called(arguments="[]")), "asked for get_weather"),
        (Stub([(500, "gone")]), "HTTP 500"),
    ],
)  # fmt: skip
def test_a_deploy_refuses(tmp_path: Path, stub: Stub, reason: str) -> None:
    with serving(stub):
        code, _, result = gate(tmp_path, stub.port, "--deploy")
    assert code == 1
    assert reason in result["reason"]


def test_an_image_with_its_own_launcher_is_asked_for_its_model(tmp_path: Path) -> None:
    with serving(Stub()) as stub:
        assert gate(tmp_path, stub.port, model=None)[0] == 0
    assert stub.asked[0]["model"] == "whatever"
