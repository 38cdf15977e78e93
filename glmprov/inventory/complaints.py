"""What Ansible complains about, understood: one error with its place."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import yaml

from glmprov.errors import InventoryError
from glmprov.inventory.request import Request, variable_files

RESOLVE_PLAY = "glmprov-resolve.yml"
"""The name of the play by which vault.py asks for open values: never a place that a person should look at."""

MARKED = "it begins with a byte order mark, as Windows' editors write it, or isn't UTF-8"


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
    return InventoryError(message, place=broken_yaml(request) or _origin(said) or request.named)


def explain_vault(said: str, request: Request) -> InventoryError | None:
    """Return the error if Ansible complains about a vault password, else None."""
    if "no vault secrets found" in said:
        return InventoryError(
            "it holds vault values, and no vault password is given",
            place=_origin(said) or request.named,
            next_step="give it with --vault-password-file or --ask-vault-pass",
        )
    if re.search(r"Decryption failed|undecryptable|HMAC verification failed", said):
        return InventoryError(
            "the vault password is wrong",
            place=str(request.vault_password_file or _origin(said) or request.named),
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
        except yaml.YAMLError as error:
            return _place(path, error)
    return None


def _place(path: Path, error: yaml.YAMLError) -> str:
    """Return file:line where YAML breaks; the file alone where the error knows no line, as of a stray byte."""
    mark = getattr(error, "problem_mark", None)
    return f"{path}:{mark.line + 1}" if mark else str(path)


def marked(source: Path) -> InventoryError | None:
    """Return the error of a file that begins with a byte order mark: Ansible's ini reader takes it for text."""
    marks = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if not source.is_file() or not source.read_bytes().startswith(marks):
        return None
    return InventoryError(MARKED, place=f"{source}:1", next_step="save it as plain UTF-8, without the mark")


def _unparsed(source: Path, said: str) -> InventoryError:
    """Explain an inventory that no plug-in understood, by the plug-in that its name asks for."""
    error = marked(source)
    if error:
        return error
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
    except yaml.YAMLError as error:
        return _place(source, error)
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
