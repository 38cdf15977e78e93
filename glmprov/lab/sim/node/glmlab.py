"""GLMPROV SIMULATED kernel: state of the node's driver, shared by the programs beside this file.

Standard library only: it runs on the node.
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import module_file

Description = dict[str, Any]

HARDWARE = Path(os.environ.get("GLMLAB_HARDWARE", "/opt/glmlab"))
STATE = Path(os.environ.get("GLMLAB_STATE", "/run/glmlab"))
ROOT = Path(os.environ.get("GLMLAB_ROOT", "/"))
"""Where /etc, /lib/modules and /boot are; another folder only in tests."""
MODULES = module_file.NAMES
NEEDS: dict[str, tuple[str, ...]] = {
    "nvidia": (),
    "nvidia_uvm": ("nvidia",),
    "nvidia_modeset": ("nvidia",),
    "nvidia_drm": ("nvidia_modeset",),
}
PARAMETERS: dict[str, dict[str, str]] = {
    "nvidia": {},
    "nvidia_uvm": {"uvm_disable_hmm": "N", "uvm_debug_prints": "0"},
    "nvidia_modeset": {"disable_vrr_memclk_switch": "N"},
    "nvidia_drm": {"modeset": "N", "fbdev": "N"},
}
DRIVER_PARAMS = {
    "ResmanDebugLevel": "4294967295", "RmLogonRC": "1", "ModifyDeviceFiles": "1", "DeviceFileUID": "0",
    "DeviceFileGID": "0", "DeviceFileMode": "438", "InitializeSystemMemoryAllocations": "1",
    "UsePageAttributeTable": "4294967295", "EnableMSI": "1", "EnablePCIeGen3": "0", "MemoryPoolSize": "0",
    "IgnoreMMIOCheck": "0", "EnableStreamMemOPs": "0", "EnableUserNUMAManagement": "1", "NvLinkDisable": "0",
    "RmProfilingAdminOnly": "1", "PreserveVideoMemoryAllocations": "0", "EnableS0ixPowerManagement": "0",
    "DynamicPowerManagement": "3", "RegisterPCIDriver": "1", "EnablePCIERelaxedOrderingMode": "0",
    "EnableResizableBar": "0", "EnableGpuFirmware": "18", "EnableGpuFirmwareLogs": "2",
    "OpenRmEnableUnsupportedGpus": "1", "DmaRemapPeerMmio": "1", "GrdmaPciTopoCheckOverride": "0",
    "CoherentGPUMemoryMode": '""', "RegistryDwords": '""', "RegistryDwordsPerDevice": '""', "RmMsg": '""',
    "TemporaryFilePath": '""', "ExcludedGpus": '""',
}  # fmt: skip


class ModuleRefusedError(Exception):
    """What modprobe says when a module can't be loaded or taken away."""


def profile() -> Description:
    """Return the machine's description."""
    described: Description = json.loads((HARDWARE / "profile.json").read_text())
    return described


def read(path: str | Path) -> str | None:
    """Return a small file's text, or None."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def kernel_release() -> str:
    """Return the release of the kernel that this boot pretends to run."""
    return read(STATE / "kernel") or os.uname().release


def kernel_version(release: str) -> str:
    """Return what /proc/version says under a kernel."""
    builder = "debian-kernel@lists.debian.org" if "amd64" in release else "buildd@lcy02-amd64-059"
    return f"Linux version {release} ({builder}) (gcc 12.2.0, GNU ld 2.40) #1 SMP PREEMPT_DYNAMIC (GLMPROV SIMULATED)"


def write(path: Path, text: str) -> None:
    """Write a file, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def loaded() -> list[str]:
    """Return the names of the loaded modules."""
    folder = STATE / "module"
    return [name for name in MODULES if (folder / name).is_dir()]


def built(name: str, release: str | None = None) -> module_file.Module | None:
    """Return the module that there is for a kernel, or None."""
    return module_file.find(ROOT / "lib/modules" / (release or kernel_release()), name)


