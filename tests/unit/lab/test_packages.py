"""The simulated packages and repositories, as dpkg, gpg and apt see them."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from glmprov.lab import (
    deb,
    driver_packages,
    engine_packages,
    host_packages,
    repository,
    ubuntu_driver_packages,
    ubuntu_packages,
)

ROLE = Path(__file__).parents[3] / "roles/gpu_driver/vars/main.yml"

Served = Callable[[], list[deb.Deb]]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nvidia")
    for package in driver_packages.packages():
        deb.build(package, folder)
    repository.index(folder, origin="NVIDIA", label="NVIDIA", codename="debian12")
    return folder


def run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_version_is_there_and_each_is_coupled_to_its_own(driver: Path) -> None:
    stanzas = [
        dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        for stanza in (driver / "Packages").read_text().split("\n\n")
    ]
    versions = {s["Version"] for s in stanzas if s["Package"] == "nvidia-driver-cuda"}
    assert versions == {"580.95.05-1", "580.105.08-1", "595.58.03-1"}
    for stanza in stanzas:
        if stanza["Package"] == "nvidia-driver-cuda":
            assert f"libnvidia-ml1 (= {stanza['Version']})" in stanza["Depends"]
    names = {s["Package"] for s in stanzas}
    assert {"nvidia-driver-pinning-580", "nvidia-kernel-open-dkms", "nvidia-kernel-dkms"} <= names


def test_the_index_tells_the_truth(driver: Path) -> None:
    for stanza in (driver / "Packages").read_text().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        data = (driver / fields["Filename"]).read_bytes()
        assert int(fields["Size"]) == len(data)
        assert fields["SHA256"] == hashlib.sha256(data).hexdigest()
    release = (driver / "Release").read_text()
    assert hashlib.sha256((driver / "Packages").read_bytes()).hexdigest() in release


def test_a_library_is_of_its_packages_version(driver: Path, tmp_path: Path) -> None:
    run("dpkg-deb", "-x", driver / "libnvidia-ml1_595.58.03-1_amd64.deb", tmp_path)
    library = tmp_path / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"
    assert library.resolve().name == "libnvidia-ml.so.595.58.03"
    assert b"595.58.03" in library.read_bytes()
    assert b"GLMPROV SIMULATED" in library.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to their owners")
def test_a_package_that_is_packed_anew_holds_the_same(driver: Path, tmp_path: Path) -> None:
    old = driver / "nvidia-persistenced_595.58.03-1_amd64.deb"
    new = tmp_path / "quick" / old.name
    deb.pack_anew(old, new)
    assert "data.tar.zst" in run("ar", "t", new).split()
    for option in ("--field", "--ctrl-tarfile", "--fsys-tarfile"):
        assert contents(option, new) == contents(option, old)
    assert list(new.parent.iterdir()) == [new]


def contents(option: str, package: Path) -> list[object]:
    """Return what is in one part of a package: a field, or a file's name, rights, owner, target and content."""
    told = subprocess.run(["dpkg-deb", option, package], capture_output=True, check=True).stdout
    if option == "--field":
        return [told]
    with tarfile.open(fileobj=io.BytesIO(told)) as tar:
        return sorted(
            (member.name, member.mode, member.uid, member.gid, member.linkname, content(tar, member))
            for member in tar
        )


def content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member) if member.isfile() else None
    return file.read() if file else b""


def test_signatures_are_of_one_key_that_stays(driver: Path, tmp_path: Path) -> None:
    first = repository.sign([driver], tmp_path / "key.asc", tmp_path / "one.asc")
    again = repository.sign([driver], tmp_path / "key.asc", tmp_path / "two.asc")
    assert first == again
    assert (tmp_path / "key.asc").stat().st_mode & 0o077 == 0
    ring = tmp_path / "ring.gpg"
    run("gpg", "--homedir", tmp_path, "--batch", "--output", ring, "--dearmor", tmp_path / "two.asc")
    run("gpgv", "--keyring", ring, driver / "InRelease")
    run("gpgv", "--keyring", ring, driver / "Release.gpg", driver / "Release")
    (driver / "Release").write_text("Origin: somebody else\n")
    with pytest.raises(subprocess.CalledProcessError):
        run("gpgv", "--keyring", ring, driver / "Release.gpg", driver / "Release")


