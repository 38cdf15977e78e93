"""Where the driver comes from, and what an order to take it from somewhere else changes."""

from __future__ import annotations

from glmprov.plan.driver_rollback import kept_version
from glmprov.plan.situation import Situation
from glmprov.state import GpuDriver, Setting


def applied_driver(situation: Situation) -> GpuDriver | None:
    """Return what was applied before; None if no driver came of it: a refused order mustn't stick."""
    applied = situation.applied.gpu_driver
    return applied if applied and isinstance(applied.version, Setting) else None


def source(situation: Situation) -> tuple[str, str]:
    """Return gpu_driver_source, and why it is so."""
    applied, observed = applied_driver(situation), situation.observation.state.gpu_driver
    if kept_version(situation) and observed and observed.previous_origin:
        return observed.previous_origin, "gone back to"
    if situation.settings.gpu_driver.source:
        return situation.settings.gpu_driver.source, "inventory"
    if applied and applied.source:
        return applied.source, "applied before"
    if situation.driver_is_unowned:
        return "existing", f"driver {situation.loaded_version} runs and no package owns it"
    if situation.settings.gpu_driver.repository_url:
        return "nvidia", "the inventory names a repository"
    if observed and observed.origin:
        return observed.origin, "its packages are installed"
    if situation.observation.hardware.system.distribution == "ubuntu":
        return "ubuntu", "its modules are built and signed for each kernel; NVIDIA's are built on the host"
    return "nvidia", "default; there are no prebuilt modules for this distribution"


def origin(situation: Situation, source: str) -> str | None:
    """Return whose packages an installed driver should be made of; None where there is none, or it isn't ours."""
    observed = situation.observation.state.gpu_driver
    return source if source != "existing" and observed and observed.origin else None


def moves(situation: Situation, source: str) -> bool:
    """Say whether the installed driver is to give way to one from another source."""
    observed = situation.observation.state.gpu_driver
    return origin(situation, source) not in (None, observed.origin if observed else None)
