"""Does a launch fit on these cards, with how much context, and where: pure arithmetic, shown."""

from glmprov.fit.asked import Asked, Buffers, FitError, asked_by
from glmprov.fit.config import model_of_config
from glmprov.fit.layout import Layout, faults, splits
from glmprov.fit.memory import Pool, pool, token
from glmprov.fit.terms import Card, Mark, Term, fraction
from glmprov.fit.verdict import Fit, alternatives, fit, needed_fraction
from glmprov.fit.which import model_of

__all__ = [
    "Asked",
    "Buffers",
    "Card",
    "Fit",
    "FitError",
    "Layout",
    "Mark",
    "Pool",
    "Term",
    "alternatives",
    "asked_by",
    "faults",
    "fit",
    "fraction",
    "model_of",
    "model_of_config",
    "needed_fraction",
    "pool",
    "splits",
    "token",
]
