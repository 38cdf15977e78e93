"""Simulated kernels, their headers and the packages that follow the newest one, in Debian's names; dkms.

A kernel that is installed or removed runs the hooks of /etc/kernel, as a real one does.
"""

from __future__ import annotations

from glmprov.lab.deb import Content, Deb
from glmprov.lab.driver_packages import program

KERNELS = {"6.1.0-48-amd64": "6.1.172-1", "6.1.0-49-amd64": "6.1.174-1"}
"""Debian's kernels by release, with their packages' versions. The first is installed in the image."""


def debian() -> list[Deb]:
    """Return every kernel of Debian with its headers, and dkms."""
    found = [deb for release in KERNELS for deb in (image(release, KERNELS[release]), _headers(release))]
    found += [meta(kind, release) for release in KERNELS for kind in ("image", "headers")]
    return [*found, dkms()]


def installed() -> list[Deb]:
    """Return what the image has of it."""
    release = next(iter(KERNELS))
    return [image(release, KERNELS[release]), meta("image", release)]


def image(release: str, version: str) -> Deb:
    """Return a kernel's package."""
    return Deb(
        f"linux-image-{release}",
        version,
        f"Linux {release}",
        section="kernel",
        source="linux",
        relations={"Recommends": "initramfs-tools"},
        files={
            f"/boot/vmlinuz-{release}": Content(b"GLMPROV SIMULATED\n"),
            f"/boot/config-{release}": Content(b"# GLMPROV SIMULATED\nCONFIG_MODULES=y\n"),
            # depmod and libkmod want them, be they empty.
            **{
                f"/lib/modules/{release}/modules.{kind}": Content(b"")
                for kind in ("order", "builtin", "builtin.modinfo")
            },
            f"/lib/modules/{release}/kernel/README": Content(
                b"GLMPROV SIMULATED: every module is built in.\n"
            ),
        },
        scripts={
            "postinst": f"depmod {release} 2>/dev/null || true\n" + hooks("postinst", release),
            "prerm": hooks("prerm", release),
            "postrm": f"""
if [ "$1" = remove ]; then
    rm -f /boot/initrd.img-{release} /lib/modules/{release}/modules.*
    rmdir /lib/modules/{release} 2>/dev/null || true
fi
"""
            + hooks("postrm", release),
        },
    )


def hooks(when: str, release: str) -> str:
    """Return the lines of a maintainer script that run a folder of hooks, where there is one."""
    folder = f"/etc/kernel/{when}.d"
    arguments = f"--arg={release} --arg=/boot/vmlinuz-{release}"
    return f"if [ -d {folder} ]; then run-parts --report --exit-on-error {arguments} {folder}; fi\n"


def _headers(release: str) -> Deb:
    return headers(release, KERNELS[release], f"/usr/src/linux-headers-{release}")


def headers(release: str, version: str, folder: str) -> Deb:
    """Return the package of a kernel's headers, which lie in a folder."""
    return Deb(
        f"linux-headers-{release}",
        version,
        f"Header files of Linux {release}",
        section="kernel",
        source="linux",
        files={f"{folder}/Makefile": Content(b"# GLMPROV SIMULATED\n")},
        links={f"/lib/modules/{release}/build": folder},
        scripts={"postinst": hooks("header_postinst", release)},
    )


def meta(kind: str, release: str) -> Deb:
    """Return the package that follows the newest kernel, or its headers."""
    return Deb(
        f"linux-{kind}-amd64",
        KERNELS[release].rpartition("-")[0] + "-1",
        f"Linux for 64-bit PCs, now {release}",
        section="kernel",
        source="linux-signed-amd64",
        relations={"Depends": f"linux-{kind}-{release} (= {KERNELS[release]})"},
    )


def dkms() -> Deb:
    """Return dkms, with the hooks that build for a new kernel and clean up after an old one."""
    hook, remove = program("dkms-hook"), program("dkms-remove-hook")
    return Deb(
        "dkms",
        "3.0.10-8+deb12u1",
        "Builds kernel modules for each kernel",
        architecture="all",
        section="kernel",
        relations={"Depends": "kmod, python3"},
        files={
            "/usr/sbin/dkms": program("dkms"),
            "/etc/kernel/postinst.d/dkms": hook,
            "/etc/kernel/header_postinst.d/dkms": hook,
            "/etc/kernel/prerm.d/dkms": remove,
        },
    )
