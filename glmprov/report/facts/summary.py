"""What a host is set to, a line for each thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from glmprov.hardware import Hardware
from glmprov.observation import Observation
from glmprov.receipt import Receipt
from glmprov.report.values import plain
from glmprov.state import ContainerEngine, GpuDriver, Setting, Unknown


def summary(observation: Observation) -> Iterator[tuple[str, str]]:
    """Yield what a line is about, and what is so."""
    state, hardware = observation.state, observation.hardware
    if state.gpu_driver:
        yield "driver", _driver(state.gpu_driver)
    if state.container_engine:
        yield "engine", _engine(state.container_engine)
    if power := state.gpu_power:
        yield "power", f"boot unit {plain(power.boot_unit)}"
    if tuning := state.host_tuning:
        yield "tuning", ", ".join(_tuning(hardware, tuning.cpu_governor, tuning.acs_disabled))
    if nccl := state.nccl_env:
        yield "nccl", plain(nccl.env) if not isinstance(nccl.env, Mapping) else " ".join(_env(nccl.env))
        if isinstance(nccl.elsewhere, Mapping) and nccl.elsewhere:
            yield "nccl also", plain(nccl.elsewhere)
    yield "receipt", _receipt(observation.receipt)


def _driver(driver: GpuDriver) -> str:
    if driver.version is None:
        return "none"
    words = [_version(driver.version)]
    if isinstance(driver.open_modules, bool):
        words.append("open modules" if driver.open_modules else "proprietary modules")
    if isinstance(driver.held, Mapping):
        words.append(f"{sum(driver.held.values())} of {len(driver.held)} packages held")
    if isinstance(driver.pinned, bool):
        words.append("pinned" if driver.pinned else "not pinned")
    if not isinstance(driver.persistence_daemon, Unknown):
        words.append(f"persistence daemon {plain(driver.persistence_daemon)}")
    return ", ".join(words)


def _version(version: Any) -> str:
    """Return which driver runs, and which is installed where that is another one."""
    if not isinstance(version, Setting):
        return plain(version)
    if version.effective is None:
        return f"{plain(version.declared)} installed, not loaded"
    loaded = f"{plain(version.effective)} loaded"
    if isinstance(version.declared, Unknown):
        return loaded
    if version.declared is None:
        return f"{loaded}, from no package"
    if version.declared == version.effective:
        return str(version.effective)
    return f"{loaded}, {plain(version.declared)} installed: they differ until a reload or reboot"


def _engine(engine: ContainerEngine) -> str:
    if not isinstance(engine.package, str):
        return plain(engine.package) if engine.package else "none"
    words = [engine.package, plain(engine.engine_version)] if engine.engine_version else [engine.package]
    running = engine.nvidia_runtime
    if isinstance(running, Unknown):
        words.append(f"({running.reason})")
    else:
        words.append(
            f"with{'' if running else 'out'} runtime nvidia, cgroup driver {plain(engine.cgroup_driver)}"
        )
    return " ".join(words) + f", toolkit {_toolkit(engine.toolkit, engine.toolkit_version)}"


def _toolkit(installed: bool | Unknown | None, version: str | Unknown | None) -> str:
    return (
        plain(version) if installed is True else plain(installed if isinstance(installed, Unknown) else None)
    )


def _tuning(hardware: Hardware, governor: Any, acs: Any) -> Iterator[str]:
    groups = hardware.iommu_groups
    yield f"IOMMU {plain(groups)}" if isinstance(groups, Unknown) else f"IOMMU {'on' if groups else 'off'}"
    yield f"Secure Boot {_on_off(hardware.system.secure_boot)}"
    if isinstance(governor, Setting):
        yield f"governor {plain(governor.effective) if governor.effective else 'none (no scaling)'}"
    if isinstance(acs, Mapping) and acs:
        off = sum(each.effective is True for each in acs.values())
        yield f"ACS redirects nothing on {off} of {len(acs)} bridges above the cards"


def _on_off(value: bool | Unknown) -> str:
    return plain(value) if isinstance(value, Unknown) else "on" if value else "off"


def _env(env: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in env.items())


def _receipt(receipt: Receipt | Unknown | None) -> str:
    if not isinstance(receipt, Receipt):
        return plain(receipt) if receipt else "none: glmprov has not provisioned this host"
    count = f"{len(receipt.cards)} card{'s' if len(receipt.cards) != 1 else ''}"
    who = f"by {receipt.by} from {receipt.controller}, glmprov {receipt.glmprov_version}"
    return f"{receipt.written_at} {who}, {count}"
