"""What ansible-playbook is told, and where it finds our playbooks and roles."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


def ansible_home() -> Path:
    """Return the folder with playbooks/ and roles/: the clone's top, or the package's own copy in a wheel."""
    packaged = Path(str(files("glmprov"))) / "ansible"
    return packaged if packaged.is_dir() else Path(str(files("glmprov"))).parent


@dataclass(frozen=True)
class Options:
    """What ansible-playbook is told besides hosts and roles. playbook is one of ours ("provision")."""

    playbook: str
    check: bool = False
    diff: bool = False
    forks: int = 16

    @property
    def command_line(self) -> str:
        """The options that ansible-runner has no word for."""
        return " ".join([*(["--check"] if self.check else []), *(["--diff"] if self.diff else [])])


def environment(home: Path, directory: Path) -> dict[str, str]:
    """Return Ansible's settings. A user's ansible.cfg is not read: it could make a role behave differently.

    How hosts are reached is in their variables, resolved from the user's ssh_config and inventory.
    """
    config = directory / "ansible.cfg"
    config.write_text("[defaults]\n")
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_ROLES_PATH": str(home / "roles"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_INVENTORY_PLUGINS": str(Path(__file__).parent / "inventory_plugin"),
        "ANSIBLE_INVENTORY_ENABLED": "glmprov_stage",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_NOCOWS": "True",
        "ANSIBLE_NOCOLOR": "True",
        "LC_ALL": "C.UTF-8",  # Ansible refuses to run under another, and under one that this machine lacks
    }
