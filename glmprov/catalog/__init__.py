"""What we know of cards, driver branches and distributions: data with sources, in the YAML files here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Card:
    """A card edition that we act on. name is NVML's; device_id is four hex digits, vendor 10de."""

    name: str
    edition: str
    device_id: str
    architecture: str
    target_watts: int
    minimum_branch: int
    minimum_version: str
    memory_mib: int
    reserved_mib: int
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def usable_bytes(self) -> int:
        """What an engine can have of an empty card, as torch counts it."""
        return (self.memory_mib - self.reserved_mib) * 2**20


@dataclass(frozen=True)
class Branch:
    """A driver branch; first_version is the oldest of it known to run RTX PRO 6000 Blackwell cards."""

    branch: int
    designation: str
    first_version: str
    note: str
    source: str


@dataclass(frozen=True)
class Distribution:
    """A distribution that we provision.

    minimum_branch is the first driver branch that NVIDIA packages for it.
    """

    distribution: str
    release: str
    source: str
    minimum_branch: int = 0


@dataclass(frozen=True)
class Catalog:
    """Everything that the data files say."""

    cards: tuple[Card, ...]
    branches: tuple[Branch, ...]
    distributions: tuple[Distribution, ...]
    default_branch: int
    open_modules_required: tuple[str, ...]
    sources: Mapping[str, str]

    def card(self, *, name: str | None = None, device_id: str | None = None) -> Card | None:
        """Return the edition by NVML's name, or by PCI device id ("0x2bb5"). None: not there."""
        if name is not None:
            return next((card for card in self.cards if card.name == name), None)
        digits = (device_id or "").lower()[-4:]
        return next((card for card in self.cards if card.device_id == digits), None)

    def branch(self, number: int) -> Branch | None:
        """Return what is known of a driver branch."""
        return next((branch for branch in self.branches if branch.branch == number), None)

    def distribution(self, distribution: str, release: str) -> Distribution | None:
        """Return the distribution by os-release's ID and VERSION_ID; None: not supported."""
        wanted = (distribution, release)
        return next((d for d in self.distributions if (d.distribution, d.release) == wanted), None)


@cache
def load() -> Catalog:
    """Return the catalog."""
    cards, drivers = read("cards.yml"), read("drivers.yml")
    return Catalog(
        cards=tuple(Card(**card) for card in cards["cards"]),
        branches=tuple(Branch(**branch) for branch in drivers["branches"]),
        distributions=tuple(Distribution(**distribution) for distribution in drivers["distributions"]),
        default_branch=drivers["default_branch"],
        open_modules_required=tuple(drivers["open_modules_required"]),
        sources={**cards["sources"], **drivers["sources"]},
    )


def read(name: str) -> dict[str, Any]:
    """Return the content of a data file of this folder."""
    import yaml

    # The compiled loader, where PyYAML has it, is five times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506  (both are safe loaders)
    return content


def table() -> str:
    """Return the catalog as Markdown: the text of docs/cards.md."""
    catalog = load()
    parts = (
        "# Cards, drivers, distributions\n",
        "Made from `glmprov/catalog/`. A card that isn't here is shown and left alone. The default cap\n"
        "lowers a card's power limit, it never raises it; what a card allows is read from the card.\n",
        _rows(
            ("NVML name", "PCI id", "default cap", "first driver", "sources"),
            (
                (c.name, f"10de:{c.device_id}", f"{c.target_watts} W", c.minimum_version, _cited(c.sources))
                for c in catalog.cards
            ),
        ),
        _rows(
            ("driver branch", "designation", "from version", "note", "source"),
            ((b.branch, b.designation, b.first_version, b.note, b.source) for b in catalog.branches),
        ),
        f"Default branch: {catalog.default_branch}. Open kernel modules are required by "
        f"{', '.join(catalog.open_modules_required)}.\n",
        _rows(
            ("distribution", "release", "driver branch from", "source"),
            ((d.distribution, d.release, d.minimum_branch or "any", d.source) for d in catalog.distributions),
        ),
        "## Sources\n",
        _rows(("name", "what"), catalog.sources.items()),
    )
    return "\n".join(parts)


def _cited(sources: Mapping[str, str]) -> str:
    return "; ".join(f"{what}: {source}" for what, source in sources.items())


def _rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)
