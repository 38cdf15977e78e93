"""The payload's answer → the section host_tuning as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from glmprov.probe.answer import Answer, known
from glmprov.probe.parse_driver import MODPROBE_FOLDERS
from glmprov.probe.parse_kernels import boot_line
from glmprov.probe.parse_ours import HOST_TUNING_CONF, ours
from glmprov.probe.parse_units import unit
from glmprov.probe.texts import (
    boot_entry_arguments,
    by_precedence,
    kernel_arguments,
    key_values,
    modprobe_options,
)
from glmprov.probe.wanted import GOVERNORS
from glmprov.state import HostTuning, Setting, Unknown

LIMITS_CONF = "/etc/security/limits.d/90-glmprov.conf"
SYSCTL_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/lib/sysctl.d")
NVIDIA_PARAMS = "/proc/driver/nvidia/params"

ACS_REDIRECT = 0x2C
"""Control bits that keep cards from talking directly: request redirect, completion redirect, egress control.

Source: PCI Express base specification, ACS control register."""


def host_tuning(answer: Answer) -> HostTuning:
    """Return the tuning section as observed, each setting as declared and as effective."""
    conf = answer.text(HOST_TUNING_CONF)
    lines = key_values(conf) if isinstance(conf, str) else []
    return HostTuning(
        kernel_arguments=_kernel_arguments(answer),
        module_options=_module_options(answer),
        sysctl=_sysctl(answer),
        cpu_governor=_governor(answer, conf, lines),
        acs_disabled=_acs(answer, conf, lines),
        boot_unit=unit(answer, "glmprov-host-tuning.service"),
        limits=_limits(answer),
        ours=ours(answer),
    )


def _settings(
    declared: Mapping[str, Any] | Unknown, effective: Mapping[str, Any] | Unknown
) -> dict[str, Setting] | Unknown:
    """Return both sides by key; a side that could not be read is Unknown in each of them."""
    if isinstance(declared, Unknown) and isinstance(effective, Unknown):
        return effective
    keys = [key for side in (declared, effective) if not isinstance(side, Unknown) for key in side]

    def side_of(side: Mapping[str, Any] | Unknown, key: str) -> Any:
        return side if isinstance(side, Unknown) else side.get(key)

    return {key: Setting(side_of(declared, key), side_of(effective, key)) for key in sorted(set(keys))}


def _kernel_arguments(answer: Answer) -> dict[str, Setting] | Unknown:
    return _settings(_parsed(declared_command_line(answer)), _parsed(answer.text("/proc/cmdline")))


def declared_command_line(answer: Answer) -> str | Unknown | None:
    """Return the command line of the next boot: of GRUB's entry for it, else /etc/kernel/cmdline."""
    line = boot_line(answer)
    if isinstance(line, str):
        return boot_entry_arguments(line)
    return line if isinstance(line, Unknown) else answer.text("/etc/kernel/cmdline")


def _parsed(line: str | Unknown | None) -> dict[str, str] | Unknown:
    return line if isinstance(line, Unknown) else kernel_arguments(line or "")


def _module_options(answer: Answer) -> dict[str, Setting] | Unknown:
    effective = _effective_options(answer)
    declared = _declared_options(answer)
    if not isinstance(declared, Unknown) and not isinstance(effective, Unknown):
        declared = {key: _as_shown(value, effective.get(key)) for key, value in declared.items()}
        effective = {key: _as_number(value) for key, value in effective.items()}
    return _settings(declared, effective)


def _declared_options(answer: Answer) -> dict[str, str] | Unknown:
    files = {path: text for folder in MODPROBE_FOLDERS for path, text in answer.texts(folder + "/").items()}
    options: dict[str, str] = {}
    for text in by_precedence(files, MODPROBE_FOLDERS).values():
        options |= {key: value for key, value in modprobe_options(text).items() if key.startswith("nvidia")}
    return answer.lost("/etc/modprobe.d/") or options


