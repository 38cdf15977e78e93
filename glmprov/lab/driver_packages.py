"""The simulated driver: NVIDIA's package names for Debian, version-coupled as theirs are."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab.deb import Content, Deb

VERSIONS = ("580.95.05", "580.105.08", "595.58.03")
BRANCHES = ("580", "595")
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
_SIM = files("glmprov.lab") / "sim"

_USERLAND = ("nvidia-driver-cuda", "nvidia-modprobe", "nvidia-persistenced", "libnvidia-ml1", "libcuda1")
_KERNEL = ("nvidia-kernel-open-dkms", "nvidia-kernel-dkms", "nvidia-kernel-support")
NOUVEAU = b"# GLMPROV SIMULATED\nblacklist nouveau\noptions nouveau modeset=0\n"
DAEMON_SCRIPTS = {
    "postinst": """
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable --quiet nvidia-persistenced.service
    systemctl restart nvidia-persistenced.service || true
elif [ "$1" = configure ]; then
    systemctl enable --quiet nvidia-persistenced.service || true
fi
""",
    "prerm": """
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now nvidia-persistenced.service || true
fi
""",
}
"""Of the package with the persistence daemon."""


@cache
def shared_library(source: str, soname: str, version: str) -> bytes:
    """Return a shared library compiled from sim/SOURCE. Raise LabError without a compiler, or if it refuses."""
    with tempfile.TemporaryDirectory(prefix="glmlab-cc-") as work, as_file(_SIM / source) as path:
        target = Path(work) / soname
        define = f'-DLIBRARY_VERSION="{version}"'
        flags = [
            "-O1",
            "-Wall",
            "-Wno-format-truncation",
            "-shared",
            "-fPIC",
            "-s",
            define,
            f"-Wl,-soname,{soname}",
        ]
        try:
            done = subprocess.run(
                ["gcc", *flags, "-o", target, path], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            raise LabError("no C compiler", next_step="Install gcc and libc6-dev.") from None
        if done.returncode:
            raise LabError(f"{source} doesn't compile: {done.stderr.strip()}")
        return target.read_bytes()


def program(name: str, mode: int = 0o755) -> Content:
    """Return a program of sim/packages, or a unit with another mode, as a package's file."""
    return Content((_SIM / "packages" / name).read_bytes(), mode)


def packages() -> list[Deb]:
    """Return the driver's packages in every version, and the pinning packages."""
    found = [deb for version in VERSIONS for deb in (*_userland(version), *_kernel(version))]
    return [*found, *(pinning(branch, (*_USERLAND, *_KERNEL)) for branch in BRANCHES)]


def _userland(version: str) -> list[Deb]:
    debian, same = f"{version}-1", f"(= {version}-1)"
    ml = shared_library("nvml.c", "libnvidia-ml.so.1", version)
    cuda = shared_library("cuda.c", "libcuda.so.1", version)
    return [
        _library("libnvidia-ml1", debian, "libnvidia-ml.so", ml, version, "Libs for nvidia-smi and monitors"),
        _library("libcuda1", debian, "libcuda.so", cuda, version, "CUDA driver library"),
        Deb(
            "nvidia-driver-cuda",
            debian,
            "NVIDIA driver without display",
            source="nvidia-graphics-drivers",
            relations={
                "Depends": f"libnvidia-ml1 {same}, libcuda1 {same}, nvidia-modprobe {same}, "
                f"nvidia-persistenced {same}, nvidia-kernel-support {same}, "
                f"nvidia-kernel-open-dkms {same} | nvidia-kernel-dkms {same}, python3",
            },
            files={"/usr/bin/nvidia-smi": program("nvidia-smi")},
        ),
        modprobe(debian),
        persistenced(debian, f"libnvidia-ml1 {same}, nvidia-modprobe {same}"),
    ]


def modprobe(debian: str) -> Deb:
    """Return the package nvidia-modprobe, of the same name everywhere."""
    return Deb(
        "nvidia-modprobe",
        debian,
        "Loads the driver's modules, makes its device files",
        source="nvidia-modprobe",
        relations={"Depends": "kmod"},
        files={"/usr/bin/nvidia-modprobe": program("nvidia-modprobe")},
    )


