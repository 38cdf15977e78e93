"""A playbook for several stages of one run of Ansible. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

NEXT_STAGE = "Ask what is left"
"""The play between two stages, in which Ansible reads its inventory again."""

Play = Mapping[str, Any]


def staged(plays: Sequence[Play], stages: Sequence[Collection[str]]) -> list[Play]:
    """Return the plays once for each stage, each with the roles that its sections need, and a question in between.

    Leaving a role out is cheaper than skipping it: each skipped task costs time, on every host.
    """
    found: list[Play] = []
    for sections in stages:
        if found:
            found.append(
                {
                    "name": NEXT_STAGE,
                    "hosts": "all",
                    "gather_facts": False,
                    "tasks": [{"ansible.builtin.meta": "refresh_inventory"}],
                }
            )
        found += [{**play, "roles": _needed(play, sections)} for play in plays]
    return found


def _needed(play: Play, sections: Collection[str]) -> list[Any]:
    return [role for role in play["roles"] if set(sections) & set(role["tags"])]
