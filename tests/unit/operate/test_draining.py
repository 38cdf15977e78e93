"""Waiting until an engine has no running request, by what it tells of itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from glmprov.operate import service
from glmprov.remote import Channel

METRIC = "vllm:num_requests_running"


class Engine:
    """Tells one count after the other, and the last for ever."""

    def __init__(self, *pages: str) -> None:
        engine, self.pages, self.headers = self, list(pages), []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                engine.headers.append(self.headers.get("Authorization"))
                page = engine.pages.pop(0) if len(engine.pages) > 1 else engine.pages[0]
                self.send_response(200 if page else 404)
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.headers: list[str | None]
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_port


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    running = Engine(*request.param)
    yield running
    running.server.shutdown()
    running.server.server_close()


def page(*counts: float) -> str:
    lines = [
        f'{METRIC}{{engine="{number}",model_name="glm {{x"}} {count}' for number, count in enumerate(counts)
    ]
    return "\n".join(["# TYPE vllm:num_requests_running gauge", f"{METRIC}_other 9", *lines, ""])


@pytest.mark.parametrize("engine", [[page(2.0, 1.0), page(1.0, 0.0), page(0.0, 0.0)]], indirect=True)
def test_it_waits_for_the_last_request_of_all_engines(
    channel: Channel, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("secret\n")
    heard: list[int] = []
    drained = service.drain(
        channel,
        "here",
        port=engine.port,
        metric=METRIC,
        limit_seconds=30,
        key_file=str(tmp_path / "key"),
        heard=heard.append,
    )
    assert (drained.running, drained.unknown) == (0, "") and heard[0] == 3
    assert set(engine.headers) == {"Bearer secret"}


@pytest.mark.parametrize("engine", [[page(5.0)]], indirect=True)
def test_the_limit_ends_the_wait_and_says_what_still_runs(channel: Channel, engine: Engine) -> None:
    drained = service.drain(channel, "here", port=engine.port, metric=METRIC, limit_seconds=0.5)
    assert drained.running == 5 and 0.5 <= drained.seconds < 10


@pytest.mark.parametrize("engine", [["nothing here"], [""]], indirect=True)
def test_an_engine_that_tells_no_count_is_unknown_and_not_idle(channel: Channel, engine: Engine) -> None:
    drained = service.drain(channel, "here", port=engine.port, metric=METRIC, limit_seconds=1)
    assert "tells no vllm" in drained.unknown or "404" in drained.unknown
    assert service.drain(channel, "here", port=1, metric=METRIC, limit_seconds=1).unknown
    assert service.drain(channel, "here", port=1, metric=None, limit_seconds=1).unknown
