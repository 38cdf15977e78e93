"""From inventories to hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from glmprov.errors import InventoryError, NoHostError
from glmprov.inventory import ansible, cache, vault
from glmprov.inventory.host import Host
from glmprov.inventory.request import Request
from glmprov.secret import Secret

_EXTRA_FORMS = "write NAME=VALUE, {NAME: VALUE}, or @FILE"


def load(
    sources: Sequence[Path],
    *,
    limit: str | None = None,
    vault_password_file: Path | None = None,
    vault_password: Secret | None = None,
    extra_vars: Sequence[str] = (),
    cwd: Path | None = None,
) -> tuple[Host, ...]:
    """Return the hosts of sources that match limit (an Ansible pattern), in the inventory's order.

    extra_vars are as given with -e. vault_password is what was typed for --ask-vault-pass. An answer of plain
    files is cached by their content; an answer with vault values, a script or a plug-in in it never is.

    Raise InventoryError if a source can't be read or decrypted, NoHostError if no host matches.
    """
    if vault_password_file and not vault_password_file.is_file():
        raise InventoryError(
            "the vault password file doesn't exist",
            place=str(vault_password_file),
            next_step="give another with --vault-password-file, or type the password with --ask-vault-pass",
        )
    for said in extra_vars:
        _check_extra(said, cwd or Path.cwd())
    request = Request(
        sources=tuple(source if "," in str(source) else source.absolute() for source in sources),
        cwd=(cwd or Path.cwd()).absolute(),
        limit=limit,
        vault_password_file=vault_password_file.absolute() if vault_password_file else None,
        vault_password=vault_password,
        extra_vars=tuple(extra_vars),
    )
    name = cache.key(request)
    hosts: Mapping[str, Mapping[str, Any]] | None = cache.read(name) if name else None
    if hosts is None:
        raw = ansible.told(ansible.list_inventory(request))
        hosts = vault.resolve(raw, request)
        # The key is taken again: an answer belongs to it only if no file changed while Ansible read.
        if hosts and name and not vault.holds_vault(raw, request) and name == cache.key(request):
            cache.write(name, hosts)
    source = ", ".join(str(path) for path in sources)
    if not hosts:
        raise NoHostError(
            f"no host matches {limit!r}" if limit else "the inventory holds no host",
            place=source,
            next_step=f"`ansible-inventory --graph -i {source}` lists hosts and groups",
        )
    return tuple(Host(name, variables, source) for name, variables in hosts.items())


def _check_extra(said: str, cwd: Path) -> None:
    """Raise InventoryError where Ansible would blame the inventory for what was typed. Values aren't told."""
    if said.startswith("@"):
        try:
            (cwd / said[1:]).expanduser().open().close()
        except OSError as error:
            raise InventoryError(f"can't be read: {error.strerror}", place=f"-e {said}") from error
    elif said.lstrip()[:1] in ("{", "["):
        try:
            variables = yaml.safe_load(said)
        except yaml.YAMLError:
            raise InventoryError("it isn't YAML", place="-e", next_step=_EXTRA_FORMS) from None
        if not isinstance(variables, dict):
            raise InventoryError("it is no mapping", place="-e", next_step=_EXTRA_FORMS)
