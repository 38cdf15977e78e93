"""The peers: Ansible, Mitogen and pyinfra in a virtual environment of their own, and the files they work from."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import platformdirs

from .hosts import Nodes

HERE = Path(__file__).parent / "peers"
REQUIREMENTS = HERE / "requirements.txt"

OUR_FILES = (
    "etc/glmprov/*",
    "etc/systemd/system/glmprov-*.service",
    "usr/local/lib/glmprov/*",
    "etc/modprobe.d/glmprov*",
    "etc/sysctl.d/90-glmprov.conf",
    "etc/security/limits.d/90-glmprov.conf",
    "etc/default/grub.d/90-glmprov.cfg",
    "etc/apt/apt.conf.d/51glmprov-*",
    "etc/apt/sources.list.d/glmprov-*",
    "etc/apt/keyrings/glmprov-*",
    "etc/docker/daemon.json",
)


def programs() -> Path:
    """Return the folder with the peers' programs; install them if they aren't there, with byte code."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = Path(platformdirs.user_cache_path("glmprov")) / "bench" / digest
    if not (home / "done").exists():
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, env=environment)
        install = ["-m", "pip", "install", "--quiet", "--compile", "-r"]
        subprocess.run([home / "bin/python", *install, REQUIREMENTS], check=True, env=environment)
        (home / "done").touch()
    return home / "bin"


def versions(bin_folder: Path) -> dict[str, str]:
    """Return the peers' versions by name."""
    code = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({n: m.version(n) for n in ('ansible-core', 'mitogen', 'pyinfra')}))"
    )
    answer = subprocess.run([bin_folder / "python", "-c", code], capture_output=True, check=True).stdout
    found: dict[str, str] = json.loads(answer)
    return found


def mitogen(bin_folder: Path) -> dict[str, str]:
    """Return what makes Ansible use Mitogen."""
    code = "import ansible_mitogen; print(ansible_mitogen.__path__[0])"
    where = subprocess.run([bin_folder / "python", "-c", code], capture_output=True, check=True, text=True)
    return {
        "ANSIBLE_STRATEGY_PLUGINS": f"{where.stdout.strip()}/plugins/strategy",
        "ANSIBLE_STRATEGY": "mitogen_linear",
    }


def tuned(control: Path) -> Mapping[str, str]:
    """Return Ansible's settings as somebody sets them who wants speed. control holds the shared connections."""
    control.mkdir(exist_ok=True)
    config = control / "ansible.cfg"  # empty: none other is looked for
    config.touch()
    return {
        "ANSIBLE_CONFIG": str(config),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_FORKS": "50",
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s -o KexAlgorithms=curve25519-sha256",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control),
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
    }


def fetch_files(up: Nodes, home: Path) -> None:
    """Copy what glmprov wrote on each node: the peers' own copies of the wanted state, by host."""
    for name in up.names():
        packed = up.ssh(name, f"cd / && tar -cf - $(ls -d {' '.join(OUR_FILES)} 2>/dev/null)")
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(home / name, filter="data")
