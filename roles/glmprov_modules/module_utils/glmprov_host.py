"""What our modules share: files written whole or not at all, links that keep containers on their cards."""

from __future__ import annotations

import errno
import glob
import os
import stat
import tempfile

TEXT_LIMIT_BYTES = 1 << 20

FILE_OPTIONS = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "wanted": {"type": "bool", "default": True},
    "given": {"type": "bool", "default": True},
    "initramfs": {"type": "bool", "default": False},
}
"""The argument spec of one file. What isn't wanted is removed; about what isn't given, nothing is said. With
initramfs, it is read before the root file system is there."""

REASONS = {
    errno.ENOSPC: "no space left: make room on the file system of {folder}",
    errno.EDQUOT: "the quota is used up: make room on the file system of {folder}",
    errno.EROFS: "its file system is read-only: see dmesg and /etc/fstab",
    errno.EPERM: "not even root may change it: see lsattr {path}; chattr -i {path} makes it changeable",
    errno.EBUSY: "something is mounted over it: see findmnt {path}",
    errno.ELOOP: "it is a link, where we keep a file of our own: remove the link, and run it again",
}

DRIVER_VERSION = "/proc/driver/nvidia/version"
DRIVER_LIBRARY = "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"


def another_driver_is_loaded():
    """Say whether the loaded driver is of another version than the installed library.

    Until the reboot no card can be asked or set then.
    """
    loaded = read_text(DRIVER_VERSION)
    if loaded is None or not os.path.exists(DRIVER_LIBRARY):
        return False
    return os.path.realpath(DRIVER_LIBRARY).rpartition(".so.")[2] not in loaded.split()


def read_text(path):
    """Return the file's text with its line ends as they are, None where it doesn't exist."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(TEXT_LIMIT_BYTES)
    except FileNotFoundError:
        return None


def why(error, path=""):
    """Return why the system refused, with the file and the way out."""
    path = path or error.filename2 or error.filename
    reason = REASONS.get(error.errno, error.strerror or str(error))
    return f"{path}: {reason.format(folder=os.path.dirname(str(path)), path=path)}"


def write_text(path, text, mode=0o644):
    """Put text at path in one step, on disk when this returns. Missing directories are made.

    Raise OSError naming path, with the file as it was.
    """
    try:
        _write_text(os.path.realpath(path), text, mode)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _write_text(path, text, mode):
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".glmprov-", dir=directory)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_change(path, text, mode):
    """Return Ansible's diff from our own file at path to text and mode, None if equal. No text: no file.

    Raise OSError where somebody put a link in its place: we would write wherever it leads.
    """
    if os.path.islink(path):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    before = read_text(path)
    if text is None:
        return None if before is None else difference(path, before, "")
    if before is not None and before == text:
        present = stat.S_IMODE(os.stat(path).st_mode)
        if present == mode:
            return None
        return difference(path, f"mode {present:04o}\n", f"mode {mode:04o}\n")
    return difference(path, before or "", text)


def difference(what, before, after):
    """Return a diff in Ansible's form."""
    return {"before_header": what, "before": before, "after_header": what, "after": after}


def write_files(files, check_mode):
    """Bring each file of FILE_OPTIONS about. Return the diffs of those that differed."""
    diffs = []
    for file in files:
        if not file["given"]:
            continue
        text, mode = file["content"] if file["wanted"] else None, int(file["mode"], 8)
        change = file_change(file["path"], text, mode)
        if not change:
            continue
        diffs.append(change)
        if check_mode:
            continue
        if text is None:
            os.unlink(file["path"])
        else:
            write_text(file["path"], text, mode)
    return diffs


def link_devices(dev="/dev"):
    """Make the /dev/char links of the NVIDIA device nodes.

    With the systemd cgroup driver, a daemon-reload makes systemd rebuild its device filters; runc resolves
    the rules through /dev/char, where the NVIDIA driver makes no entries, and running containers lose their
    cards. Call this before anything that may lead to a daemon-reload.
    Source: https://github.com/NVIDIA/nvidia-container-toolkit/issues/48
    """
    nodes = []
    for directory in (dev, os.path.join(dev, "nvidia-caps")):
        if os.path.isdir(directory):
            nodes += [
                os.path.join(directory, name) for name in os.listdir(directory) if name.startswith("nvidia")
            ]
    for node in nodes:
        status = os.stat(node)
        if not stat.S_ISCHR(status.st_mode):
            continue
        link = os.path.join(dev, "char", f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}")
        if not os.path.lexists(link):
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(os.path.relpath(node, os.path.dirname(link)), link)


def stale_initramfs(files):
    """Tell whether an initramfs is older than one of the files that belong into it."""
    times = [os.stat(f["path"]).st_mtime for f in files if f["initramfs"] and os.path.exists(f["path"])]
    images = [os.stat(image).st_mtime for image in glob.glob("/boot/initrd.img-*")]
    return bool(times and images) and min(images) < max(times)
