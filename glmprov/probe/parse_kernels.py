"""The payload's answer → which kernel boots next, and whether it has the driver's module."""

from __future__ import annotations

import re

from glmprov.probe.answer import Answer
from glmprov.probe.next_boot import kernel_of, next_line
from glmprov.probe.texts import key_values
from glmprov.probe.wanted import GRUB, MOK_LIST
from glmprov.state import Unknown

SIGNED = "~Module signature appended~\n"
"""What ends a signed kernel module. Source: Linux, include/linux/module_signature.h."""
_MODULE = re.compile(r"/lib/modules/([^/]+)/(.+)/nvidia(-current)?\.ko(\.\w+)?")
_BUILT = re.compile(r"/var/lib/dkms/nvidia[^/]*/([^/]+)/([^/]+)/x86_64/module")
_PREBUILT = re.compile(r"kernel/nvidia-(\d{3})\D*")


def boot_line(answer: Answer) -> str | Unknown | None:
    """Return the `linux` line of the entry of grub.cfg that boots next, None where there is no grub.cfg."""
    part = answer.part("lines")
    lines = part if isinstance(part, Unknown) else part.get(GRUB)
    if isinstance(lines, dict):
        return Unknown(str(lines.get("error")))
    if not isinstance(lines, list):
        return lines
    environment = answer.text("/boot/grub/grubenv")
    return next_line(lines, dict(key_values(environment)) if isinstance(environment, str) else {}) or None


def running_kernel(answer: Answer) -> str | None:
    """Return the running kernel's release."""
    names = answer.part("uname")
    return str(names[2]) if isinstance(names, list) and len(names) == 5 else None


def next_kernel(answer: Answer) -> str | Unknown | None:
    """Return the release of the kernel that boots next: GRUB's choice, else the newest image in /boot."""
    line = boot_line(answer)
    if isinstance(line, Unknown):
        return line
    kernel = kernel_of(line or "")
    if kernel:
        return kernel
    images = [kernel_of(path) for path in _present(answer) if path.startswith("/boot/")]
    return max(images, key=_order, default=None)


def next_kernel_module(answer: Answer, version: str | None, *, secure_boot: bool) -> bool | Unknown | None:
    """Tell whether the kernel that boots next has a module of this driver version, and may load it.

    None where nobody knows which kernel that is, or no version is installed.
    """
    kernel = next_kernel(answer)
    if not isinstance(kernel, str) or version is None:
        return kernel if isinstance(kernel, Unknown) else None
    modules = answer.part("tails")
    if isinstance(modules, Unknown):
        return modules
    built = {(found[1], found[2]) for path in _present(answer) if (found := _BUILT.fullmatch(path))}
    for path in modules:
        module = _MODULE.fullmatch(path)
        if (
            module
            and module[1] == kernel
            and _is_of(module[2], (version, kernel), built)
            and not (secure_boot and _unsigned(answer, path))
        ):
            return True
    return False


def next_kernel_configured(answer: Answer) -> bool | None:
    """Tell whether dpkg is done with the package of the kernel that boots next; None where no package brought it.

    One that dpkg only unpacked has run none of the hooks that make its initramfs, or not all.
    """
    kernel, rows = next_kernel(answer), answer.part("packages")
    if not isinstance(kernel, str) or not isinstance(rows, list):
        return None
    found = [str(status) for name, status, _ in rows if name == f"linux-image-{kernel}"]
    states = [status.rpartition(" ")[2] for status in found]
    there = [state for state in states if state not in ("config-files", "not-installed")]
    return all(state == "installed" for state in there) if there else None


def _is_of(folder: str, wanted: tuple[str, str], built: set[tuple[str, str]]) -> bool:
    """Tell whether a module in this folder is of the version: by dkms' own record, else by the folder's branch."""
    if folder == "updates/dkms":
        return not built or wanted in built
    prebuilt = _PREBUILT.match(folder)
    return prebuilt is None or wanted[0].startswith(f"{prebuilt[1]}.")


def _unsigned(answer: Answer, path: str) -> bool:
    """Tell whether a module bears no signature; of a compressed one nobody can tell cheaply."""
    tail = answer.text(path, "tails")
    return path.endswith(".ko") and isinstance(tail, str) and not tail.endswith(SIGNED)


def signing_key_enrolled(answer: Answer) -> bool | Unknown | None:
    """Tell whether the firmware trusts the key that dkms signs modules with; None: there is no such key."""
    part = answer.part("within")
    if isinstance(part, Unknown):
        return part
    keys = [value for value in part.get(MOK_LIST, {}).values() if value is not None]
    if any(value is True for value in keys):
        return True
    errors = [str(value.get("error")) for value in keys if isinstance(value, dict)]
    return Unknown(errors[0]) if errors else (False if keys else None)


def _present(answer: Answer) -> list[str]:
    part = answer.part("present")
    return [] if isinstance(part, Unknown) else [str(path) for path in part]


def _order(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]
