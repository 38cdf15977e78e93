"""The payload's answer with names: what a file held, or why nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glmprov.state import Unknown

NO_SUCH_PART = "the host's answer came without it"


@dataclass(frozen=True)
class Answer:
    """What the payload printed. A part is missing where the process that reads it had to be killed."""

    parts: Mapping[str, Any]

    def part(self, name: str) -> Any:
        """Return a part of the answer: its value, or Unknown if it is missing or an error."""
        return known(self.parts[name]) if name in self.parts else Unknown(self._why_missing(name))

    def text(self, path: str, part: str = "files") -> str | Unknown | None:
        """Return the text of a file, None if there is none, Unknown if it could not be read."""
        texts = self.part(part)
        if isinstance(texts, Unknown):
            return texts
        value = known(texts.get(path, {"error": f"{path} was not asked for"}))
        return value if value is None or isinstance(value, Unknown) else str(value)

    def texts(self, prefix: str, part: str = "files") -> dict[str, str]:
        """Return the texts of all files below a path, by path. Those that can't be read are left out."""
        texts = self.part(part)
        if isinstance(texts, Unknown):
            return {}
        return {
            path: text for path, text in texts.items() if path.startswith(prefix) and isinstance(text, str)
        }

    def lost(self, prefix: str, part: str = "files") -> Unknown | None:
        """Return Unknown if something below a path is there and could not be read, None if all is well."""
        texts = self.part(part)
        if isinstance(texts, Unknown):
            return texts
        for path, value in texts.items():
            if path.startswith(prefix) and isinstance(known(value), Unknown):
                return Unknown(f"{path}: {known(value).reason}")
        return None

    def hung(self) -> tuple[str, ...]:
        """Return the calls that didn't come back, in words."""
        hung = self.parts.get("hung", [])
        return tuple(_hung_in_words(record) for record in hung if isinstance(record, dict))

    def _why_missing(self, name: str) -> str:
        hung = self.hung()
        if hung:
            return "HUNG: " + "; ".join(hung)
        for key in ("failed_host", "failed_nvml", "failed_driver"):
            if key in self.parts:
                return f"{NO_SUCH_PART} ({self.parts[key]})"
        return NO_SUCH_PART


def known(value: Any) -> Any:
    """Return the value, or Unknown with the reason where the payload put an error in its place."""
    if isinstance(value, dict) and "error" in value:
        return Unknown(str(value["error"]))
    return value


def _hung_in_words(record: Mapping[str, Any]) -> str:
    what = {"nvml": "NVML", "driver": "the driver"}.get(str(record.get("task")), str(record.get("task")))
    pid, state = record.get("pid"), record.get("state")
    if record.get("earlier"):
        return (
            f"HUNG: {what} still hangs since an earlier look (process {pid}, state {state}), not asked again"
        )
    if state == "killed":
        return f"{what} gave no answer in time, its process was killed"
    return f"{what} gave no answer in time and its process {pid} can't be killed (state {state})"
