"""Our Ansible modules as Python modules, found where a role keeps them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROLES = Path(__file__).parents[2] / "roles"


def load(name: str) -> ModuleType:
    """Import a module of a role by its name, with its module_utils under Ansible's name for them."""
    for path in sorted(ROLES.glob("*/module_utils/*.py")):
        _import(f"ansible.module_utils.{path.stem}", path)
    (path,) = [*ROLES.glob(f"*/library/{name}.py"), *ROLES.glob(f"*/module_utils/{name}.py")]
    return _import(f"glmprov_roles.{name}", path)


def _import(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]
