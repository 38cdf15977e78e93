"""The engine's ranks, one process a card, named as the engine names them."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from engine_simulator import worker
from engine_simulator.cards import Card
from engine_simulator.settings import Settings


class Ranks:
    """Processes that hold the cards' memory."""

    def __init__(self, settings: Settings, cards: list[Card], fault: str) -> None:
        every = "deaf" if fault == "ignore-sigterm" else ""
        hows = ["orphan" if fault == "orphan" and number == 0 else every for number in range(len(cards))]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        self._running = [
            subprocess.Popen(
                [_name(settings, number), "-S", worker.__file__, card.bus_id, how],
                executable=sys.executable,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
            )
            for number, (card, how) in enumerate(zip(cards, hows, strict=True))
        ]

    def hold(self, size: float) -> None:
        """Let every rank hold so many bytes of its card, and wait until it does."""
        for process in self._running:
            assert process.stdin and process.stdout
            with suppress(BrokenPipeError):
                process.stdin.write(f"{int(size)}\n")
                process.stdin.flush()
        for process in self._running:
            assert process.stdout
            process.stdout.readline()

    def dead(self) -> int | None:
        """Return the number of a rank that isn't there any more."""
        return next((number for number, one in enumerate(self._running) if one.poll() is not None), None)

    def end(self) -> None:
        """Let go: each rank sees that its input ends."""
        for process in self._running:
            assert process.stdin
            with suppress(BrokenPipeError):
                process.stdin.close()
        for process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.5)


def _name(settings: Settings, number: int) -> str:
    if settings.identity.is_vllm:
        return f"VLLM::Worker_TP{number}" if settings.ranks > 1 else "VLLM::EngineCore"
    return f"sglang::scheduler_TP{number}"