def options() -> tuple[dict[str, dict[str, str]], set[str]]:
    """Return what modprobe.d says: {module: {option: value}}, and the modules that are blacklisted."""
    found: dict[str, dict[str, str]] = {}
    blacklisted: set[str] = set()
    files: dict[str, Path] = {}
    for folder in ("lib/modprobe.d", "usr/lib/modprobe.d", "run/modprobe.d", "etc/modprobe.d"):
        for path in sorted((ROOT / folder).glob("*.conf")):
            files[path.name] = path
    for name in sorted(files):
        for line in files[name].read_text().splitlines():
            words = shlex.split(line, comments=True) if line.count('"') % 2 == 0 else line.split()
            if len(words) > 2 and words[0] == "options":
                pairs = {key: value for key, _, value in (word.partition("=") for word in words[2:])}
                found.setdefault(words[1].replace("-", "_"), {}).update(pairs)
            elif len(words) == 2 and words[0] == "blacklist":
                blacklisted.add(words[1].replace("-", "_"))
    return found, blacklisted


def load(name: str, given: dict[str, str] | None = None) -> None:
    """Load a module and what it needs, with the options of modprobe.d and those given."""
    import firmware  # which needs this file

    name = name.replace("-", "_")
    if name not in MODULES or name in loaded():
        return
    module = built(name)
    if module is None:
        raise ModuleRefusedError(
            f"FATAL: Module {name} not found in directory /lib/modules/{kernel_release()}"
        )
    if name == "nvidia" and not profile()["cards"]:
        raise ModuleRefusedError("ERROR: could not insert 'nvidia': No such device")
    if not firmware.trusts(module):
        raise ModuleRefusedError(f"ERROR: could not insert '{name}': Key was rejected by service")
    for needed in NEEDS[name]:
        load(needed)
    wanted = {**options()[0].get(name, {}), **(given or {})}
    values = dict(PARAMETERS[name])
    values.update({key: _as_kernel(values[key], value) for key, value in wanted.items() if key in values})
    for key, value in values.items():
        write(STATE / "module" / name / "parameters" / key, f"{value}\n")
    write(STATE / "module" / name / "version", module.version + "\n")
    write(STATE / "module" / name / "refcnt", "0\n")
    if name == "nvidia":
        _start_driver(module, wanted)


def _as_kernel(default: str, value: str) -> str:
    """Return a parameter as sysfs prints it: booleans become Y or N."""
    if default in ("Y", "N"):
        return "N" if value in ("0", "n", "N") else "Y"
    return value


def _start_driver(module: module_file.Module, wanted: dict[str, str]) -> None:
    shutil.rmtree(STATE / "cards", ignore_errors=True)
    missing = HARDWARE / "faults/missing"
    cards = [card for card in profile()["cards"] if not (missing / card["bus_id"]).exists()]
    taken = [card for card in cards if module.is_open or not card["open_modules_only"]]
    for card in taken:
        write(STATE / "driver/cards" / card["bus_id"], card["uuid"] + "\n")
    (STATE / "driver/cards").mkdir(parents=True, exist_ok=True)
    _write_proc(module, wanted, taken)
    for card in taken:
        _device(f"nvidia{card['minor']}", 195, card["minor"])
    _device("nvidiactl", 195, 255)
    _device("nvidia-uvm", 510, 0)
    _device("nvidia-uvm-tools", 510, 1)
    write(STATE / "driver/version", module.version + "\n")
    for card in cards:
        _bind(card["bus_id"], "nvidia" if card in taken else None)
    if len(taken) < len(cards):
        kernel_log(
            f"NVRM: {len(cards) - len(taken)} GPUs need the open kernel modules; these are proprietary"
        )


def _write_proc(module: module_file.Module, wanted: dict[str, str], cards: list[Description]) -> None:
    kind = "Open Kernel Module for x86_64" if module.is_open else "x86_64 Kernel Module"
    proc = STATE / "proc_nvidia"
    write(
        proc / "version",
        f"NVRM version: NVIDIA UNIX {kind}  {module.version}  Release Build  (GLMPROV SIMULATED)\n"
        "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n",
    )
    params = dict(DRIVER_PARAMS)
    for key, value in wanted.items():
        name = key.removeprefix("NVreg_")
        if name in params:
            params[name] = f'"{value}"' if params[name].startswith('"') else value
    write(proc / "params", "".join(f"{key}: {value}\n" for key, value in params.items()))
    shutil.rmtree(proc / "gpus", ignore_errors=True)
    for card in cards:
        write(
            proc / "gpus" / card["bus_id"] / "information",
            f"Model: \t\t {card['name']}\nIRQ:   \t\t 41\nGPU UUID: \t {card['uuid']}\n"
            f"Video BIOS: \t {card['vbios'].lower()}\nBus Type: \t PCIe\nDMA Size: \t 52 bits\n"
            f"DMA Mask: \t 0xfffffffffffff\nBus Location: \t {card['bus_id']}\n"
            f"Device Minor: \t {card['minor']}\n"
            f"GPU Firmware: \t {module.version}\nGPU Excluded:\t No\n",
        )


