"""`glmprov plan --export`: an Ansible project that brings hosts to their plan without glmprov.

    ansible.cfg  provision.yml  roles/     what plain ansible-playbook, AWX and ansible-navigator run
    inventory.yml                          the hosts by name; how they are reached stays in the operator's inventory
    host_vars/<host>/glmprov.yml           each host's plan as role variables

The same plan gives the same bytes, so that a repository shows what changed and nothing else. No secret is in it.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from glmprov import __version__, state
from glmprov.actions.observe import Fleet
from glmprov.actions.saved_plan import write_whole
from glmprov.apply import ansible_home
from glmprov.apply.stage_inventory import yaml_text
from glmprov.errors import UsageError
from glmprov.inventory import Host
from glmprov.results.review import HostReview
from glmprov.state import HostState, Later

GROUP = "glmprov_exported"
"""The group of the exported hosts: the operator's inventory may hold others, which must not get a role's defaults."""

MARK = "# Made by `glmprov plan --export`"
"""How each of our files begins. A file of that name without it isn't ours to overwrite."""

_SETTINGS = """
[defaults]
inventory = inventory.yml
roles_path = roles
interpreter_python = /usr/bin/python3
gathering = explicit

[connection]
pipelining = true
"""


@dataclass(frozen=True)
class Exported:
    """What was exported. later are fields that can't be known yet and were left out, by host."""

    directory: Path
    hosts: tuple[str, ...]
    later: Mapping[str, tuple[str, ...]]
    command: str


def export(reviews: Sequence[HostReview], fleet: Fleet, directory: Path) -> Exported:
    """Write the project, or into the one of an earlier export. Hosts without a plan are left out.

    Raise UsageError if the folder is no place for it.
    """
    _refuse_bad_place(directory, fleet)
    hosts = {host.name: host for host in fleet.hosts}
    ready = {review.host: review for review in reviews if review.plan and review.error is None}
    try:
        _write_roles(directory)
        for name, review in ready.items():
            (directory / "host_vars" / name).mkdir(parents=True, exist_ok=True)
            write_whole(directory / "host_vars" / name / "glmprov.yml", host_file(hosts[name], review))
    except OSError as error:
        raise UsageError(
            f"can't be written: {error.strerror}", place=str(error.filename or directory)
        ) from error
    known = sorted(path.parent.name for path in directory.glob("host_vars/*/glmprov.yml"))
    listed = {GROUP: {"hosts": dict.fromkeys(known)}}
    words = f"{MARK}: the exported hosts. Give your own inventory before it: that says how to reach them.\n"
    write_whole(directory / "inventory.yml", words + yaml.safe_dump(listed))
    later = {name: tuple(_fields_known_later(_given(review))) for name, review in ready.items()}
    return Exported(
        directory,
        tuple(ready),
        {name: left for name, left in later.items() if left},
        f"cd {shlex.quote(str(directory.absolute()))} && {shlex.join(_command(fleet))}",
    )


def _command(fleet: Fleet) -> list[str]:
    sources = [str(source if "," in str(source) else source.absolute()) for source in fleet.sources]
    named = [word for source in (*sources, "inventory.yml") for word in ("-i", source)]
    return ["ansible-playbook", *named, "provision.yml"]


def host_file(host: Host, review: HostReview) -> str:
    """Return a host's plan as the text of its file of variables."""
    given = _given(review)
    later = [f"#   {key}: {reason}" for key, reason in _fields_known_later(given).items()]
    head = [
        f"{MARK}, glmprov {__version__}. The next export overwrites it:",
        "# what you want otherwise belongs into the inventory that it was made from.",
        *(["# Not known yet and left out. Export again when it is known:", *later] if later else []),
    ]
    return "\n".join([*head, "---", yaml_text(_variables(host, given))])


def _given(review: HostReview) -> HostState:
    """Return what the roles are to be given: the plan, with what the host has in place of what isn't ours to change."""
    return review.plan.given(review.observation) if review.plan and review.observation else HostState()


def _variables(host: Host, given: HostState) -> dict[str, Any]:
    """Return the role variables of a host and the sections that are to be applied."""
    variables = state.role_variables(given)
    sections = [s for s in state.SECTIONS if any(name.startswith(f"{s}_") for name in variables)]
    if given.gpu_driver and given.gpu_driver.source == "existing":
        sections.remove("gpu_driver")  # it is only checked, and a role can't do that
    for section in sections:
        # What the operator wrote for glmprov may be of another type than the role's option, and the plan has
        # answered it: with no value, the role must have its default.
        written = {f"{section}_{option}" for option in state.role_options(section)} & set(host.variables)
        variables |= {name: _defaults(section)[name] for name in sorted(written - set(variables))}
    return {"glmprov_sections": sections} | variables


def _defaults(role: str) -> dict[str, Any]:
    text = (ansible_home() / "roles" / role / "defaults/main.yml").read_text(encoding="utf-8")
    defaults: dict[str, Any] = yaml.safe_load(text)
    return defaults


def _fields_known_later(given: HostState) -> dict[str, str]:
    """Return the fields that can't be known yet, with what they wait for."""
    return {
        f"{section}.{field.name}": value.reason
        for section in state.SECTIONS
        for part in [getattr(given, section)]
        for field in (fields(part) if part else ())
        for value in [getattr(part, field.name)]
        if isinstance(value, Later)
    }


def _write_roles(directory: Path) -> None:
    home = ansible_home()
    directory.mkdir(parents=True, exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(home / "roles", directory / "roles", dirs_exist_ok=True, ignore=ignored)
    playbook = (home / "playbooks/provision.yml").read_text(encoding="utf-8")
    ours = playbook.removeprefix("---\n").replace("hosts: all\n", f"hosts: {GROUP}\n")
    write_whole(directory / "provision.yml", f"{MARK}, glmprov {__version__}.\n---\n{ours}")
    write_whole(directory / "ansible.cfg", f"{MARK}.{_SETTINGS}")


def _refuse_bad_place(directory: Path, fleet: Fleet) -> None:
    for why in _faults(directory, fleet):
        raise UsageError(
            why, place=str(directory), next_step="name an empty folder, or one of an earlier export"
        )


def _faults(directory: Path, fleet: Fleet) -> Iterator[str]:
    here = directory.resolve()
    for source in (Path(source).resolve() for source in fleet.sources if "," not in str(source)):
        if here == source.parent or here == source or source in here.parents:
            yield f"beside the inventory {source} the export would be read as your orders the next time"
    if directory.exists() and not directory.is_dir():
        yield "it is a file"
    ours = [directory / name for name in ("ansible.cfg", "provision.yml", "inventory.yml")]
    ours += directory.glob("host_vars/*/glmprov.yml")
    foreign = [
        path for path in ours if path.exists() and not path.read_text(errors="replace").startswith(MARK)
    ]
    if not ours[1].exists():
        foreign += [directory / "roles" / section for section in state.SECTIONS]
    for path in foreign:
        if path.exists():
            yield f"{path.relative_to(directory)} is there and not from an earlier export"
    for host in fleet.hosts:
        if "/" in host.name or host.name in (".", ".."):
            yield f"the host name {host.name} can't be a folder"
