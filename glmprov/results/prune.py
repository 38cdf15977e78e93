"""What `prune` finds and takes away, and its exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from glmprov.errors import ExitCode, GlmprovError, worst


@dataclass(frozen=True)
class Prunable:
    """Something on a host that no kept receipt names. kind is receipt, image, cache or weights; name is the host's."""

    kind: Literal["receipt", "image", "cache", "weights"]
    name: str
    size_bytes: int = 0
    about: str = ""


@dataclass(frozen=True)
class HostPrune:
    """What can go from a host, what went, and why the rest of it didn't. error: nothing of the host was touched."""

    host: str
    items: tuple[Prunable, ...] = ()
    kept: tuple[str, ...] = ()
    gone: tuple[Prunable, ...] = ()
    failed: Mapping[str, GlmprovError] = field(default_factory=dict)
    error: GlmprovError | None = None


def prune_code(results: Sequence[HostPrune]) -> ExitCode:
    """Return the exit code of `prune`: each host's error, and each thing's that wouldn't go."""
    codes = [each.error.exit_code for each in results if each.error]
    codes += [error.exit_code for each in results for error in each.failed.values()]
    return worst(codes)
