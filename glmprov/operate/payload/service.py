"""A systemd unit on the host: started and stopped to the end of the job, with its log followed meanwhile."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from typing import IO, Any

from glmprov.operate.payload.telling import Fault, at_hang_up, progress

SHOWN = (
    "LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "ExecMainCode", "MainPID", "NRestarts",
    "InvocationID", "ControlGroup", "ActiveEnterTimestampMonotonic",
)  # fmt: skip
AT_REST = ("inactive", "failed")


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def state(orders: dict[str, Any]) -> dict[str, str]:
    """Return what systemd knows of the unit."""
    said = systemctl("show", "--property", ",".join(SHOWN), "--", orders["unit"])
    if said.returncode:
        raise Fault("systemd", said.stdout.strip())
    return dict(line.partition("=")[::2] for line in said.stdout.splitlines())


def start(orders: dict[str, Any]) -> Any:
    """Start the unit and wait until its start is done, gate included; tell each stage of which its log speaks."""
    begun, since = time.monotonic(), f"@{time.time():.6f}"
    with subprocess.Popen(
        ["journalctl", "--follow", "--output=cat", "--since", since, "--unit", orders["unit"]],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
    ) as follower:  # fmt: skip
        at_hang_up.append(follower.kill)
        reader = threading.Thread(target=watch, args=(follower.stdout, orders["stages"], begun), daemon=True)
        reader.start()
        systemctl("reset-failed", "--", orders["unit"])  # a person asks, so what failed before doesn't count
        done = systemctl("start", "--", orders["unit"])
        seconds = time.monotonic() - begun
        follower.kill()
    return {
        "started": done.returncode == 0,
        "said": done.stdout.strip(),
        "seconds": seconds,
        "state": state(orders),
        "since": since,
        "log": "" if done.returncode == 0 else log({**orders, "since": since}),
    }


def watch(lines: IO[str] | None, stages: list[dict[str, str]], begun: float) -> None:
    """Tell a stage as often as the log speaks of it, with how far it is where the log says so."""
    patterns = [(stage["stage"], re.compile(stage["pattern"])) for stage in stages]
    for line in lines or ():
        for stage, pattern in patterns:
            found = pattern.search(line)
            if found:
                percent = found.groupdict().get("percent")
                said = {"stage": stage, "percent": int(float(percent)) if percent else None}
                progress({**said, "seconds": time.monotonic() - begun}, now=not percent or percent == "100")
                break


def stop(orders: dict[str, Any]) -> Any:
    """Stop the unit and wait until it is at rest: systemd ends what doesn't end by itself."""
    begun = time.monotonic()
    before = state(orders)
    if before["LoadState"] == "not-found" and before["ActiveState"] in AT_REST:
        return {"was_running": False, "seconds": 0.0, "state": before}
    done = systemctl("stop", "--", orders["unit"])
    after = state(orders)
    if done.returncode or after["ActiveState"] not in AT_REST:
        raise Fault("does-not-stop", done.stdout.strip() or f"it is {after['ActiveState']}", state=after)
    return {
        "was_running": before["ActiveState"] not in AT_REST,
        "seconds": time.monotonic() - begun,
        "state": after,
    }


def log(orders: dict[str, Any]) -> str:
    """Return the last lines of the unit's log."""
    subprocess.run(["journalctl", "--sync"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    words = [
        "journalctl",
        "--output=cat",
        "--no-pager",
        "--unit",
        orders["unit"],
        "--lines",
        str(int(orders["lines"])),
    ]
    if orders.get("since"):
        words += ["--since", str(orders["since"])]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode(errors="replace")


def follow(orders: dict[str, Any]) -> None:
    """Tell the unit's log as it comes, until nobody listens any more."""
    words = [
        "journalctl",
        "--follow",
        "--output=json",
        "--unit",
        orders["unit"],
        "--lines",
        str(int(orders["lines"])),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, errors="replace") as follower:
        at_hang_up.append(follower.kill)
        for line in follower.stdout or ():
            said = json.loads(line)
            message = said.get("MESSAGE")
            text = bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)
            progress({"at": int(said["__REALTIME_TIMESTAMP"]) / 1e6, "text": text}, now=True)
