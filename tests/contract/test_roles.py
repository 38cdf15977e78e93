"""A section is one name in four places; dataclass, role, options and defaults agree."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from glmprov.state import INSTANCE_SECTION_TYPES, SECTION_TYPES, SECTIONS, Kind, kind_of, role_options

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "roles"
TYPES = {**SECTION_TYPES, **INSTANCE_SECTION_TYPES}
WITH_ROLES = (*SECTIONS, "engine_service")  # images and weights are brought about by acts


def _options(role: str) -> dict[str, Any]:
    specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
    options: dict[str, Any] = specs["argument_specs"]["main"]["options"]
    return options


def _defaults(role: str) -> dict[str, Any]:
    defaults: dict[str, Any] = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    return defaults


@pytest.mark.parametrize("section", WITH_ROLES)
def test_a_role_has_the_options_of_its_dataclass(section: str) -> None:
    assert list(_options(section)) == [f"{section}_{option}" for option in role_options(section)]


@pytest.mark.parametrize("section", WITH_ROLES)
def test_every_option_has_its_default_where_roles_keep_them(section: str) -> None:
    defaults = _defaults(section)
    assert list(defaults) == list(_options(section))
    documented = {
        name: option["default"] for name, option in _options(section).items() if "default" in option
    }
    assert documented == {name: defaults[name] for name in documented}


@pytest.mark.parametrize("section", WITH_ROLES)
def test_a_role_takes_null_for_a_setting_that_is_to_be_left_alone(section: str) -> None:
    """With a default in the argument_specs Ansible refuses null."""
    kinds = {f"{section}_{field.name}": kind_of(field) for field in fields(TYPES[section])}
    settings = [name for name in _options(section) if kinds[name] is Kind.SETTING]
    given = _defaults(section) | dict.fromkeys(settings)
    assert not ArgumentSpecValidator(_options(section)).validate(given).error_messages


@pytest.mark.parametrize("section", WITH_ROLES)
def test_variables_that_are_no_options_begin_with_underscores(section: str) -> None:
    allowed = set(_options(section))
    for path in (ROLES / section).rglob("*.yml"):
        for name in re.findall(rf"\b(_*{section}_\w+)\b", path.read_text()):
            internal = name.startswith(f"__{section}_") or (ROLES / section / f"library/{name}.py").exists()
            assert internal or name in allowed, f"{path}: {name}"


def test_the_playbook_applies_every_section() -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks/provision.yml").read_text())
    assert sorted(role["role"] for role in play["roles"]) == sorted(SECTIONS)
    for role in play["roles"]:
        assert role["tags"] == [role["role"]]
        assert f"'{role['role']}' in glmprov_sections" in role["when"]


@pytest.mark.parametrize("section", WITH_ROLES)
def test_a_readme_has_the_table_of_the_argument_specs(section: str) -> None:
    location = ROOT / "docs/role_tables.py"
    spec = importlib.util.spec_from_file_location("role_tables", location)
    assert spec and spec.loader
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    assert (ROLES / section / "README.md").read_text() == tables.readme(section), f"run {location}"


@pytest.mark.parametrize("section", WITH_ROLES)
def test_only_builtin_and_our_own_modules(section: str) -> None:
    ours = {path.stem for path in ROLES.glob("*/library/*.py")}
    keywords = {"name", "when", "register", "notify", "block", "become", "vars", "tags"}
    for path in [*(ROLES / section / "tasks").glob("*.yml"), *(ROLES / section / "handlers").glob("*.yml")]:
        tasks = yaml.safe_load(path.read_text())
        for task in [inner for outer in tasks for inner in outer.get("block", [outer])]:
            actions = {key for key in task if key not in keywords and not key.endswith("_when")}
            assert all(a in ours or a.startswith("ansible.builtin.") for a in actions), f"{path}: {actions}"