def test_every_package_says_that_it_is_simulated() -> None:
    everything = [*driver_packages.packages(), *host_packages.packages(), *host_packages.toolkit()]
    everything += [*ubuntu_packages.packages(), *ubuntu_driver_packages.repository()]
    assert len(everything) > 150
    for package in everything:
        assert "GLMPROV SIMULATED" in deb.control(package)


def test_what_the_image_has_is_the_same_each_time() -> None:
    assert host_packages.base() == host_packages.base()


@pytest.mark.parametrize(
    ("choice", "branch", "served"),
    [
        ("nvidia_debian", "580", driver_packages.packages),
        ("nvidia_ubuntu", "595", ubuntu_driver_packages.repository),
        ("nvidia_ubuntu_with_branch", "580", ubuntu_driver_packages.repository),
        ("ubuntu_ubuntu", "580", ubuntu_packages.packages),
        ("ubuntu_ubuntu", "595", ubuntu_packages.packages),
    ],
)
def test_what_the_role_asks_for_is_served(choice: str, branch: str, served: Served) -> None:
    asked = yaml.safe_load(ROLE.read_text())["__gpu_driver_packages"][choice]
    names = {package["name"].replace("{{ gpu_driver_branch }}", branch) for package in asked}
    assert names <= {package.name for package in served()}


def test_every_relation_to_an_exact_version_can_be_met() -> None:
    for served in (ubuntu_packages.packages(), ubuntu_driver_packages.repository()):
        here = {(package.name, package.version) for package in served}
        for package in served:
            tied = re.findall(r"(\S+) \(= ([^)]+)\)", package.relations.get("Depends", ""))
            assert set(tied) <= here, package.name


def test_the_archives_590_is_empty_and_jumps_to_595() -> None:
    archive = {package.name: package for package in ubuntu_packages.packages()}
    for name in ("linux-modules-nvidia-590-server-open-generic", "nvidia-utils-590-server"):
        assert archive[name].files == {}
        assert archive[name].relations["Depends"] == name.replace("590", "595")


def test_prebuilt_modules_go_with_one_driver_version_alone() -> None:
    wanted = {
        package.version: package.relations["Depends"]
        for package in ubuntu_packages.packages()
        if package.name == "linux-modules-nvidia-580-server-open-6.8.0-88-generic"
    }
    common = "nvidia-kernel-common-580-server"
    assert f"{common} (<= 580.95.05-1), {common} (>= 580.95.05)" in wanted["6.8.0-88.89"]
    assert f"{common} (>= 580.105.08)" in wanted["6.8.0-88.89+1"]


def test_dockers_own_packages_have_the_programs_of_debians(tmp_path: Path) -> None:
    docker = deb.Deb("docker.io", "1", "Engine", files={"/usr/sbin/dockerd": deb.Content(b"daemon")})
    containerd = deb.Deb("containerd", "1", "Runtime", relations={"Breaks": "docker.io (<< 1)"})
    archives = [deb.build(package, tmp_path) for package in (docker, containerd)]
    engine_packages.write(archives, tmp_path / "docker")
    made = next((tmp_path / "docker").glob("docker-ce_*.deb"))
    assert run("dpkg-deb", "--field", made, "Package", "Conflicts").splitlines() == [
        "Package: docker-ce",
        "Conflicts: docker, docker.io",
    ]
    assert run("dpkg-deb", "--fsys-tarfile", made) == run("dpkg-deb", "--fsys-tarfile", archives[0])
    renamed = next((tmp_path / "docker").glob("containerd.io_*.deb"))
    assert run("dpkg-deb", "--field", renamed, "Breaks", "Provides") == "Provides: containerd\n"
