"""Ansible's own programs, run to read an inventory, and their complaints understood."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from glmprov.errors import InventoryError
from glmprov.secret import Secret

TIMEOUT_SECONDS = 300
"""A dynamic inventory may ask a slow service; one that never answers must not hold us for ever."""

RESOLVE_PLAY = "glmprov-resolve.yml"
"""The name of the play by which vault.py asks for open values: never a place that a person should look at."""

SETTINGS = {
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",  # a source that can't be parsed is an error, not a warning
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_VERBOSITY": "0",
    # What is resolved may be secret: no log file, no callback but the plain one that we read.
    "ANSIBLE_LOG_PATH": os.devnull,
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
    "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
    "ANSIBLE_CALLBACK_PLUGINS": os.devnull,
    "ANSIBLE_RETRY_FILES_ENABLED": "0",
    "PYTHONWARNINGS": "ignore",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True)
class Request:
    """What to read: the sources, and what the command line says about them."""

    sources: tuple[Path, ...]
    cwd: Path
    limit: str | None = None
    vault_password_file: Path | None = None
    vault_password: Secret | None = None
    extra_vars: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """Return the arguments that every program of Ansible's takes."""
        arguments = [word for source in self.sources for word in ("-i", str(source))]
        arguments += [word for said in self.extra_vars for word in ("-e", said)]
        if self.vault_password_file:
            arguments += ["--vault-password-file", str(self.vault_password_file)]
        if self.vault_password is not None:
            arguments.append("--ask-vault-pass")
        return arguments


def run(program: str, arguments: Sequence[str], request: Request) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs; a vault password goes by standard input, where there is no terminal."""
    try:
        return subprocess.run(
            [sys.executable, "-m", "ansible", program, *arguments, *request.arguments],
            input=f"{request.vault_password.reveal()}\n" if request.vault_password is not None else "",
            env={**os.environ, **SETTINGS},
            cwd=request.cwd,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InventoryError(
            f"Ansible didn't read it within {TIMEOUT_SECONDS} s", place=_names(request.sources)
        ) from error


def list_inventory(request: Request) -> dict[str, Any]:
    """Return the inventory as `ansible-inventory --list` prints it. Raise InventoryError with file and line."""
    limit = ["--limit", request.limit] if request.limit else []
    answer = run("inventory", ["--list", *limit], request)
    if answer.returncode:
        raise explain(answer.stderr, request)
    try:
        listed = json.loads(answer.stdout)
    except ValueError as error:
        raise InventoryError(
            "Ansible's answer isn't JSON: does a plug-in or script print on standard output?",
            place=_names(request.sources),
        ) from error
    assert isinstance(listed, dict)  # noqa: S101  # ansible-inventory --list prints one object
    return listed


def explain(said: str, request: Request) -> InventoryError:
    """Return what Ansible complained about as one error with its place."""
    vault = explain_vault(said, request)
    if vault:
        return vault
    failed = re.search(r"Completely failed to parse inventory source (.+)", said)
    if failed:
        source = Path(failed[1].strip())
        return _unparsed(source, said)
    errors = re.findall(r"^\[?ERROR\]?!?:? (.+)$", said, re.MULTILINE)
    message = errors[0].rstrip(".") if errors else said.strip()[-300:] or "Ansible gave no reason"
    return InventoryError(message, place=broken_yaml(request) or _origin(said) or _names(request.sources))


def explain_vault(said: str, request: Request) -> InventoryError | None:
    """Return the error if Ansible complains about a vault password, else None."""
    if "no vault secrets found" in said:
        return InventoryError(
            "it holds vault values, and no vault password is given",
            place=_origin(said) or _names(request.sources),
            next_step="give it with --vault-password-file or --ask-vault-pass",
        )
    if re.search(r"Decryption failed|undecryptable|HMAC verification failed", said):
        return InventoryError(
            "the vault password is wrong",
            place=str(request.vault_password_file or _origin(said) or _names(request.sources)),
            next_step="check it with `ansible-vault view` on an encrypted file, or --vault-password-file",
        )
    if re.search(r"vault password (file|script)|Invalid vault password", said, re.IGNORECASE):
        reason = next((line for line in said.splitlines() if "assword" in line), said.strip())
        return InventoryError(
            re.sub(r"^\[?ERROR\]?!?:? ", "", reason), place=str(request.vault_password_file or "vault")
        )
    return None


def broken_yaml(request: Request) -> str | None:
    """Return file:line of the first file of variables that isn't YAML, None if all are."""
    for path in variable_files(request):
        try:
            yaml.compose(path.read_text(errors="replace"))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            return f"{path}:{mark.line + 1}" if mark else str(path)
    return None


