"""The payload's answer → the section gpu_driver as it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from glmprov.hardware import Gpu
from glmprov.probe import parse_kept
from glmprov.probe.answer import Answer
from glmprov.probe.driver_packages import FAMILY, KERNEL_META, source_of
from glmprov.probe.parse_hardware import secure_boot
from glmprov.probe.parse_kernels import (
    next_kernel,
    next_kernel_configured,
    next_kernel_module,
    running_kernel,
    signing_key_enrolled,
)
from glmprov.probe.parse_units import unit
from glmprov.probe.texts import by_precedence, kernel_arguments, modprobe_blocks
from glmprov.probe.wanted import CDI_LIBRARY
from glmprov.state import GpuDriver, Setting, Unknown

PERSISTENCE_DAEMON = "nvidia-persistenced.service"
MODPROBE_FOLDERS = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")

# In this order: the first that is installed says which version is there to be loaded.
_MODULE_PACKAGES = (
    r"nvidia-kernel-open-dkms",
    r"nvidia-kernel-dkms",
    r"nvidia-dkms-(open|\d+.*)",
    r"nvidia-kernel-source-(open|\d+.*)",
    r"nvidia-kernel-common-\d+.*",
    r"nvidia-driver-\d+.*",
    r"nvidia-headless-no-dkms-\d+.*",
    r"nvidia-driver-cuda",
    r"libnvidia-compute(-\d+.*)?",
    r"nvidia-open.*",
)
_PINNING_PACKAGE = re.compile(r"nvidia-driver-pinning-(\d+)")


def gpu_driver(answer: Answer, gpus: tuple[Gpu, ...] | Unknown) -> GpuDriver:
    """Return the driver's section as observed. Without a driver its fields are None."""
    installed = installed_packages(answer)
    loaded = loaded_version(answer)
    version = _version(installed, loaded)
    absent = isinstance(version, Setting) and version.declared is None and version.effective is None
    declared = version.declared if isinstance(version, Setting) else None
    kernel = next_kernel(answer)
    kept = parse_kept.kept(answer)
    return GpuDriver(
        origin=_origin(installed),
        branch=_branch(version),
        version=None if absent else version,
        open_modules=_open_modules(answer),
        next_kernel_module=next_kernel_module(
            answer, declared if isinstance(declared, str) else None, secure_boot=secure_boot(answer) is True
        ),
        next_kernel_configured=next_kernel_configured(answer),
        held=_held(installed, kernels={running_kernel(answer), kernel}),
        pinned=_pinned(answer, installed, _branch(version)),
        automatic_upgrades_blocked=_automatic_upgrades_blocked(answer),
        nouveau_blocked=_nouveau_blocked(answer),
        persistence_daemon=unit(answer, PERSISTENCE_DAEMON),
        cdi_specs=_cdi_specs(answer),
        cards=None if absent else _cards(gpus),
        next_kernel=kernel,
        signing_key_enrolled=signing_key_enrolled(answer),
        previous_version=kept.previous,
        previous_origin=kept.previous_origin,
        rolled_back_from=kept.left,
        rolled_back_from_origin=kept.left_origin,
    )


def installed_packages(answer: Answer) -> dict[str, tuple[str, bool]] | Unknown:
    """Return version and hold of the installed packages that we asked for, by name."""
    rows = answer.part("packages")
    if rows is None:
        return Unknown("no dpkg database: not a Debian or Ubuntu system")
    if isinstance(rows, Unknown):
        return rows
    return {
        str(name): (str(version), str(status).startswith("hold "))
        for name, status, version in rows
        if str(status).endswith(" installed")
    }


def upstream_version(version: str) -> str:
    """Given a package's version, return the driver's own ("580.95.05-0ubuntu0.24.04.1" → "580.95.05")."""
    return version.partition(":")[2].partition("-")[0] if ":" in version else version.partition("-")[0]


def loaded_version(answer: Answer) -> str | Unknown | None:
    """Return the version of the loaded kernel module, None if none is loaded."""
    text = answer.text("/proc/driver/nvidia/version")
    if not isinstance(text, str):
        return text
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", text)
    return found[1] if found else Unknown("/proc/driver/nvidia/version names no version")


def _version(
    installed: Mapping[str, tuple[str, bool]] | Unknown, loaded: str | Unknown | None
) -> Setting | Unknown | None:
    if isinstance(installed, Unknown):
        return Setting(installed, loaded)
    for pattern in _MODULE_PACKAGES:
        # A transitional package has the version of the branch that it leaves: the newest is the driver's own.
        found = [
            upstream_version(version)
            for name, (version, _) in installed.items()
            if re.fullmatch(pattern, name)
        ]
        if found:
            return Setting(max(found, key=_numbers), loaded)
    return Setting(None, loaded)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _origin(installed: Mapping[str, tuple[str, bool]] | Unknown) -> str | None:
    if isinstance(installed, Unknown):
        return None
    return source_of({name: version for name, (version, _) in installed.items()})


