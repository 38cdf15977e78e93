"""The command that a person would type to do the same again, for one host and with more allowed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

_OPTIONS = {
    "inventory": "-i",
    "user": "-u",
    "private_key": "--private-key",
    "ask_pass": "-k",
    "ask_become_pass": "-K",
    "vault_password_file": "--vault-password-file",
    "ask_vault_pass": "--ask-vault-pass",
    "forgotten": "--forget-card",
    "sections": "--section",
    "packages": "--packages",
    "before": "--before",
    "after": "--after",
    "hook_timeout": "--hook-timeout",
    "reason": "--reason",
}
"""What is about the same hosts and the same change, by its name among a command's options.

Which hosts of them, in which batches, and how it is told is the one run's.
"""

_UNSAID = "…"


def again(verb: str, options: Mapping[str, Any]) -> str:
    """Given a command and its options, return the line for a shell.

    Of the extra variables only files and our own settings are repeated: others may be passwords, and are named.
    """
    words = ["glmprov", verb, *([str(options["plan_file"])] if options.get("plan_file") else [])]
    for name, flag in _OPTIONS.items():
        words += _words(flag, options.get(name))
    words += [] if options["become"] else ["-B"]
    words += ["--channel", options["channel"]] if options["channel"] != "auto" else []
    words += [word for given in options["extra_vars"] for said in _said(given) for word in ("-e", said)]
    return shlex.join(words)


def _words(flag: str, value: Any) -> list[str]:
    if isinstance(value, tuple):
        return [word for each in value for word in (flag, str(each))]
    if value is True:
        return [flag]
    return [flag, str(value)] if value else []


def _said(given: str) -> Iterator[str]:
    """Yield what may be said of one -e: what is ours as it was given, the names of the rest."""
    if given.startswith("@"):
        yield given
        return
    is_mapping = given.lstrip()[:1] in ("{", "[")  # as Ansible tells it from NAME=VALUE
    try:
        variables = _mapping(given) if is_mapping else dict(_pairs(given))
    except ValueError:  # nobody knows what is in it
        yield _UNSAID
        return
    ours = {name: value for name, value in variables.items() if _is_ours(name)}
    if ours == variables:
        yield given
    elif ours:
        yield (
            json.dumps(ours, ensure_ascii=False)
            if is_mapping
            else shlex.join(f"{name}={value}" for name, value in ours.items())
        )
    yield from (f"{name}={_UNSAID}" for name in variables if name not in ours)


def _pairs(given: str) -> Iterator[tuple[str, str]]:
    for word in shlex.split(given):
        name, _, value = word.partition("=")
        yield name, value


def _mapping(given: str) -> dict[str, Any]:
    import yaml

    try:
        variables = yaml.safe_load(given)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not isinstance(variables, dict):
        raise ValueError("no mapping")
    return {str(name): value for name, value in variables.items()}


def _is_ours(name: str) -> bool:
    from glmprov.settings import VARIABLES

    return name in VARIABLES or name.startswith("glmprov_")
