"""What an engine keeps of a card beside weights and KV cache: data in catalog/fit.yml, read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from glmprov.catalog import read
from glmprov.fit.version import at_least

GIB = 2**30


@dataclass(frozen=True)
class Fitted:
    """A constant that was set so that a published run comes out: value and range in bytes, and the run."""

    bytes: float
    low_bytes: float
    high_bytes: float
    what: str
    evidence: str
    source: str


@dataclass(frozen=True)
class EngineMemory:
    """An engine's rule for its KV pool. See catalog/fit.yml for what each value means."""

    name: str
    rule: str
    overhead: Fitted
    default_reserve: Mapping[str, Any]
    not_counted: Sequence[str]
    page_tokens: int
    kept_back_tokens: int
    kept_back_source: str
    context_must_fit: bool
    draft_counted_from: str
    draft_counted_source: str

    def counts_draft(self, version: str) -> bool:
        """Return whether the pool of a release is made after the draft layer is loaded. Unknown release: it is."""
        return at_least(version, self.draft_counted_from)


@dataclass(frozen=True)
class Constants:
    """Everything that catalog/fit.yml says."""

    kv_cache_bytes: Mapping[str, float]
    engines: Mapping[str, EngineMemory]
    nccl: Mapping[str, Any]


@cache
def constants() -> Constants:
    """Return the constants."""
    content = read("fit.yml")
    engines = {name: _engine(name, values) for name, values in content["engines"].items()}
    return Constants(content["kv_cache_bytes"], engines, content["nccl"])


def _engine(name: str, values: Mapping[str, Any]) -> EngineMemory:
    given = values["overhead"]
    gib = {word: given[word] * GIB for word in ("gib", "low_gib", "high_gib")}
    fitted = Fitted(
        gib["gib"], gib["low_gib"], gib["high_gib"], given["what"], given["evidence"], given["source"]
    )
    return EngineMemory(name, **{"default_reserve": {}, **values, "overhead": fitted})
