"""Which engine the simulator plays: written into its image, or given by GLMLAB_ENGINE, a folder, outside of images."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Identity:
    """An engine ("sglang" or "vllm") and its version. folder holds engine.json and flags.json, its catalogue."""

    engine: str
    version: str
    image: str
    folder: Path

    @property
    def is_vllm(self) -> bool:
        return self.engine == "vllm"

    def at_least(self, version: str) -> bool:
        """Tell whether the version is that one or newer."""
        return _numbers(self.version) >= _numbers(version)

    def catalogue(self) -> dict[str, Any]:
        """Return what is known of this version: its flags, and what it ships; of one without a catalogue, nothing."""
        file = self.folder / "flags.json"
        return json.loads(file.read_text()) if file.exists() else {}

    @property
    def notice(self) -> str:
        """What the simulator says of itself wherever somebody may take it for the engine."""
        plays = f"{self.engine} {self.version}"
        return f"GLMPROV SIMULATED: this is the rehearsal fleet's engine simulator; it plays {plays}"


def load() -> Identity:
    """Return who the simulator is."""
    folder = Path(os.environ.get("GLMLAB_ENGINE", "/opt/engine-simulator"))
    told = json.loads((folder / "engine.json").read_text())
    return Identity(told["engine"], told["version"], told.get("image", ""), folder)


def _numbers(version: str) -> list[int]:
    """Return a version's numbers; a post-release (0.5.5.post3) is newer than its release."""
    return [int(number) for number in re.findall(r"\d+", version)]
