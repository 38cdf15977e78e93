"""What `recipe fit` and `recipe suggest` show of hosts, and their exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glmprov.errors import ExitCode, GlmprovError, worst
from glmprov.fit.hosts import HostFit
from glmprov.recipe.model import Recipe


@dataclass(frozen=True)
class HostRecipeFit:
    """A recipe held against a host's cards, or why the host could not be read."""

    host: str
    found: HostFit | None = None
    error: GlmprovError | None = None


@dataclass(frozen=True)
class HostOffers:
    """The recipes for a purpose, each held against a host's cards, the likeliest first."""

    host: str
    offers: tuple[tuple[Recipe, HostFit], ...] = ()
    error: GlmprovError | None = None


def fit_code(results: Sequence[HostRecipeFit]) -> ExitCode:
    """Return the exit code of `recipe fit` with an inventory: a host's error counts, and that no host can run it."""
    codes = [result.error.exit_code for result in results if result.error]
    if not any(result.found and result.found.strategy for result in results):
        codes.append(ExitCode.FAILED)
    return worst(codes)


def offers_code(results: Sequence[HostOffers]) -> ExitCode:
    """Return the exit code of `recipe suggest` with an inventory, by the same rule."""
    codes = [result.error.exit_code for result in results if result.error]
    if not any(found.strategy for result in results for _, found in result.offers):
        codes.append(ExitCode.FAILED)
    return worst(codes)