def persistenced(debian: str, needs: str) -> Deb:
    """Return the persistence daemon's package, which depends on needs."""
    return Deb(
        "nvidia-persistenced",
        debian,
        "Keeps the cards' state while nobody uses them",
        source="nvidia-persistenced",
        relations={"Depends": f"{needs}, python3"},
        files=daemon(),
        scripts=DAEMON_SCRIPTS,
    )


def daemon() -> dict[str, Content]:
    """Return the files of the persistence daemon."""
    unit = "nvidia-persistenced.service"
    return {
        "/usr/bin/nvidia-persistenced": program("nvidia-persistenced"),
        f"/lib/systemd/system/{unit}": program(unit, 0o644),
    }


def _library(name: str, debian: str, stem: str, data: bytes, version: str, summary: str) -> Deb:
    return Deb(
        name,
        debian,
        summary,
        section="libs",
        source="nvidia-graphics-drivers",
        relations={"Depends": "libc6"},
        files={f"{LIBRARIES}/{stem}.{version}": Content(data)},
        links={f"{LIBRARIES}/{stem}.1": f"{stem}.{version}"},
        scripts={"postinst": "ldconfig\n", "postrm": "ldconfig\n"},
    )


def _kernel(version: str) -> list[Deb]:
    debian = f"{version}-1"
    support = Deb(
        "nvidia-kernel-support",
        debian,
        "Module configuration of the driver",
        source="nvidia-graphics-drivers",
        files={"/etc/modprobe.d/nvidia-blacklists-nouveau.conf": Content(NOUVEAU)},
        configuration=("/etc/modprobe.d/nvidia-blacklists-nouveau.conf",),
    )
    return [
        support,
        _modules("nvidia-kernel-open-dkms", version, True),
        _modules("nvidia-kernel-dkms", version, False),
    ]


def _modules(name: str, version: str, is_open: bool) -> Deb:
    return Deb(
        name,
        f"{version}-1",
        f"NVIDIA kernel modules, {'open' if is_open else 'proprietary'} flavor",
        section="kernel",
        source="nvidia-graphics-drivers",
        relations={
            "Depends": f"dkms, nvidia-kernel-support (= {version}-1)",
            "Conflicts": "nvidia-kernel-dkms" if is_open else "nvidia-kernel-open-dkms",
            "Provides": f"nvidia-kernel-{version}",
        },
        files=module_source(version, is_open),
        scripts=build_scripts(version),
    )


def module_source(version: str, is_open: bool) -> dict[str, Content]:
    """Return the files that dkms builds from."""
    configuration = f'PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="{version}"\nAUTOINSTALL="yes"\n'.encode()
    description = json.dumps({"version": version, "open": is_open}).encode() + b"\n"
    return {
        f"/usr/src/nvidia-{version}/dkms.conf": Content(configuration),
        f"/usr/src/nvidia-{version}/glmlab.json": Content(description),
    }


def build_scripts(version: str) -> dict[str, str]:
    """Return the maintainer scripts that build the modules for every kernel that has headers."""
    build = f"""
if [ "$1" = configure ]; then
    dkms add -m nvidia -v {version}
    for headers in /lib/modules/*/build; do
        [ -e "$headers" ] || continue
        kernel=${{headers%/build}}
        dkms install -m nvidia -v {version} -k "${{kernel##*/}}"
    done
    if ! [ -e "/lib/modules/$(uname -r)/build" ]; then
        echo "Warning: no headers of kernel $(uname -r): module not built for it" >&2
    fi
    update-initramfs -u
fi
"""
    return {"postinst": build, "prerm": f"dkms remove nvidia/{version} --all\n"}


def pinning(branch: str, names: Iterable[str]) -> Deb:
    """Return the package that keeps the named packages on a branch."""
    path = f"/etc/apt/preferences.d/nvidia-driver-pinning-{branch}"
    others = " ".join(f"nvidia-driver-pinning-{other}" for other in BRANCHES if other != branch)
    listed = " ".join(names)
    preferences = f"# GLMPROV SIMULATED\nPackage: {listed}\nPin: version {branch}.*\nPin-Priority: 1001\n"
    return Deb(
        f"nvidia-driver-pinning-{branch}",
        f"{branch}-1",
        f"Keeps the driver on branch {branch}",
        architecture="all",
        relations={"Conflicts": others.replace(" ", ", ")},
        files={path: Content(preferences.encode())},
        configuration=(path,),
    )
