"""A playbook for several stages of one run of Ansible. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

NEXT_STAGE = "Ask what is left"
"""The play between two stages, in which Ansible reads its inventory again."""

Play = Mapping[str, Any]


def staged(plays: Sequence[Play], stages: Sequence[Collection[str]]) -> list[Play]:
    """Return the plays once for each stage, each with the roles that its sections need, and a question in between.

    Leaving a role out is cheaper than skipping it: each skipped task costs time, on every host. So does the check of
    a role's arguments: what we give comes from the sections' types, and tests hold these to the roles' argument_specs.
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
        found += [_with_tasks(play, sections) for play in plays]
    return found


def _with_tasks(play: Play, sections: Collection[str]) -> Play:
    """Return a play with the roles of these sections as tasks: there the check may be left out."""
    needed = [role for role in play["roles"] if set(sections) & set(role["tags"])]
    tasks = [
        {
            "ansible.builtin.import_role": {"name": role["role"], "rolespec_validate": False},
            **{key: value for key, value in role.items() if key not in ("role", "tags")},
        }
        for role in needed
    ]
    return {**{key: value for key, value in play.items() if key != "roles"}, "tasks": tasks}
