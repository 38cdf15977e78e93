"""One host of the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Host:
    """A host of the inventory with its variables, vault values decrypted and wrapped as Secret.

    name is the inventory's; variables hold everything that Ansible knows of the host, `ansible_*` included;
    source is the inventory it came from, for messages.
    """

    name: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is the machine that we run on (ansible_connection=local)."""
        return self.variables.get("ansible_connection") in ("local", "ansible.builtin.local")
