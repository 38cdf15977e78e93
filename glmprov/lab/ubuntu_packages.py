"""Ubuntu's archive for nodes that call themselves Ubuntu: its kernels, its driver, dkms.

The node's other packages are Debian's: the image is the same.
"""

from __future__ import annotations

from dataclasses import replace

from glmprov.lab import kernel_packages as kernels
from glmprov.lab import ubuntu_driver_packages as driver
from glmprov.lab.deb import Content, Deb

KERNELS = {"6.8.0-88-generic": "6.8.0-88.89", "6.8.0-90-generic": "6.8.0-90.91"}
"""Kernels by release, with their packages' versions. The first is installed in the image."""
OS_RELEASE = """\
PRETTY_NAME="Ubuntu 24.04.3 LTS"
NAME="Ubuntu"
VERSION_ID="24.04"
VERSION="24.04.3 LTS (Noble Numbat)"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
HOME_URL="https://www.ubuntu.com/"
SUPPORT_URL="https://help.ubuntu.com/"
BUG_REPORT_URL="https://bugs.launchpad.net/ubuntu/"
UBUNTU_CODENAME=noble
"""


def packages() -> list[Deb]:
    """Return the archive's own packages."""
    found = [deb for release in KERNELS for deb in _kernel(release)]
    dkms = replace(kernels.dkms(), version="3.0.11-1ubuntu13")
    return [*found, dkms, *driver.archive(), *driver.modules(KERNELS)]


def installed() -> list[Deb]:
    """Return what a server has of it from the start: the first kernel with its headers."""
    return _kernel(next(iter(KERNELS)))


def _kernel(release: str) -> list[Deb]:
    version = KERNELS[release]
    shared = release.removesuffix("-generic")
    image = kernels.image(release, version)
    modules = {path: content for path, content in image.files.items() if path.startswith("/lib/modules")}
    headers = kernels.headers(release, version, f"/usr/src/linux-headers-{release}")
    return [
        replace(
            image,
            files={path: content for path, content in image.files.items() if path not in modules},
            relations={**image.relations, "Depends": f"kmod, linux-modules-{release}"},
        ),
        Deb(f"linux-modules-{release}", version, f"Modules of Linux {release}", files=modules),
        replace(headers, relations={"Depends": f"linux-headers-{shared}"}),
        Deb(
            f"linux-headers-{shared}",
            version,
            f"Header files of Linux {shared} for all flavors",
            architecture="all",
            files={f"/usr/src/linux-headers-{shared}/Makefile": Content(b"# GLMPROV SIMULATED\n")},
        ),
        *_metas(release, version),
    ]


def _metas(release: str, version: str) -> list[Deb]:
    same = f"(= {version})"
    needs = {
        "linux-image-generic": f"linux-image-{release}",
        "linux-headers-generic": f"linux-headers-{release}",
        "linux-generic": f"linux-image-generic {same}, linux-headers-generic {same}",
    }
    return [
        Deb(name, version, f"The newest generic kernel, now {release}", relations={"Depends": depends})
        for name, depends in needs.items()
    ]
