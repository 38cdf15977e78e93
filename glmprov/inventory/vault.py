"""Values that `ansible-inventory --list` leaves open: templates and vault values, resolved by Ansible itself.

One play on this machine asks for all of them at once, so filters, lookups and vaults mean what they mean in
Ansible. Everything that comes out of a vault becomes a Secret.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from glmprov.errors import InventoryError
from glmprov.inventory.ansible import run
from glmprov.inventory.complaints import RESOLVE_PLAY, explain_vault
from glmprov.inventory.request import Request, files_named, variable_files
from glmprov.secret import SHORTEST_REDACTED, Secret

VAULT_KEY = "__ansible_vault"
HEADER = "$ANSIBLE_VAULT;"
TEMPLATE = re.compile(r"\{\{|\{%")

Variables = Mapping[str, Mapping[str, Any]]
"""Variables of each host, by host name."""


def is_open(value: object) -> bool:
    """Return whether value holds a template or a vault value anywhere."""
    return any(is_vault(leaf) or (isinstance(leaf, str) and TEMPLATE.search(leaf)) for leaf in leaves(value))


def is_vault(value: object) -> bool:
    """Return whether value is a vault value as ansible-inventory prints it."""
    return isinstance(value, dict) and VAULT_KEY in value


def leaves(value: object) -> Iterator[object]:
    """Yield the scalars and vault values in value."""
    if isinstance(value, dict) and not is_vault(value):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def vaulted_files(request: Request) -> list[Path]:
    """Return the files of variables that are encrypted as a whole."""
    return [path for path in variable_files(request) if _starts_with_header(path)]


def holds_vault(variables: Variables, request: Request) -> bool:
    """Return whether anything in the inventory is, or may come from, a vault value."""
    if any(is_vault(leaf) for values in variables.values() for leaf in leaves(dict(values))):
        return True
    return bool(vaulted_files(request)) or any(map(_starts_with_header, _plain_sources(request)))


def resolve(variables: Variables, request: Request) -> dict[str, dict[str, Any]]:
    """Return variables with templates and vault values resolved, what is secret as Secret.

    A template that can't be resolved here (it needs facts of the host, say) stays as text. Raise InventoryError
    if a vault value can't be decrypted.
    """
    wanted = {host: [name for name in values if is_open(values[name])] for host, values in variables.items()}
    encrypted = vaulted_files(request)
    resolved: dict[str, dict[str, Any]] = {host: dict(values) for host, values in variables.items()}
    if not encrypted and not any(wanted.values()):
        return resolved
    values, texts = _ask(wanted, encrypted, request)
    for host, found in values.items():
        resolved[host].update(found)
    hidden = _secret_texts(variables, values, texts)
    in_files = {name: value for text in texts for name, value in _mapping(text).items()}
    for host, raw in variables.items():
        for name, value in resolved[host].items():
            if name in in_files and raw[name] == in_files[name]:
                resolved[host][name] = _wrap(value)
            elif is_open(raw[name]):
                resolved[host][name] = _hide(value, raw[name], hidden)
    return resolved


def _ask(
    wanted: Mapping[str, list[str]], encrypted: list[Path], request: Request
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the resolved variables of each host, and the texts of the encrypted files."""
    token = secrets.token_hex(8)
    pairs = [(host, name) for host, names in wanted.items() for name in names]
    fetch = ", ".join(
        f"[{_word(h)}, {_word(n)}, hostvars[{_word(h)}][{_word(n)}] | default({_word(token)})]"
        for h, n in pairs
    )
    files = ", ".join(f"lookup('ansible.builtin.unvault', {_word(str(path))})" for path in encrypted)
    answer = _play([{"debug": {"msg": _tell(token, f"[[{fetch}], [{files}]]")}}], request)
    told = re.findall(token + r"([A-Za-z0-9+/=]+)", answer)
    if told:
        triples, texts = json.loads(base64.b64decode(told[0]))
    else:
        # One value that can't be had spoils the whole expression: ask for each by itself.
        ask_each = {
            "debug": {"msg": _tell(token, "[item.0, item.1, hostvars[item.0][item.1]]")},
            "loop": [list(pair) for pair in pairs],
            "ignore_errors": True,
        }
        ask_files = {"debug": {"msg": _tell(token, f"[{files}]")}}
        answer = _play([ask_files, ask_each], request)
        told = re.findall(token + r"([A-Za-z0-9+/=]+)", answer)
        if not told:
            reason = re.search(r"^\[ERROR\]: (.+)$", answer, re.MULTILINE)
            raise InventoryError(
                f"Ansible can't resolve its variables: {reason[1] if reason else 'no reason given'}"
            )
        texts, *triples = [json.loads(base64.b64decode(part)) for part in told]
    values: dict[str, dict[str, Any]] = {}
    for host, name, value in triples:
        if value != token:
            values.setdefault(host, {})[name] = value
    return values, texts


