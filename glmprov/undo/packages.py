"""Packages and holds that provisioning made. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from glmprov.drift import Difference, Verdict
from glmprov.observation import Observation
from glmprov.receipt import Packages
from glmprov.state import Disruption
from glmprov.undo import files

_DRIVER = re.compile(r"^(lib)?nvidia-(?!container)|^libcuda|^linux-(modules|objects)-nvidia|^firmware-nvidia")
_ENGINE = re.compile(r"^(docker|containerd|runc|moby)|nvidia-container|^tini$")
_DRIVER_ITSELF = re.compile(r"^(libcuda1|libnvidia-(ml|compute)|nvidia-(kernel|dkms)|linux-modules-nvidia)")
_SHOWN = 8


def brought_driver(before: Mapping[str, str | None]) -> bool:
    """Given the packages' versions before us, say whether there was no driver: not a daemon or a pin, but itself."""
    return any(old is None and _DRIVER_ITSELF.search(name) for name, old in before.items())


def differences(observation: Observation, ours: Packages) -> tuple[Difference, ...]:
    """Return a difference for each package that goes or goes back to the version that it had, and for each source."""
    there = {path: digest for path, digest in ours.sources.items() if observation.files.get(path) == digest}
    return (*_packages(observation.host, ours), *files.differences(observation, there))


def _packages(host: str, ours: Packages) -> Iterator[Difference]:
    rest = Disruption.DRIVER if any(map(_DRIVER.search, ours.before)) else Disruption.NONE
    for name, before in ours.before.items():
        yield Difference(
            host,
            f"packages[{name}]",
            before,
            "brought by glmprov" if before is None else "moved by glmprov",
            Verdict.DRIFT,
            Disruption.DOCKER if _ENGINE.search(name) else rest,
            reason="it was absent before" if before is None else "the version from before",
        )


def hold_differences(observation: Observation, ours: Packages) -> Iterator[Difference]:
    """Yield a difference for each hold of ours that is still there."""
    driver = observation.state.gpu_driver
    held = driver.held if driver and isinstance(driver.held, Mapping) else {}
    for name in ours.holds:
        if held.get(name):
            key = f"gpu_driver.held[{name}]"
            yield Difference(observation.host, key, False, True, Verdict.DRIFT, reason="glmprov held it")


def stays(ours: Packages, wanted: bool) -> Iterator[str]:
    """Yield what stays of packages, unless they are to go."""
    if wanted or not ours.before:
        return
    names = list(ours.before)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    what = "packages that provisioning brought or moved, and their sources, stay (--packages takes them back)"
    yield f"{what}: {', '.join(names[:_SHOWN])}{more}"