def _effective_options(answer: Answer) -> dict[str, str] | Unknown:
    lost = answer.lost("/", "driver_files")
    texts = answer.texts("/", "driver_files")
    if lost and not texts:
        return lost
    options = {}
    for path, text in texts.items():
        found = re.fullmatch(r"/sys/module/(nvidia\w*)/parameters/(\w+)", path)
        if found:
            options[f"{found[1]}.{found[2]}"] = text.strip()
    for line in texts.get(NVIDIA_PARAMS, "").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            options[f"nvidia.NVreg_{name.strip()}"] = value.strip().strip('"')
    return options


def _as_number(value: str) -> str:
    """Return a module parameter as modprobe.d spells it: the kernel shows a bool as Y or N."""
    return {"Y": "1", "N": "0"}.get(value, value)


def _as_shown(declared: str, shown: str | None) -> str:
    """Return a declared option in the spelling of _as_number, if the kernel shows that it is a bool."""
    if shown in ("Y", "N"):
        return {"y": "1", "Y": "1", "on": "1", "n": "0", "N": "0", "off": "0"}.get(declared, declared)
    return declared


def _sysctl(answer: Answer) -> dict[str, Setting] | Unknown:
    files = {path: text for folder in SYSCTL_FOLDERS for path, text in answer.texts(folder + "/").items()}
    declared: dict[str, str] = {}
    for text in by_precedence(files, SYSCTL_FOLDERS).values():
        for key, value in key_values(text, comment="#;"):
            declared[key.lstrip("-").replace("/", ".")] = " ".join(value.split())
    effective = {
        path.removeprefix("/proc/sys/").replace("/", "."): " ".join(text.split())
        for path, text in answer.texts("/proc/sys/").items()
        if not path.startswith("/proc/sys/kernel/random/")
    }
    lost = answer.lost("/proc/sys/")
    return _settings(
        {key: value for key, value in declared.items() if key in effective}, effective or lost or {}
    )


def _governor(answer: Answer, conf: str | Unknown | None, lines: list[tuple[str, str]]) -> Setting | Unknown:
    declared = conf if isinstance(conf, Unknown) else dict(lines).get("governor")
    tallies = answer.part("tallies")
    if isinstance(tallies, Unknown):
        return Setting(declared, tallies)
    counts = tallies.get(GOVERNORS)
    if counts is None:
        return Setting(declared, Unknown("the governors were not asked for"))
    if len(counts) > 1:
        return Setting(
            declared, ", ".join(f"{name} on {count}" for name, count in sorted(counts.items())) + " CPUs"
        )
    return Setting(declared, next(iter(counts), None))


def _acs(
    answer: Answer, conf: str | Unknown | None, lines: list[tuple[str, str]]
) -> dict[str, Setting] | Unknown | None:
    registers = answer.part("acs")
    declared = {bus_id.lower(): True for key, bus_id in lines if key == "acs_off"}
    off: Callable[[Any], Any] = acs_off
    effective = (
        registers if isinstance(registers, Unknown) else {bus: off(known(r)) for bus, r in registers.items()}
    )
    return _settings(conf if isinstance(conf, Unknown) else declared, effective)


def acs_off(registers: Mapping[str, int] | Unknown | None) -> bool | Unknown:
    """Given a bridge's ACS registers, tell whether it lets cards below it talk directly.

    A bridge without the capability (None) redirects nothing.
    """
    if registers is None or isinstance(registers, Unknown):
        return registers or True
    return not registers["control"] & ACS_REDIRECT


def _limits(answer: Answer) -> dict[str, str] | Unknown:
    text = answer.text(LIMITS_CONF)
    if not isinstance(text, str):
        return text or {}
    rows = (line.split() for line in text.split("\n") if not line.lstrip().startswith("#"))
    return {row[2]: row[3] for row in rows if len(row) == 4}