def _play(tasks: list[dict[str, Any]], request: Request) -> str:
    """Run tasks on this machine with the inventory at hand; return what Ansible printed."""
    play = [
        {"hosts": "localhost", "connection": "local", "gather_facts": False, "become": False, "tasks": tasks}
    ]
    with tempfile.TemporaryDirectory(prefix="glmprov-") as folder:
        # Ansible looks for more variables beside a playbook; ad hoc it looks here, and so do we.
        for name in ("group_vars", "host_vars"):
            if (request.cwd / name).is_dir():
                (Path(folder) / name).symlink_to(request.cwd / name)
        playbook = Path(folder) / RESOLVE_PLAY
        playbook.write_text(json.dumps(play))
        answer = run("playbook", [str(playbook)], request)
    wrong = explain_vault(answer.stdout + answer.stderr, request)
    if wrong:
        raise wrong
    return answer.stdout + answer.stderr


def _tell(token: str, expression: str) -> str:
    """Return a template that prints expression as one word behind token."""
    return f"{{{{ {_word(token)} ~ ({expression} | to_json | b64encode) }}}}"


def _word(text: str) -> str:
    """Return text as a Jinja string, without a character that could end it or begin another template."""
    return "'" + "".join(c if c.isalnum() or c in "_-. /" else f"\\u{ord(c):04x}" for c in text) + "'"


def _secret_texts(raw: Variables, values: Variables, texts: list[str]) -> set[str]:
    """Return every text that came out of a vault."""
    found = {str(leaf) for text in texts for leaf in leaves(_mapping(text))}
    for host, names in values.items():
        for name, value in names.items():
            found |= {str(leaf) for leaf in _decrypted(raw[host][name], value)}
    return found


def _decrypted(raw: object, value: object) -> Iterator[object]:
    """Yield the values that stand where raw has vault values."""
    if is_vault(raw):
        yield from leaves(value)
    elif isinstance(raw, dict) and isinstance(value, dict):
        for key in raw.keys() & value.keys():
            yield from _decrypted(raw[key], value[key])
    elif isinstance(raw, list) and isinstance(value, list):
        for one, other in zip(raw, value, strict=False):
            yield from _decrypted(one, other)


def _hide(value: Any, raw: object, hidden: set[str]) -> Any:
    """Return a resolved value with its secret parts wrapped: vault values, and texts made from secrets."""
    if is_vault(raw):
        return _wrap(value)
    if isinstance(value, dict):
        parts = raw if isinstance(raw, dict) else {}
        return {key: _hide(item, parts.get(key, raw), hidden) for key, item in value.items()}
    if isinstance(value, list):
        rows = raw if isinstance(raw, list) and len(raw) == len(value) else [raw] * len(value)
        return [_hide(item, row, hidden) for item, row in zip(value, rows, strict=True)]
    text = str(value)
    made_of = text in hidden or any(secret in text for secret in hidden if len(secret) >= SHORTEST_REDACTED)
    return _wrap(value) if made_of and is_open(raw) else value


def _wrap(value: Any) -> Any:
    """Return value with every text and number in it as Secret; true, false and nothing tell nothing."""
    if isinstance(value, dict):
        return {key: _wrap(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_wrap(item) for item in value]
    return value if value is None or isinstance(value, bool) else Secret(str(value))


def _mapping(text: str) -> dict[str, Any]:
    """Return a decrypted file of variables as a mapping."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _starts_with_header(path: Path) -> bool:
    """Return whether a file is encrypted as a whole."""
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER.encode()


def _plain_sources(request: Request) -> list[Path]:
    """Return the files among the sources."""
    found: list[Path] = []
    for source in files_named(request.sources):
        found += [p for p in source.rglob("*") if p.is_file()] if source.is_dir() else [source]
    return found
