"""A plan as a document: what was decided for each host, from what, and what has moved since. Pure.

Values that can't be known yet are {"later": why}, those that could not be read {"unknown": why}, as in every other
document.
"""

from glmprov.plan.saved.document import Change, Failure, Machine, SavedHost, SavedPlan
from glmprov.plan.saved.making import host_of
from glmprov.plan.saved.moving import changed, moved
from glmprov.plan.saved.text import SCHEMA, from_json, identified, json_schema, to_json

__all__ = [
    "SCHEMA",
    "Change",
    "Failure",
    "Machine",
    "SavedHost",
    "SavedPlan",
    "changed",
    "from_json",
    "host_of",
    "identified",
    "json_schema",
    "moved",
    "to_json",
]