def variable_files(request: Request) -> list[Path]:
    """Return the files of group_vars and host_vars that Ansible may read beside the sources and here."""
    folders = dict.fromkeys(
        [*(s if s.is_dir() else s.parent for s in files_named(request.sources)), request.cwd]
    )
    return [
        path
        for folder in folders
        for name in ("group_vars", "host_vars")
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    ]


def files_named(sources: Iterable[Path]) -> list[Path]:
    """Return the sources that are files or folders, without lists of hosts ("a,b,")."""
    return [source for source in sources if "," not in str(source)]


def _unparsed(source: Path, said: str) -> InventoryError:
    """Explain an inventory that no plug-in understood, by the plug-in that its name asks for."""
    wanted = "yaml" if source.suffix in {".yml", ".yaml", ".json"} else "ini"
    complaints = dict(re.findall(r"with '?([\w.]+)'? plugin: (.+)", said))
    message = next((m for name, m in complaints.items() if name.endswith(wanted)), None)
    message = message or next(iter(complaints.values()), "no inventory plug-in understands it")
    message = message.removeprefix("Failed to parse inventory: ").rstrip(".")
    if wanted == "yaml" and source.is_file():
        place = _yaml_place(source)
    else:
        number = _ini_line(source, message) if source.is_file() else None
        place = f"{source}:{number}" if number else str(source)
    if "not enough values to unpack" in message:
        message = "a section header isn't closed with ]"
    return InventoryError(
        message, place=place, next_step="`ansible-inventory --list -i` shows what Ansible makes of it"
    )


def _yaml_place(source: Path) -> str:
    """Return file:line where YAML breaks, the file alone if it is YAML of another shape."""
    try:
        yaml.compose(source.read_text(errors="replace"))
    except yaml.MarkedYAMLError as error:
        if error.problem_mark:
            return f"{source}:{error.problem_mark.line + 1}"
    return str(source)


def _ini_line(source: Path, message: str) -> int | None:
    """Return the line that message speaks of: Ansible quotes the text of an ini file, but not where it stands."""
    lines = source.read_text(errors="replace").splitlines()
    quoted = re.findall(r"'([^']+)'|\"([^\"]+)\"|(\[[^\]]+\])|got: (.+)$", message)
    snippets = sorted((part for groups in quoted for part in groups if part), key=len, reverse=True)
    for snippet in snippets:
        for number, line in enumerate(lines, 1):
            if snippet in line and not line.lstrip().startswith(("#", ";")):
                return number
    for number, line in enumerate(lines, 1):
        text = re.split(r"\s[#;]", line)[0].strip()
        if text.startswith("[") and not text.endswith("]"):
            return number
    return None


def _origin(said: str) -> str | None:
    """Return the place that Ansible names, if it is a file."""
    for path, line in re.findall(r"^Origin: (/.+?)(:\d+)?(?::\d+)?$", said, re.MULTILINE):
        if not path.endswith(f"/{RESOLVE_PLAY}"):
            return f"{path}{line}"
    return None


def _names(sources: Iterable[Path]) -> str:
    return ", ".join(str(source) for source in sources)


def told(mapping: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the hosts of a listed inventory with their variables, in the inventory's order."""
    variables = mapping.get("_meta", {}).get("hostvars", {})
    order: dict[str, None] = {}

    def walk(group: str, seen: frozenset[str]) -> None:
        entry = mapping.get(group, {})
        order.update(dict.fromkeys(entry.get("hosts", ())))
        for child in entry.get("children", ()):
            if child not in seen:
                walk(child, seen | {child})

    walk("all", frozenset({"all"}))
    order.update(dict.fromkeys(variables))
    return {name: variables.get(name, {}) for name in order}
