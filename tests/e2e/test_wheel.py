"""The wheel alone, installed in a fresh environment, provisions a node from an empty folder."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from glmprov_program import keys
from glmprov_program import run as run_clone
from rehearsal import ROOT, Fleet

from glmprov import __version__

pytestmark = pytest.mark.fleet

NAME = "genoa-4x"
DATA = {
    "playbooks": "glmprov/ansible/playbooks",
    "roles": "glmprov/ansible/roles",
    "glmprov/catalog": "glmprov/catalog",
    "glmprov/probe": "glmprov/probe",
    "glmprov/journal": "glmprov/journal",
    "glmprov/lab/profiles": "glmprov/lab/profiles",
    "glmprov/lab/sim": "glmprov/lab/sim",
}
"""Folders of the clone that the program reads at run time, and where they lie in the wheel."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory)]
    subprocess.run([*build, str(ROOT)], check=True, timeout=300)
    (built,) = directory.glob("glmprov-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The glmprov of a fresh environment that has nothing but the wheel and what it asks for."""
    directory = tmp_path_factory.mktemp("venv")
    venv.create(directory, with_pip=True, symlinks=True)
    install = [
        str(directory / "bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--prefer-binary",
        str(wheel),
    ]
    subprocess.run(install, check=True, timeout=500)
    return directory / "bin/glmprov"


def committed(folder: str) -> set[str]:
    """Return the files below a folder that belong to the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {name.removeprefix(folder + "/") for name in listed.stdout.splitlines()}


@pytest.mark.parametrize("folder", DATA)
def test_the_wheel_has_everything_that_is_read_at_run_time(wheel: Path, folder: str) -> None:
    wanted = {f"{DATA[folder]}/{name}" for name in committed(folder)}
    assert wanted and wanted <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_has_no_tests_and_nothing_of_this_machine(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"glmprov", f"glmprov-{__version__}.dist-info"}


def test_it_provisions_a_node_from_an_empty_folder(
    provisioned: Fleet, installed: Path, tmp_path: Path
) -> None:
    environment = {name: text for name, text in provisioned.environment.items() if name != "PYTHONPATH"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(installed), *arguments],
            cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    assert run("--version").stdout.split()[-1] == __version__
    provisioned.nodes[NAME].ssh("rm /etc/glmprov/nccl.env && nvidia-smi -pl 600")
    inventory = ("-i", str(provisioned.inventory), "--limit", NAME)
    done = run("provision", *inventory, "--yes")
    assert done.returncode == 0 and "FIXED" in done.stdout, done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
    host = run_clone(provisioned, "audit", "--json", "--limit", NAME).expect(0).host(NAME)
    assert not keys(host)
