"""What to read of an inventory, and the files that belong to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glmprov.secret import Secret


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

    @property
    def named(self) -> str:
        """Return the sources as a person reads them."""
        return ", ".join(str(source) for source in self.sources)


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
