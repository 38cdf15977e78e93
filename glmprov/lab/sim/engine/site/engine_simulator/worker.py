"""A rank: a process that holds memory of one card as long as the engine lives. Told by lines on its standard input.

Started as `worker.py BUS_ID HOW`; HOW is "" or one of: deaf (ignores SIGTERM), orphan (and outlives the engine).
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from engine_simulator import cards


def main(bus_id: str, how: str) -> None:
    """Hold what standard input says until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A signal of one's own makes reading end, and with it the holding.
    signal.signal(signal.SIGTERM, signal.SIG_IGN if how in ("deaf", "orphan") else lambda *_: sys.exit(0))
    if how == "orphan":
        _leave()
    card = next(card for card in cards.visible() if card.bus_id == bus_id)
    holding = cards.Holding(card)
    try:
        for line in sys.stdin:
            holding.resize(int(line))
            sys.stdout.write("held\n")
            sys.stdout.flush()
        while how == "orphan":
            signal.pause()
    finally:
        holding.release()


def _leave() -> None:
    """Go where the end of the engine's unit or session doesn't reach: another session, another control group."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with suppress(OSError):
        group = Path("/sys/fs/cgroup/glmlab-orphan")
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))


if __name__ == "__main__":
    main(*sys.argv[1:])
