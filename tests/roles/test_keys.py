"""A package source's key is known by its full fingerprint, found without gpg; gpg is the judge here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.roles.modules import load

openpgp = load("glmprov_openpgp")
repository = load("glmprov_repository")


class Keyring:
    """A GnuPG home of its own."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self.home = home

    def gpg(self, *arguments: str) -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def make(self, name: str, algorithm: str) -> str:
        self.gpg("--passphrase", "", "--quick-generate-key", name, algorithm, "sign", "never")
        listing = self.gpg("--with-colons", "--list-keys", name).decode().splitlines()
        return next(line.split(":")[9] for line in listing if line.startswith("fpr:"))


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed")
    return Keyring(tmp_path_factory.mktemp("gpg") / "home")


@pytest.mark.parametrize("algorithm", ["ed25519", "rsa2048"])
def test_fingerprints_are_those_that_gpg_says(keyring: Keyring, algorithm: str) -> None:
    name = f"Packages {algorithm} <packages@example.org>"
    fingerprint = keyring.make(name, algorithm)
    for armor in ([], ["--armor"]):
        assert openpgp.primary_fingerprints(keyring.gpg(*armor, "--export", name)) == [fingerprint]


def test_a_second_key_in_the_file_is_seen_and_so_refused(keyring: Keyring) -> None:
    ours = keyring.make("Ours <ours@example.org>", "ed25519")
    theirs = keyring.make("Theirs <theirs@example.org>", "ed25519")
    data = keyring.gpg("--armor", "--export", "ours@example.org", "theirs@example.org")
    assert sorted(openpgp.primary_fingerprints(data)) == sorted([ours, theirs])
    assert not repository.matches(data, ours)
    assert repository.matches(keyring.gpg("--armor", "--export", "ours@example.org"), ours)
    cut = keyring.gpg("--export", "ours@example.org")[:20]
    assert not repository.matches(cut, ours)


@given(st.binary(max_size=64) | st.text().map(str.encode))
def test_anything_else_is_no_key(data: bytes) -> None:
    try:
        fingerprints = openpgp.primary_fingerprints(data)
    except openpgp.NotAKeyError:
        return
    assert all(len(fingerprint) == 40 for fingerprint in fingerprints)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("deb [signed-by=/usr/share/keyrings/cuda.gpg] https://example.org/repos/debian12/x86_64/ /", True),
        ("Types: deb\nURIs: https://example.org/repos/debian12/x86_64\nSuites: /", True),
        ("# deb https://example.org/repos/debian12/x86_64/ /", False),
        ("deb https://example.org/repos/debian12/x86_64-old/ /", False),
    ],
)
def test_a_source_that_is_there_already_is_found(line: str, found: bool) -> None:
    assert repository.defines(line, "https://example.org/repos/debian12/x86_64/") is found