def _device(name: str, major: int, minor: int) -> None:
    path = ROOT / "dev" / name
    if str(ROOT) == "/" and not path.exists():
        os.mknod(path, 0o20666, os.makedev(major, minor))
        path.chmod(0o666)


def _bind(bus_id: str, driver: str | None) -> None:
    """Show in sysfs which driver a card has."""
    link = STATE / "sys/bus/pci/devices" / bus_id / "driver"
    link.unlink(missing_ok=True)
    if driver and link.parent.is_dir():
        link.symlink_to(f"/sys/bus/pci/drivers/{driver}")


def holders() -> list[str]:
    """Return the processes that hold memory of a card."""
    found = [_locker(path) or path.name for path in (STATE / "cards").glob("*/holders/*")]
    return [pid for pid in found if Path(f"/proc/{pid}").exists()]


def _locker(path: Path) -> str | None:
    """Return the process that locks a file, as engines in containers do with what they hold."""
    shape = "hhqqi"
    with path.open() as file:
        asked = struct.pack(shape, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(shape, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return str(pid) if kind != fcntl.F_UNLCK else None


def users(name: str) -> list[str]:
    """Return the processes that keep a module busy."""
    pid = read("/run/nvidia-persistenced/nvidia-persistenced.pid")
    daemon = [pid] if pid and name == "nvidia" and Path(f"/proc/{pid}").exists() else []
    return holders() + daemon if name in ("nvidia", "nvidia_uvm") else []


def unload(name: str) -> None:
    """Take a module away; what the cards were set to is lost with it."""
    name = name.replace("-", "_")
    if name not in loaded():
        raise ModuleRefusedError(f"ERROR: Module {name} is not currently loaded")
    above = [other for other in loaded() if name in NEEDS[other]]
    if above:
        raise ModuleRefusedError(f"ERROR: Module {name} is in use by: {' '.join(above)}")
    if users(name):
        raise ModuleRefusedError(f"ERROR: Module {name} is in use")
    shutil.rmtree(STATE / "module" / name)
    if name == "nvidia":
        for card in profile()["cards"]:
            _bind(card["bus_id"], None)
        for gone in ("driver", "cards"):
            shutil.rmtree(STATE / gone, ignore_errors=True)
        for path in (STATE / "proc_nvidia").glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def kernel_log(message: str) -> bool:
    """Put a line into the journal as the kernel's own."""
    machine, boot = (
        read(ROOT / "etc/machine-id"),
        (read("/proc/sys/kernel/random/boot_id") or "").replace("-", ""),
    )
    folder = ROOT / f"var/log/journal/{machine}"
    if not (machine and boot and shutil.which("/lib/systemd/systemd-journal-remote")):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    monotonic = int(float((read("/proc/uptime") or "0").split()[0]) * 1_000_000)
    entry = {
        "__REALTIME_TIMESTAMP": str(int(time.time() * 1_000_000)),
        "__MONOTONIC_TIMESTAMP": str(monotonic),
        "_BOOT_ID": boot, "_MACHINE_ID": machine, "_TRANSPORT": "kernel", "PRIORITY": "3",
        "SYSLOG_FACILITY": "0", "SYSLOG_IDENTIFIER": "kernel", "_HOSTNAME": os.uname().nodename,
        "MESSAGE": message,
    }  # fmt: skip
    text = "".join(f"{key}={value}\n" for key, value in entry.items()) + "\n"
    target = folder / f"kernel-{entry['__REALTIME_TIMESTAMP']}.journal"
    command = ["/lib/systemd/systemd-journal-remote", f"--output={target}", "-"]
    subprocess.run(command, input=text.encode(), check=True, capture_output=True)
    return True


def installed_kernels() -> list[str]:
    """Return releases of the kernels in /boot, newest first."""
    found = [path.name.removeprefix("vmlinuz-") for path in (ROOT / "boot").glob("vmlinuz-*")]
    return sorted(found, key=lambda name: [int(part) for part in re.findall(r"\d+", name)], reverse=True)
