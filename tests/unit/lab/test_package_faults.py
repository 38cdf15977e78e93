"""Faults of the package server: what a node's own index says, and who signed it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from glmprov.errors import LabError
from glmprov.lab import package_faults, repository
from glmprov.lab.deb import Deb, build


class Server:
    """A repository of two packages, and the faults of one node."""

    def __init__(self, folder: Path) -> None:
        self.content, self.cache, self.faults = folder / "content", folder, folder / "faults"
        (self.content / "debian").mkdir(parents=True)
        for name in ("one", "two"):
            build(Deb(name, "1", "A package"), self.content / "debian")
        repository.index(self.content / "debian", origin="Debian", label="Debian", codename="bookworm")
        self.key = folder / "lab.asc"
        repository.sign([self.content / "debian"], folder / "lab-signing-key.asc", self.key)

    def change(self, kind: str, *words: str) -> str:
        return package_faults.change(self.content, self.cache, self.faults, kind, list(words))

    def file(self, name: str) -> Path:
        own = package_faults.replacement(self.faults, f"/debian/{name}")
        return own or self.content / "debian" / name

    def is_trusted(self) -> bool:
        ring = self.cache / "ring.gpg"
        ring.unlink(missing_ok=True)
        command = ["gpg", "--homedir", self.cache, "--batch", "--output", ring, "--dearmor", self.key]
        subprocess.run(command, check=True, capture_output=True)
        done = subprocess.run(["gpgv", "--keyring", ring, self.file("InRelease")], capture_output=True)
        return done.returncode == 0


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_a_withdrawn_package_is_gone_from_a_signed_index_and_comes_back(server: Server) -> None:
    assert server.change("withdrawn-package", "one", "on") == "one isn't in the index"
    assert "Package: one" not in server.file("Packages").read_text()
    assert "Package: two" in server.file("Packages").read_text()
    assert server.is_trusted()
    server.change("withdrawn-package", "one", "off")
    assert "Package: one" in server.file("Packages").read_text()


def test_the_index_keeps_its_date(server: Server) -> None:
    # apt takes an index that is older than the last one for a replay, so mending would have no effect.
    before = server.file("Release").read_text()
    server.change("withdrawn-package", "one", "on")
    after = server.file("Release").read_text()
    assert before.partition("SHA256")[0] == after.partition("SHA256")[0]
    assert before != after


def test_a_wrong_signature_is_of_a_key_that_nobody_trusts(server: Server) -> None:
    assert server.is_trusted()
    server.change("wrong-signature", "on")
    assert not server.is_trusted()
    server.change("wrong-signature", "off")
    assert server.is_trusted()


def test_faults_add_up_and_are_mended_one_by_one(server: Server) -> None:
    server.change("lost-package", "one", "on")
    server.change("lost-package", "two", "on")
    server.change("slow-packages", "250")
    server.change("lost-package", "one", "off")
    assert package_faults.load(server.faults) == package_faults.PackageFaults(lost=("two",), slow_ms=250)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("slow-packages", ["soon"]), ("wrong-signature", ["one", "on"]), ("lost-package", ["on"])],
)
def test_a_fault_that_makes_no_sense_changes_nothing(server: Server, kind: str, words: list[str]) -> None:
    with pytest.raises(LabError):
        server.change(kind, *words)
    assert package_faults.load(server.faults) == package_faults.PackageFaults()
