"""The node image: a lean Debian 12 as squashfs, built from this machine's own package sources and cached.

It has no driver and no Docker: nodes start bare, as new servers do.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab import packages, ubuntu_packages
from glmprov.lab.machine import apt, run

RELEASE = "bookworm"
_PACKAGES = (
    "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,python3,python3-apt,apt,ca-certificates,"
    "iproute2,iputils-ping,iptables,kmod,pciutils,procps,util-linux,less,busybox-static,systemd-journal-remote,rsync"
)
PASSWORD = "rehearsal"  # noqa: S105  (of the user opspw, on simulated hosts without a way out)
HARDWARE = "/opt/glmlab"
"""Where a node sees the directory of its simulated hardware."""

# What a container can't do, what would reach for the internet, and what only slows the boot.
_MASKED = (
    "systemd-resolved.service systemd-networkd-wait-online.service systemd-timesyncd.service "
    "getty@tty1.service console-getty.service apt-daily.timer apt-daily-upgrade.timer "
    "dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-journal-remote.socket"
)
_KEPT_SECONDS = 7 * 24 * 3600  # images that nobody used for longer are deleted
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
_HARDWARE_UNIT = f"""\
[Unit]
Description=Simulated hardware of the rehearsal fleet
DefaultDependencies=no
Before=sysinit.target
ConditionFileIsExecutable={HARDWARE}/boot

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={HARDWARE}/boot

