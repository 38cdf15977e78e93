"""The inventory that one run of Ansible reads, and the only file with a secret in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from glmprov.secret import Secret
from glmprov.state import INSTANCE_SECTION_TYPES, SECTIONS

Variables = Mapping[str, Any]

_DATA = (*SECTIONS, *INSTANCE_SECTION_TYPES, "revert_")
"""Variables of our roles begin so: their text is data, whatever it looks like."""


class _Unsafe(str):
    """Text from a host or a plan that Ansible must not take for a template."""


class _InventoryDumper(yaml.SafeDumper):
    """YAML as Ansible's inventory reads it, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_InventoryDumper.add_representer(
    _Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"')
)


def write_inventory(
    path: Path, variables: Mapping[str, Variables], sections: Mapping[str, Sequence[str]]
) -> None:
    """Write the inventory: never extra variables, which are the same for all hosts and beat everything."""
    hosts = {
        host: {name: _plain(name, value) for name, value in settings.items()}
        | {"glmprov_sections": list(sections.get(host, SECTIONS))}
        for host, settings in variables.items()
    }
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    path.write_text(yaml.dump({"all": {"hosts": hosts}}, Dumper=_InventoryDumper, allow_unicode=True))


def yaml_text(variables: Variables) -> str:
    """Return one host's role variables as the text of a file of host_vars. No secret belongs among them."""
    plain = {name: _plain(name, value) for name, value in variables.items()}
    return str(yaml.dump(plain, Dumper=_InventoryDumper, allow_unicode=True, sort_keys=False))


def _plain(name: str, value: Any) -> Any:
    """Return a variable as YAML holds it. Role variables are data; the inventory's own may be templates."""
    if isinstance(value, str):
        ours = isinstance(value, Secret) or name.startswith(_DATA)
        text = value.reveal() if isinstance(value, Secret) else str(value)
        # Only where it is needed: Ansible takes an unsafe "off" for a boolean, quoted or not.
        return _Unsafe(text) if ours and re.search(r"\{[{%#]", text) else text
    if isinstance(value, Mapping):
        return {str(key): _plain(name, item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(name, item) for item in value]
    return value
