"""The engine simulator as a process, on simulated cards in a folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glmprov.lab import engine_images, hardware_tree, hub_content

SITE = Path(engine_images.__file__).parent / "sim/engine/site"
_PATIENCE_SECONDS = 20.0
_MODULES = {"vllm": "vllm.entrypoints.openai.api_server", "sglang": "sglang.launch_server"}


@dataclass
class Machine:
    """A machine with a driver, cards, and the stand-in's weights in a folder."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def cards(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "state/driver/cards").glob("*"))

    def holders(self) -> list[Path]:
        return sorted(self.folder.glob("state/cards/*/holders/*"))

    def fail(self, words: str) -> None:
        (self.folder / "hardware/faults/engine").write_text(words + "\n")

    def start(self, engine: str, version: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the simulator as an engine of a version."""
        image = engine_images.Image("test", ("test",), engine, version)
        identity = self.folder / f"{engine}-{version}"
        identity.mkdir(exist_ok=True)
        for name, data in engine_images.identity(image).items():
            if name.startswith(engine_images.IDENTITY):
                (identity / Path(name).name).write_bytes(data)
        places = {
            "GLMLAB_ENGINE": str(identity),
            "GLMLAB_HARDWARE": str(self.folder / "hardware"),
            "GLMLAB_STATE": str(self.folder / "state"),
            "PYTHONPATH": f"{SITE}:{Path(engine_images.__file__).parents[2]}",
        }
        return subprocess.Popen(
            [sys.executable, "-m", _MODULES[engine], *arguments],
            env={**os.environ, **self.environment, **places, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, engine: str, version: str, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run the simulator to its end. Return its exit code and what it printed."""
        if "--port" not in arguments:
            arguments = (*arguments, "--port", str(free_port()))
        running = self.start(engine, version, *arguments, **environment)
        try:
            said, _ = running.communicate(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
        return running.returncode, said

    @contextmanager
    def serving(self, engine: str, version: str, *arguments: str, **environment: str) -> Iterator[Client]:
        """Start the simulator, wait until it is healthy, and end it afterwards."""
        port = free_port()
        running = self.start(engine, version, *arguments, "--port", str(port), **environment)
        client = Client(port, running)
        try:
            client.wait()
            yield client
        finally:
            running.kill()
            client.log += running.communicate()[0]


@dataclass
class Client:
    """Talks to a simulator that runs."""

    port: int
    process: subprocess.Popen[str]
    key: str = ""
    log: str = ""

    def wait(self) -> None:
        """Wait until /health says so."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(self.process.communicate()[0])
            if self.status("/health") == 200:
                return
        raise AssertionError("it isn't healthy")

    def status(self, path: str, body: Mapping[str, Any] | None = None) -> int:
        """Return a page's status; 0 where nobody listens."""
        try:
            with self._open(path, body) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def text(self, path: str, body: Mapping[str, Any] | None = None) -> str:
        with self._open(path, body) as answer:
            said: str = answer.read().decode()
            return said

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a page's JSON, also that of a refusal."""
        try:
            parsed: dict[str, Any] = json.loads(self.text(path, body))
        except urllib.error.HTTPError as error:
            parsed = json.loads(error.read())
        return parsed

    def chat(self, question: str, **more: Any) -> dict[str, Any]:
        """Ask the model. Return the first choice, with "usage" beside it."""
        answer = self.ask(
            "/v1/chat/completions", {"messages": [{"role": "user", "content": question}], **more}
        )
        return {**answer["choices"][0], "usage": answer["usage"]}

    def metric(self, name: str) -> float:
        """Return a metric's value."""
        row = next(line for line in self.text("/metrics").splitlines() if line.startswith(f"{name}{{"))
        return float(row.rpartition(" ")[2])

    def end(self, what: int = signal.SIGTERM) -> float:
        """Send a signal and wait for the end. Return how long it took, in seconds."""
        begun = time.monotonic()
        self.process.send_signal(what)
        self.process.wait(_PATIENCE_SECONDS)
        return time.monotonic() - begun

    def _open(self, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        return urllib.request.urlopen(request, timeout=10)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def machine(folder: Path, profile: str) -> Machine:
    """Return a machine of a hardware profile, its driver loaded."""
    hardware_tree.write(profile, folder / "hardware", "test")
    loaded = folder / "state/driver"
    (loaded / "cards").mkdir(parents=True)
    (loaded / "version").write_text("580.95.05\n")
    for card in json.loads((folder / "hardware/profile.json").read_text())["cards"]:
        (loaded / "cards" / card["bus_id"]).write_text(card["uuid"] + "\n")
    made = Machine(folder)
    made.model.mkdir()
    for name, data in hub_content.files_of("second").items():
        (made.model / name).write_bytes(data)
    return made
