"""Expected against observed, and both against what was applied. Pure."""

from glmprov.drift.audit import audit
from glmprov.drift.compare import compare, heeded, same
from glmprov.drift.difference import Difference, Verdict
from glmprov.drift.files import compare_files, written
from glmprov.drift.instances import instance, instances
from glmprov.drift.waiting import classes, interrupts, waiting

__all__ = [
    "Difference",
    "Verdict",
    "audit",
    "classes",
    "compare",
    "compare_files",
    "heeded",
    "instance",
    "instances",
    "interrupts",
    "same",
    "waiting",
    "written",
]
