"""What Ansible is told of hosts: the answer to its question before each stage, and host_vars as a file. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import yaml

from glmprov.secret import Secret
from glmprov.state import INSTANCE_SECTION_TYPES, SECTIONS

Variables = Mapping[str, Any]

_DATA = (*SECTIONS, *INSTANCE_SECTION_TYPES, "revert_")
"""Variables of our roles begin so: their text is data, whatever it looks like."""


def answer(
    variables: Mapping[str, Variables],
    sections: Mapping[str, Sequence[str]],
    failed: Collection[str] = (),
) -> bytes:
    """Return what inventory_plugin/glmprov_stage.py reads: never extra variables, which are the same for all hosts.

    failed are hosts that failed in a stage before: Ansible must know them to leave them out. Secrets are in clear.
    """
    hosts = {host: _of_host(settings, sections[host]) for host, settings in variables.items()}
    if hosts:
        hosts = {host: _of_host({}, ()) for host in failed} | hosts
    return json.dumps(hosts, default=str).encode()


def _of_host(settings: Variables, sections: Sequence[str]) -> dict[str, dict[str, Any]]:
    data = {name: _plain(value) for name, value in settings.items() if _is_data(name, value)}
    templates = {name: _plain(value) for name, value in settings.items() if not _is_data(name, value)}
    return {"data": data | {"glmprov_sections": list(sections)}, "templates": templates}


def _is_data(name: str, value: Any) -> bool:
    """Say whether a variable is data. The inventory's own may be templates."""
    return isinstance(value, Secret) or name.startswith(_DATA)


def _plain(value: Any) -> Any:
    """Return a value as JSON and YAML hold it, with secrets in clear."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return value


class _Unsafe(str):
    """Text from a host or a plan that Ansible must not take for a template."""


class _HostVarsDumper(yaml.SafeDumper):
    """YAML as Ansible's inventory reads it, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_HostVarsDumper.add_representer(
    _Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"')
)


def yaml_text(variables: Variables) -> str:
    """Return one host's role variables as the text of a file of host_vars. No secret belongs among them."""
    plain = {
        name: _unsafe(_plain(value)) if _is_data(name, value) else _plain(value)
        for name, value in variables.items()
    }
    return str(yaml.dump(plain, Dumper=_HostVarsDumper, allow_unicode=True, sort_keys=False))


def _unsafe(value: Any) -> Any:
    """Return a value with every text in it marked that looks like a template.

    Only where it is needed: Ansible takes an unsafe "off" for a boolean, quoted or not.
    """
    if isinstance(value, str):
        return _Unsafe(value) if re.search(r"\{[{%#]", value) else value
    if isinstance(value, dict):
        return {key: _unsafe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unsafe(item) for item in value]
    return value
