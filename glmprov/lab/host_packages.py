"""Simulated kernels, their headers, dkms, the container toolkit, and what the node image must have."""

from __future__ import annotations

from importlib.resources import files

from glmprov.lab.deb import Content, Deb
from glmprov.lab.driver_packages import program, shared_library

KERNELS = {"6.1.0-48-amd64": "6.1.172-1", "6.1.0-49-amd64": "6.1.174-1"}
"""Simulated kernels by release, with their package versions. The first is installed in the image."""
TOOLKITS = ("1.17.8-1", "1.18.0-1")
PRELOADED = "/usr/lib/glmlab/libglmlab-uname.so"
_SIM = files("glmprov.lab") / "sim"
_DIVERTED = ("/sbin/modprobe", "/sbin/rmmod", "/bin/lsmod", "/sbin/lsmod", "/sbin/modinfo")
_OWN = ("/usr/sbin/update-grub", "/usr/sbin/update-initramfs")


def base() -> list[Deb]:
    """Return what the node image must have before its first boot."""
    release = next(iter(KERNELS))
    return [_base(), _image(release), _meta("linux-image-amd64", release)]


def packages() -> list[Deb]:
    """Return what the lab's copy of Debian holds beside Debian's own packages."""
    found = [deb for release in KERNELS for deb in (_image(release), _headers(release))]
    for release in KERNELS:
        found += [_meta("linux-image-amd64", release), _meta("linux-headers-amd64", release)]
    return [*found, _base(), _dkms()]


def _base() -> Deb:
    stub = Content((_SIM / "base/stub").read_bytes(), 0o755)
    uname = shared_library("uname.c", "libglmlab-uname.so", "1")
    units = ("glmlab-request.path", "glmlab-request.service")
    divert = "".join(
        f"dpkg-divert --quiet --package glmlab-base --rename --divert {path}.real --add {path}\n"
        for path in _DIVERTED
    )
    return Deb(
        "glmlab-base",
        "1",
        "Firmware, boot loader and kernel of a node of the rehearsal fleet",
        relations={
            "Depends": "kmod, python3",
            "Provides": "grub2-common, grub-efi-amd64, initramfs-tools, linux-initramfs-tool",
        },
        files={
            **dict.fromkeys((*_DIVERTED, *_OWN), stub),
            **{f"/lib/systemd/system/{unit}": Content((_SIM / "base" / unit).read_bytes()) for unit in units},
            "/lib/systemd/system/glmlab-hardware.service.d/order.conf": Content(
                (_SIM / "base/order.conf").read_bytes()
            ),
            "/etc/default/grub": Content((_SIM / "base/grub").read_bytes()),
            PRELOADED: Content(uname),
            "/etc/ld.so.preload": Content(f"{PRELOADED}\n".encode()),
        },
        links={
            "/lib/systemd/system/multi-user.target.wants/glmlab-request.path": "../glmlab-request.path",
        },
        scripts={"preinst": divert, "postinst": "mkdir -p /etc/default/grub.d /boot/grub\n"},
        configuration=("/etc/default/grub",),
    )


def _image(release: str) -> Deb:
    return Deb(
        f"linux-image-{release}",
        KERNELS[release],
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
            "postinst": f"depmod {release} 2>/dev/null || true\n"
            f"update-initramfs -c -k {release}\nupdate-grub\n" + _autoinstall(release),
            "postrm": "update-grub\n",
        },
    )


def _autoinstall(release: str) -> str:
    headers = f"/lib/modules/{release}/build"
    return f"if command -v dkms >/dev/null && [ -e {headers} ]; then dkms autoinstall -k {release}; fi\n"


def _headers(release: str) -> Deb:
    return Deb(
        f"linux-headers-{release}",
        KERNELS[release],
        f"Header files of Linux {release}",
        section="kernel",
        source="linux",
        files={f"/usr/src/linux-headers-{release}/Makefile": Content(b"# GLMPROV SIMULATED\n")},
        links={f"/lib/modules/{release}/build": f"/usr/src/linux-headers-{release}"},
        scripts={"postinst": _autoinstall(release)},
    )


def _meta(name: str, release: str) -> Deb:
    target = name.replace("amd64", release)
    return Deb(
        name,
        KERNELS[release].rpartition("-")[0] + "-1",
        f"Linux for 64-bit PCs, now {release}",
        section="kernel",
        source="linux-signed-amd64",
        relations={"Depends": f"{target} (= {KERNELS[release]})"},
    )


def _dkms() -> Deb:
    return Deb(
        "dkms",
        "3.0.10-8+deb12u1",
        "Builds kernel modules for each kernel",
        architecture="all",
        section="kernel",
        relations={"Depends": "kmod, python3"},
        files={"/usr/sbin/dkms": program("dkms")},
    )


def toolkit() -> list[Deb]:
    """Return the container toolkit's packages in every version."""
    return [deb for version in TOOLKITS for deb in _toolkit(version)]


def _toolkit(version: str) -> list[Deb]:
    same = f"(= {version})"
    runtime = program("nvidia-container-runtime")
    ctk = Content(
        program("nvidia-ctk").data.replace(b"@VERSION@", version.rpartition("-")[0].encode()), 0o755
    )
    cli = f'#!/bin/sh\n# GLMPROV SIMULATED\necho "cli-version: {version.rpartition("-")[0]}"\n'.encode()
    return [
        Deb(
            "nvidia-container-toolkit",
            version,
            "Shows containers the cards that they are given",
            source="nvidia-container-toolkit",
            relations={"Depends": f"nvidia-container-toolkit-base {same}, libnvidia-container-tools {same}"},
            files={"/usr/bin/nvidia-container-runtime-hook": runtime},
            links={"/usr/bin/nvidia-container-toolkit": "nvidia-container-runtime-hook"},
        ),
        Deb(
            "nvidia-container-toolkit-base",
            version,
            "Runtime and tools of the container toolkit",
            source="nvidia-container-toolkit",
            relations={"Depends": "python3"},
            files={
                "/usr/bin/nvidia-container-runtime": runtime,
                "/usr/bin/nvidia-ctk": ctk,
                "/etc/nvidia-container-runtime/config.toml": Content(
                    b'# GLMPROV SIMULATED\n[nvidia-container-runtime]\nmode = "auto"\n'
                ),
            },
            configuration=("/etc/nvidia-container-runtime/config.toml",),
        ),
        Deb(
            "libnvidia-container-tools",
            version,
            "Command-line tools of libnvidia-container",
            source="libnvidia-container",
            relations={"Depends": f"libnvidia-container1 {same}"},
            files={"/usr/bin/nvidia-container-cli": Content(cli, 0o755)},
        ),
        Deb(
            "libnvidia-container1",
            version,
            "NVIDIA container runtime library",
            section="libs",
            source="libnvidia-container",
        ),
    ]
