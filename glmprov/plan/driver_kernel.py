"""What the driver and the kernel owe each other: a module for the next boot, a signature, current CDI files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from glmprov.plan.situation import Situation
from glmprov.state import Later, Unknown


def kernels(situation: Situation) -> tuple[str, ...]:
    """Return the kernels that need a module: the running one and the one that boots next."""
    driver = situation.observation.state.gpu_driver
    both = (situation.observation.hardware.system.kernel, driver.next_kernel if driver else None)
    return tuple(dict.fromkeys(kernel for kernel in both if isinstance(kernel, str) and kernel))


def next_kernel_module(situation: Situation) -> bool | Later | None:
    """Return True where a kernel boots next that must have a module."""
    driver = situation.observation.state.gpu_driver
    if driver is None or driver.next_kernel is None:
        return None
    return True if situation.installed_version else situation.later()


def next_kernel_configured(situation: Situation) -> bool | None:
    """Return True where a package brought the kernel that boots next."""
    driver = situation.observation.state.gpu_driver
    return None if driver is None or driver.next_kernel_configured is None else True


def configured_reason(situation: Situation) -> str:
    """Return in words what dpkg left undone."""
    driver = situation.observation.state.gpu_driver
    kernel = driver.next_kernel if driver else None
    return (
        f"kernel {kernel} boots next and dpkg isn't done with linux-image-{kernel}: it may have no initramfs"
    )


def next_kernel_reason(situation: Situation) -> str:
    """Return in words which kernel boots next, and what is wrong with it."""
    driver = situation.observation.state.gpu_driver
    if driver is None or not isinstance(driver.next_kernel, str):
        return "without a module for it no card works after the next boot"
    said = f"kernel {driver.next_kernel} boots next"
    if driver.next_kernel_module is not False:
        return said
    loads = (
        " that Secure Boot lets it load" if situation.observation.hardware.system.secure_boot is True else ""
    )
    return f"{said} and has no nvidia module of {situation.installed_version}{loads}"


def cdi_specs(situation: Situation) -> Mapping[str, str] | None:
    """Return what the CDI files that are there should name: the libraries of the driver that runs.

    None where there are none, and until the boot that loads the installed driver: before it none could be made.
    """
    driver = situation.observation.state.gpu_driver
    found = driver.cdi_specs if driver else None
    if not isinstance(found, Mapping):
        return None
    running = situation.loaded_version
    if not running or running != (situation.installed_version or running):
        return None
    return dict.fromkeys(found, running)


def signing_faults(situation: Situation, source: str) -> Iterator[str]:
    """Yield why modules that are built on this host couldn't be loaded under Secure Boot."""
    driver, system = situation.observation.state.gpu_driver, situation.observation.hardware.system
    if source != "nvidia" or system.secure_boot is not True or driver is None:
        return
    if driver.origin == "nvidia" and situation.loaded_version:
        return  # a module that was built here runs: its key is trusted
    if driver.signing_key_enrolled is True or isinstance(driver.signing_key_enrolled, Unknown):
        return  # the role asks mokutil where the firmware's list can't be read
    has_key = driver.signing_key_enrolled is False
    ways = [
        _enrolling(
            system.distribution, "" if has_key else "apt-get install dkms mokutil; dkms generate_mok; "
        )
    ]
    if system.distribution == "ubuntu":
        ways.append("gpu_driver_source: ubuntu, whose modules are signed")
    ways.append("or switch Secure Boot off")
    yield (
        "gpu_driver_source nvidia: Secure Boot is on and the kernel would refuse modules that are built on this host; "
        + ", ".join(ways)
    )


def _enrolling(distribution: str, before: str) -> str:
    """Return how the key is enrolled that dkms signs with; before is what makes it."""
    certificate = "/var/lib/shim-signed/mok/MOK.der" if distribution == "ubuntu" else "/var/lib/dkms/mok.pub"
    command = f"{before}mokutil --import {certificate}"
    return f"enroll the key that signs them ({command}; reboot and confirm it at the console)"