[Install]
WantedBy=sysinit.target
"""
_FILES = {
    "etc/systemd/system/glmlab-hardware.service": _HARDWARE_UNIT,
    "etc/ssh/sshd_config.d/lab.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin prohibit-password\nUseDNS no\n"
        "MaxStartups 100:30:200\nMaxSessions 100\n"
        "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys\n"
    ),
    "etc/sudoers.d/ops": "ops ALL=(ALL) NOPASSWD: ALL\nopspw ALL=(ALL) ALL\n",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/resolv.conf": "",
    "etc/machine-id": "",
}
_SETUP = f"""\
set -e
update-ca-certificates >/dev/null
for user in ops opspw nosudo; do useradd --create-home --shell /bin/bash $user; done
echo 'opspw:{PASSWORD}' | chpasswd
dpkg-divert --quiet --local --rename --divert /usr/sbin/runc.real --add /usr/sbin/runc
systemctl --quiet set-default multi-user.target
systemctl --quiet enable glmlab-hardware.service
systemctl --quiet mask {_MASKED}
dpkg --install /tmp/base/*.deb >/dev/null
rm -r /tmp/base
mkdir -p /var/log/journal
rm -f /etc/ssh/ssh_host_* /etc/apt/sources.list /etc/apt/sources.list.d/* /var/log/*.log /var/log/apt/*
"""
_TO_UBUNTU = """\
cd "$1"
mount -t squashfs -o loop,ro "$2" lower
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay root
mount --bind debs root/mnt
chroot root sh -ec '
dpkg --purge $(dpkg-query -W -f "\\${Package}\\n" "linux-image-*amd64")
dpkg --install /mnt/*.deb' >/dev/null
umount root/mnt
cp os-release root/usr/lib/os-release
echo trixie/sid >root/etc/debian_version
rm -f root/var/log/*.log
umount root lower
"""


def ensure(cache: Path, authority: Path) -> Path:
    """Return the image, built if there is none of these inputs. authority: the CA that nodes trust."""
    image = _path(cache, authority)
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=image.parent, prefix="build-") as scratch:
            # apt downloads as a user of its own, who must be able to pass.
            Path(scratch).chmod(0o755)
            _build(Path(scratch), authority, packages.base(cache), image)
    image.touch()
    for other in image.parent.glob("*.squashfs"):
        if other.stat().st_mtime < time.time() - _KEPT_SECONDS:
            other.unlink()
    return image


def is_cached(cache: Path, authority: Path, distributions: Collection[str]) -> bool:
    """Tell whether there is nothing to build for nodes of these distributions."""
    image = _path(cache, authority)
    return image.exists() and ("ubuntu" not in distributions or _ubuntu_path(cache, image).exists())


def layers(cache: Path, image: Path, distribution: str) -> tuple[Path, ...]:
    """Return the squashfs files of a node's file system, the uppermost first; built if they aren't there."""
    if distribution == "debian":
        return (image,)
    layer = _ubuntu_path(cache, image)
    if not layer.exists():
        with tempfile.TemporaryDirectory(dir=image.parent, prefix="build-") as scratch:
            _build_ubuntu(Path(scratch), image, packages.ubuntu(cache), layer)
    layer.touch()
    return (layer, image)


def _ubuntu_path(cache: Path, image: Path) -> Path:
    inputs = [str(path) for path in packages.ubuntu(cache)] + [_TO_UBUNTU, ubuntu_packages.OS_RELEASE]
    key = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]
    return image.with_name(f"{image.stem}-ubuntu-{key}.squashfs")


def _build_ubuntu(scratch: Path, image: Path, debs: list[Path], layer: Path) -> None:
    """Turn the image into a node that calls itself Ubuntu, and keep what differs."""
    for name in ("lower", "upper", "work", "root", "debs"):
        (scratch / name).mkdir()
    for package in debs:
        shutil.copy(package, scratch / "debs")
    (scratch / "os-release").write_text(ubuntu_packages.OS_RELEASE)
    # The mounts are gone with the shell's mount namespace.
    run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-s", scratch, image], stdin=_TO_UBUNTU
    )
    part = scratch / "layer"
    run(["mksquashfs", scratch / "upper", part, "-comp", "zstd", "-quiet", "-no-progress"])
    part.rename(layer)


def _path(cache: Path, authority: Path) -> Path:
    base = [str(path) for path in packages.base(cache)]
    inputs = [
        RELEASE,
        base,
        _PACKAGES,
        _LEFT_OUT,
        _FILES,
        _SETUP,
        _runc_shim().read_text(),
        authority.read_text(),
    ]
    key = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]
    return cache / "images" / f"{key}.squashfs"


def _build(scratch: Path, authority: Path, base: list[Path], image: Path) -> None:
    root = scratch / "root"
    run(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory"),
            *(f"--aptopt={line}" for line in _apt_options()),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            f"--include={_PACKAGES}",
            *(RELEASE, root, "-"),
        ],
        stdin="\n".join(_sources()) + "\n",
    )
    for name, content in _FILES.items():
        file = root / name
        file.unlink(missing_ok=True)
        file.write_text(content)
    (root / "etc/sudoers.d/ops").chmod(0o440)
    shutil.copy(authority, root / "usr/local/share/ca-certificates/glmprov-lab.crt")
    (root / "tmp/base").mkdir()
    for package in base:
        shutil.copy(package, root / "tmp/base")
    run(["chroot", root, "/bin/sh", "-s"], stdin=_SETUP)
    shim = root / "usr/sbin/runc"
    shutil.copy(_runc_shim(), shim)
    shim.chmod(0o755)
    part = scratch / "image"
    run(["mksquashfs", root, part, "-comp", "zstd", "-Xcompression-level", "3", "-quiet", "-no-progress"])
    part.rename(image)


def _runc_shim() -> Path:
    return Path(__file__).with_name("runc_shim.py")


def _sources() -> list[str]:
    """Return this machine's sources of Debian 12, one line each, as apt itself understands them."""
    form = "$(ORIGIN)|$(RELEASE)|$(REPO_URI)|$(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    if f"Debian|{RELEASE}|" not in run(command):
        apt("update")
    keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    lines = []
    for origin, release, uri, component in (line.split("|") for line in run(command).splitlines()):
        if origin == "Debian" and release.split("-")[0] == RELEASE:
            lines.append(f"deb {keyring} {uri} {release} {component}")
    if not lines:
        raise LabError(
            "This machine's apt has no source of Debian 12, which nodes are made of",
            place="/etc/apt/sources.list.d",
            next_step="Run the lab on Debian 12, or add a source of its packages.",
        )
    return lines


def _apt_options() -> list[str]:
    """Return how this machine downloads: proxies, and whether it believes the archive's dates."""
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-")
    lines = run(["apt-config", "dump", "--no-empty"]).splitlines()
    return [line.rstrip(";") for line in lines if line.startswith(wanted)] + ['Acquire::Languages "none"']
