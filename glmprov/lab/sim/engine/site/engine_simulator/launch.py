"""From a command line to a server that answers, as the engine goes: parse, check, load, capture, serve, end."""

import os
import signal
import sys
import threading
import time
from typing import NoReturn

from engine_simulator import arguments, cards, faults, identity, memory, model, refusals, settings
from engine_simulator.api import Engine, Server
from engine_simulator.log import Log
from engine_simulator.model import Model, ModelMissingError
from engine_simulator.ranks import Ranks
from engine_simulator.refusals import RefusedError
from engine_simulator.settings import Settings

_START_SECONDS = 0.6
_DIES_AFTER_SECONDS = 3.0
_GRAPHS = 4
_FOREVER = 10.0**9
_WHILE_LOADING = ("crash-at-load", "out-of-memory")


class _StoppedError(Exception):
    """Somebody asked the engine to end."""


class Launch:
    """One engine from start to end."""

    def __init__(self, wanted: Settings, described: str, warnings: tuple[str, ...] = ()) -> None:
        self.settings = wanted
        self.log = Log(wanted.identity)
        self.described = described
        self.warnings = warnings
        self.stopped = threading.Event()
        self.ranks: Ranks | None = None

    def run(self) -> int:
        """Run until somebody ends it or something breaks. Return the exit code."""
        self._listen_to_signals()
        self.log.begin(self.settings)
        for text in self.warnings:
            self.log.say(f"DeprecationWarning: {text}", level="WARNING")
        try:
            found = model.load(self.settings.model)
            engine, server = self._open(found)
            self._start(found, engine, server)
            return self._serve(engine)
        except (RefusedError, ModelMissingError) as problem:
            self.log.traceback(str(problem))
            return 1
        except _StoppedError:
            return 0
        finally:
            if self.ranks:
                self.ranks.end()

    def fault(self) -> faults.Fault:
        return faults.now(self.described)

    def _listen_to_signals(self) -> None:
        # A process that is number 1 of its container gets only what it listens to.
        deaf = self.fault().kind == "ignore-sigterm"
        signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: self.stopped.set())
        signal.signal(signal.SIGINT, lambda *_: self.stopped.set())

    def _open(self, found: Model) -> tuple[Engine, Server]:
        context = self.settings.context_tokens or found.context_tokens
        engine = Engine(self.settings, self.log, context, self.described)
        try:
            return engine, Server(engine)
        except OSError as error:
            where = (self.settings.host, self.settings.port)
            if self.settings.identity.is_vllm:
                raise RefusedError(f"OSError: [Errno {error.errno}] {error.strerror}") from None
            said = f"[Errno {error.errno}] error while attempting to bind on address {where}"
            raise RefusedError(f"ERROR:    {said}: {(error.strerror or '').lower()}") from None

    def _start(self, found: Model, engine: Engine, server: Server) -> None:
        """Load and warm up, in steps that take a second altogether. Raise RefusedError where the engine would end."""
        visible, fault = cards.visible(), self.fault()
        refusals.check(self.settings, found, visible)
        used = visible[: self.settings.ranks]
        demands = [memory.demand(self.settings, found, card) for card in used]
        demand, first = min(demands, key=lambda one: one.tokens), used[0]
        untuned = not refusals.has_tuned_file(self.settings, found, first)
        self.log.device(
            self.settings,
            found,
            first,
            str(
                refusals.tuned_folder(self.settings.identity)
                / refusals.tuned_name(self.settings, found, first)
            )
            if untuned and found.number("n_routed_experts")
            else None,
        )
        self.ranks = Ranks(self.settings, used, fault.kind)
        self.ranks.hold(memory.CONTEXT_BYTES)
        began = time.monotonic()
        self.log.begin_loading(first, found)
        self._load(found, fault, first)
        self.ranks.hold(memory.CONTEXT_BYTES + demand.weight_bytes)
        self.log.end_loading(first, found, demand, time.monotonic() - began)
        if said := refusals.tile(self.settings, found, first):
            raise RefusedError(said)
        self.ranks.hold(demand.final_bytes)
        self.log.cache(self.settings, first, demand)
        self.log.begin_capture(first)
        for part in range(_GRAPHS + 1):
            if part == 2 and fault.kind == "hang-at-warm-up" and self.settings.identity.is_vllm:
                self._wait(_FOREVER)
            self.log.capture(part, _GRAPHS)
            self._wait(_START_SECONDS / 2 / _GRAPHS)
        self.log.end_capture(first, self.settings, demand, time.monotonic() - began)
        server.server_activate()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.log.serving(self.settings)
        if fault.kind == "hang-at-warm-up":
            self._wait(_FOREVER)
        engine.is_ready = True
        self.log.warm()

    def _load(self, found: Model, fault: faults.Fault, card: cards.Card) -> None:
        whole = max(len(found.shards), 1)
        if found.missing:
            raise RefusedError(
                f"FileNotFoundError: No such file or directory: '{found.folder / found.missing[0]}'"
            )
        seconds = fault.seconds if fault.kind == "slow-start" else _START_SECONDS / 2
        for number in range(whole + 1):
            self.log.shard(number, whole)
            if number == (whole + 1) // 2 and fault.kind in _WHILE_LOADING:
                raise RefusedError(_LOAD_FAILURES[fault.kind](card))
            if number < len(found.shards) and (said := model.fault_of(found.shards[number])):
                raise RefusedError(f"safetensors_rust.SafetensorError: {said}")
            self._wait(seconds / (whole + 1))

    def _serve(self, engine: Engine) -> int:
        began, assigned = time.monotonic(), self.ranks
        assert assigned
        while not self.stopped.wait(0.1):
            fault = self.fault()
            if fault.kind == "dies-later" and time.monotonic() - began > (
                fault.seconds or _DIES_AFTER_SECONDS
            ):
                self.log.traceback(
                    "torch.AcceleratorError: CUDA error: an illegal memory access was encountered"
                )
                return 1
            # Who ends all processes of a unit at once ends the ranks as well.
            if (number := assigned.dead()) is not None and not self.stopped.wait(0.3):
                self.log.traceback(f"RuntimeError: rank {number} died unexpectedly")
                return 1
        self.log.line("INFO:     Shutting down")
        return 0

    def _wait(self, seconds: float) -> None:
        if self.stopped.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise _StoppedError


_LOAD_FAILURES = {
    "crash-at-load": lambda card: refusals.OUT_OF_SHARED_MEMORY,
    "out-of-memory": lambda card: memory.out_of_memory(card, 2 * cards.GIB),
}


def main(argv: list[str], *, command: str) -> NoReturn:
    """Play the engine with these arguments. command: what stands before them."""
    who = identity.load()
    given, warnings = arguments.parse(who, command, argv)
    wanted = settings.of(who, given)
    described = " ".join((who.engine, who.version, who.image, *argv))
    code = Launch(wanted, described, (*_entry_warnings(who, command), *warnings)).run()
    sys.stdout.flush()
    # Threads that answer clients don't keep the engine alive.
    os._exit(code)


def _entry_warnings(who: identity.Identity, command: str) -> list[str]:
    """Return what new versions say of the older way to start them."""
    if command == "python -m sglang.launch_server" and who.at_least("0.5.14"):
        return ["`python -m sglang.launch_server`: `sglang serve --model-path ...` is recommended"]
    if command == "python -m vllm.entrypoints.openai.api_server" and who.at_least("0.32.0"):
        return ["`vllm.entrypoints.openai.api_server` is deprecated, use `vllm serve MODEL`"]
    return []
