"""What the node image must have, and the container toolkit."""

from __future__ import annotations

from importlib.resources import files

from glmprov.lab import kernel_packages, ubuntu_packages
from glmprov.lab.deb import Content, Deb
from glmprov.lab.driver_packages import program, shared_library

TOOLKITS = ("1.17.8-1", "1.18.0-1")
_CDI_SCRIPTS = {
    "postinst": """
systemctl enable --quiet nvidia-cdi-refresh.path nvidia-cdi-refresh.service
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl restart nvidia-cdi-refresh.path
    systemctl restart nvidia-cdi-refresh.service || true
fi
""",
    "prerm": """
if [ "$1" = remove ]; then
    systemctl disable --quiet --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service || true
fi
""",
}
PRELOADED = "/usr/lib/glmlab/libglmlab-uname.so"
_SIM = files("glmprov.lab") / "sim"
_DIVERTED = ("/sbin/modprobe", "/sbin/rmmod", "/bin/lsmod", "/sbin/lsmod", "/sbin/modinfo")
_OWN = ("/usr/sbin/update-grub", "/usr/sbin/update-initramfs", "/usr/bin/mokutil")
# What a kernel's installation and removal leads to; dkms, which has a hook too, comes before both.
_HOOKS = {
    "/etc/kernel/postinst.d/initramfs-tools": 'update-initramfs -c -k "$1"',
    "/etc/kernel/postinst.d/zz-update-grub": "update-grub",
    "/etc/kernel/postrm.d/zz-update-grub": "update-grub",
}


def base() -> list[Deb]:
    """Return what the node image must have before its first boot."""
    return [_base(), *kernel_packages.installed()]


def packages() -> list[Deb]:
    """Return what the lab's copy of Debian holds beside Debian's own packages."""
    return [*kernel_packages.debian(), _base()]


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
            "Provides": "grub2-common, grub-efi-amd64, initramfs-tools, linux-initramfs-tool, mokutil",
        },
        files={
            **dict.fromkeys((*_DIVERTED, *_OWN), stub),
            **{f"/lib/systemd/system/{unit}": Content((_SIM / "base" / unit).read_bytes()) for unit in units},
            "/lib/systemd/system/glmlab-hardware.service.d/order.conf": Content(
                (_SIM / "base/order.conf").read_bytes()
            ),
            "/etc/default/grub": Content((_SIM / "base/grub").read_bytes()),
            **{path: Content(f"#!/bin/sh\n{line}\n".encode(), 0o755) for path, line in _HOOKS.items()},
            PRELOADED: Content(uname),
            "/etc/ld.so.preload": Content(f"{PRELOADED}\n".encode()),
        },
        links={
            "/lib/systemd/system/multi-user.target.wants/glmlab-request.path": "../glmlab-request.path",
        },
        scripts={"preinst": divert, "postinst": "mkdir -p /etc/default/grub.d /boot/grub\n"},
        configuration=("/etc/default/grub",),
    )


def toolkit() -> list[Deb]:
    """Return the container toolkit's packages in every version."""
    return [deb for version in TOOLKITS for deb in _toolkit(version)]


def _toolkit(version: str) -> list[Deb]:
    # Since 1.18 units write the CDI specification at boot, and when modules.dep or nvidia-ctk change.
    has_refresh = version != TOOLKITS[0]
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
                **(_refresh_units() if has_refresh else {}),
                "/etc/nvidia-container-runtime/config.toml": Content(
                    b'# GLMPROV SIMULATED\n[nvidia-container-runtime]\nmode = "auto"\n'
                ),
            },
            configuration=("/etc/nvidia-container-runtime/config.toml",),
            scripts=_CDI_SCRIPTS if has_refresh else {},
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


def _refresh_units() -> dict[str, Content]:
    """Return the units that keep the CDI specification up to date.

    The original names the running kernel with %v, which systemd resolves before a node's kernel is chosen.
    """
    kernels = (*kernel_packages.KERNELS, *ubuntu_packages.KERNELS)
    watched = "".join(f"PathChanged=/lib/modules/{release}/modules.dep\n" for release in kernels).encode()
    path, service = (program(f"nvidia-cdi-refresh.{kind}", 0o644) for kind in ("path", "service"))
    folder = "/lib/systemd/system/nvidia-cdi-refresh"
    watching = Content(path.data.replace(b"@MODULES@\n", watched))
    return {f"{folder}.path": watching, f"{folder}.service": service}
