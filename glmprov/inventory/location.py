"""Where the inventory lies."""

from __future__ import annotations

import configparser
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from glmprov.errors import InventoryError, UsageError

FOLDER = "inventories"

NOT_INVENTORIES = re.compile(
    r"^\.|^readme|^(group_vars|host_vars|__pycache__)$|~$|\.(md|txt|rst|cfg|orig|bak|retry|swp|pyc|rpm)$",
    re.IGNORECASE,
)
"""Names in ./inventories that don't count: what Ansible skips in a folder, and the folders of variables."""


def locate(names: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where the inventories lie. names are those given with -i; a list of hosts ("a,b,") stays as it is.

    A name that isn't a path is also looked for in ./inventories/. Without names: $GLMPROV_INVENTORY, then
    $ANSIBLE_INVENTORY and ansible.cfg, then ./inventories/ if it holds exactly one.

    Raise InventoryError if a named inventory doesn't exist, UsageError naming the choices if none is named.
    """
    if names:
        return tuple(_find(name, cwd, "-i") for name in names)
    if environ.get("GLMPROV_INVENTORY"):
        return _several(environ["GLMPROV_INVENTORY"], cwd, cwd, "GLMPROV_INVENTORY")
    if environ.get("ANSIBLE_INVENTORY"):
        return _several(environ["ANSIBLE_INVENTORY"], cwd, cwd, "ANSIBLE_INVENTORY")
    config = config_file(cwd, environ)
    said = config_value(config, "defaults", "inventory") if config else None
    if config and said:
        return _several(said, config.parent, cwd, str(config))
    choices = _choices(cwd)
    if len(choices) == 1:
        return (choices[0],)
    names_there = ", ".join(choice.name for choice in choices)
    raise UsageError(
        f"several inventories in ./{FOLDER}: {names_there}" if choices else "no inventory is named",
        next_step=f"choose one with -i, as in `-i {choices[0].name}`"
        if choices
        else f"name one with -i, in $GLMPROV_INVENTORY or in ansible.cfg, or put one into ./{FOLDER}",
    )


def config_file(cwd: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the ansible.cfg that Ansible takes: $ANSIBLE_CONFIG, ./, ~/.ansible.cfg, /etc/ansible."""
    said = environ.get("ANSIBLE_CONFIG")
    if said:
        path = (cwd / said).expanduser()
        path = path / "ansible.cfg" if path.is_dir() else path
        if path.is_file():
            return path
    here = cwd / "ansible.cfg"
    # Ansible ignores a configuration in a folder that anyone may write to.
    candidates = [] if cwd.stat().st_mode & 0o002 else [here]
    home = Path(environ.get("HOME") or "~").expanduser()
    candidates += [home / ".ansible.cfg", Path("/etc/ansible/ansible.cfg")]
    return next((path for path in candidates if path.is_file()), None)


def config_value(config: Path, section: str, key: str) -> str | None:
    """Return a value of ansible.cfg, None if it isn't there. Raise InventoryError if the file is broken."""
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None, strict=False)
    try:
        parser.read_string(config.read_text(errors="replace"), source=str(config))
    except configparser.Error as error:
        raise InventoryError(str(error).replace("\n", " "), place=str(config)) from error
    return parser.get(section, key, fallback=None)


def _several(said: str, base: Path, cwd: Path, place: str) -> tuple[Path, ...]:
    """Return the inventories of a comma-separated list of paths; a list of hosts ends with a comma."""
    if said.endswith(","):
        return (Path(said),)
    return tuple(_find(name.strip(), cwd, place, base) for name in said.split(",") if name.strip())


def _find(name: str, cwd: Path, place: str, base: Path | None = None) -> Path:
    """Return the path that name means, from base or in ./inventories. Raise InventoryError if there is none."""
    if "," in name:
        return Path(name)
    candidates = [(base or cwd) / Path(name).expanduser(), cwd / FOLDER / name]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    near = difflib.get_close_matches(name, [choice.name for choice in _choices(cwd)], n=1, cutoff=0.5)
    looked = f" (also not in ./{FOLDER})" if (cwd / FOLDER).is_dir() else ""
    raise InventoryError(
        f"there is no inventory {name}{looked}",
        place=place,
        next_step=f"did you mean `-i {near[0]}`?" if near else "give the path of an Ansible inventory",
    )


def _choices(cwd: Path) -> list[Path]:
    """Return the inventories in ./inventories."""
    folder = cwd / FOLDER
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not NOT_INVENTORIES.search(path.name))
