"""Which driver version a host goes back to, or stays at because somebody went back to it."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.plan.situation import Situation


def kept_version(situation: Situation) -> str | None:
    """Return the kept version that the host goes back to or stays at; None where the inventory decides.

    Who went back must not be carried forward by the next run: as long as the inventory asks for what was left, the
    older version stays. Another version, branch or source in the inventory ends that, and so does an order to go
    forward.
    """
    settings, driver = situation.settings.gpu_driver, situation.observation.state.gpu_driver
    if driver is None or driver.previous_version is None or settings.rollback is False:
        return None
    if settings.rollback:
        return driver.previous_version
    left = driver.rolled_back_from
    if left is None or settings.version not in (None, left):
        return None
    if settings.source not in (None, driver.rolled_back_from_origin or settings.source):
        return None
    return driver.previous_version if settings.branch in (None, left.partition(".")[0]) else None


def rollback_faults(situation: Situation, source: str) -> Iterator[str]:
    """Yield why the host can't go back."""
    driver = situation.observation.state.gpu_driver
    if not situation.settings.gpu_driver.rollback:
        return
    if source == "existing":
        yield "gpu_driver_rollback: with gpu_driver_source existing the driver is only checked"
    elif driver is None or driver.previous_version is None:
        yield "gpu_driver_rollback: no earlier driver is kept on this host (/var/lib/glmprov/driver)"


def rollback_notes(situation: Situation) -> Iterator[str]:
    """Yield what a person should know of a rollback that holds."""
    driver, kept = situation.observation.state.gpu_driver, kept_version(situation)
    if kept and driver and driver.rolled_back_from:
        left = _named(driver.rolled_back_from, driver.rolled_back_from_origin, driver.previous_origin)
        stays = _named(kept, driver.previous_origin, driver.rolled_back_from_origin)
        yield (
            f"driver {left} was gone back from: {stays} stays until gpu_driver_source, gpu_driver_branch or "
            "gpu_driver_version names something else, or until provision --driver-forward"
        )


def _named(version: str, origin: str | None, other: str | None) -> str:
    """Return a driver in words: with its source, where the two differ in it."""
    return f"{version} of source {origin}" if origin and other and origin != other else version
