"""What a failed task means, in words: the one line of a long output that says why. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LINES = 8
"""So much of a message is shown. The cause is at its beginning, or was found in the output."""

REAL_ERRORS = re.compile(r"^\s*(E: |dpkg: error|Err:\d|fatal: |error: |.*: command not found)", re.MULTILINE)

EMPTY = re.compile(r"^(non-zero return code|MODULE FAILURE.*|)$", re.DOTALL)
"""Messages that say that something failed and not what."""


def failure_message(outcome: Mapping[str, Any]) -> str:
    """Given a failed task's result, return why it failed, a few lines at most."""
    if outcome.get("censored"):
        return "failed; the output may hold a secret and is not shown"
    errors = outcome.get("argument_errors")
    if errors:
        return "\n".join(str(error) for error in errors)
    message = str(outcome.get("msg") or "").strip()
    output = [str(outcome.get(key) or "") for key in ("stderr", "module_stderr", "module_stdout", "stdout")]
    found = [line.strip() for text in output for line in text.splitlines() if REAL_ERRORS.match(line)]
    if EMPTY.match(message):
        said = next(
            (text.strip() for text in [str(outcome.get("exception") or ""), *output] if text.strip()), ""
        )
        message = last_line(said) if "Traceback" in said else said
    lines = [line.rstrip() for line in message.splitlines() if line.strip()]
    lines += [line for line in dict.fromkeys(found) if not any(line in shown for shown in lines)]
    if len(lines) > LINES:
        lines = [*lines[:LINES], f"… and {len(lines) - LINES} lines more"]
    return "\n".join(lines) or "failed without a word"


def last_line(text: str) -> str:
    """Return the last line that isn't empty: what a traceback ends with."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