def _branch(version: Setting | Unknown | None) -> str | None:
    if not isinstance(version, Setting):
        return None
    known = next((v for v in (version.declared, version.effective) if isinstance(v, str)), "")
    return known.partition(".")[0] or None


def _open_modules(answer: Answer) -> bool | Unknown | None:
    text = answer.text("/proc/driver/nvidia/version")
    return "Open Kernel Module" in text if isinstance(text, str) else text


def _held(
    installed: Mapping[str, tuple[str, bool]] | Unknown, kernels: Collection[str | Unknown | None]
) -> Mapping[str, bool] | Unknown | None:
    """Return apt's holds of the set: the driver's packages, and with them what brings and what is the kernel."""
    if isinstance(installed, Unknown):
        return installed
    images = {f"linux-{part}-{kernel}" for kernel in kernels for part in ("image", "headers", "modules")}
    found = {
        name: held
        for name, (_, held) in sorted(installed.items())
        if FAMILY.match(name) or KERNEL_META.fullmatch(name) or name in images
    }
    return found if any(FAMILY.match(name) for name in found) else None


def _cdi_specs(answer: Answer) -> dict[str, str] | Unknown | None:
    """Return the driver version whose libraries each CDI specification names, by path."""
    part = answer.part("numbers")
    if isinstance(part, Unknown):
        return part
    numbers = part.get(CDI_LIBRARY, {})
    return {
        path: version for path, version in numbers.items() if isinstance(version, str) and version
    } or None


def _pinned(
    answer: Answer, installed: Mapping[str, tuple[str, bool]] | Unknown, branch: str | None
) -> bool | Unknown:
    """Tell whether a pin keeps the installed driver's branch; with no driver yet, whether there is a pin."""
    if isinstance(installed, Unknown):
        return installed
    pins = {found[1] for name in installed if (found := _PINNING_PACKAGE.fullmatch(name))}
    for text in answer.texts("/etc/apt/preferences").values():
        pins |= pinned_branches(text)
    unreadable = None if pins else answer.lost("/etc/apt/preferences")
    return unreadable or (branch in pins if branch else bool(pins))


def pinned_branches(text: str) -> set[str]:
    """Given an apt preferences file, return the driver branches that it pins by version."""
    branches = set()
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.split("\n") if not line.startswith(("#", "Explanation:"))]
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        version = re.match(r"version\s+(\d+)\.", fields.get("Pin", ""))
        priority = fields.get("Pin-Priority", "0")
        if (
            version
            and "nvidia" in fields.get("Package", "")
            and priority.lstrip("-").isdigit()
            and int(priority) > 0
        ):
            branches.add(version[1])
    return branches


def _automatic_upgrades_blocked(answer: Answer) -> bool | Unknown:
    texts = answer.texts("/etc/apt/apt.conf.d/")
    if any(blocks_driver_upgrades(text) for text in texts.values()):
        return True
    return answer.lost("/etc/apt/apt.conf.d/") or False


def blocks_driver_upgrades(text: str) -> bool:
    """Given an apt configuration file, tell whether it puts driver and kernel on unattended-upgrades' blacklist."""
    bare = re.sub(r"^\s*(//|#(?!clear)).*$", "", text, flags=re.MULTILINE)
    entries = re.findall(r"Unattended-Upgrade::Package-Blacklist\s*\{([^}]*)\}", bare)
    entries += re.findall(r"Unattended-Upgrade::Package-Blacklist::\s+(\"[^\"]*\")", bare)
    names = [name for entry in entries for name in re.findall(r'"([^"]*)"', entry)]
    return any("nvidia" in name for name in names) and any(_matches(name, "linux-image-") for name in names)


def _matches(pattern: str, beginning: str) -> bool:
    """Tell whether names with this beginning meet a pattern of unattended-upgrades."""
    plain = pattern.lstrip("^").removesuffix(".*")
    return plain.startswith("linux-") and (beginning.startswith(plain) or plain.startswith(beginning))


def _nouveau_blocked(answer: Answer) -> bool | Unknown:
    files = {path: text for folder in MODPROBE_FOLDERS for path, text in answer.texts(folder + "/").items()}
    if any(modprobe_blocks(text, "nouveau") for text in by_precedence(files, MODPROBE_FOLDERS).values()):
        return True
    line = answer.text("/proc/cmdline")
    arguments = kernel_arguments(line) if isinstance(line, str) else {}
    listed = arguments.get("modprobe.blacklist", "") + "," + arguments.get("module_blacklist", "")
    return "nouveau" in listed.split(",") or answer.lost("/etc/modprobe.d/") or False


def _cards(gpus: tuple[Gpu, ...] | Unknown) -> dict[str, bool] | Unknown:
    return gpus if isinstance(gpus, Unknown) else {gpu.uuid: True for gpu in gpus}
