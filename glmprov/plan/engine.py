"""What container_engine should be.

An engine that is there is kept: docker-ce and docker.io are never swapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from glmprov.plan.daemon import RUNTIME, daemon
from glmprov.plan.situation import Part, Situation
from glmprov.state import ContainerEngine, Unit

DEFAULT_PACKAGE = "docker.io"
UNPACKAGED = "other"
"""The probe's word for an engine that runs and came some other way than by package."""


def container_engine(situation: Situation) -> Part[ContainerEngine]:
    """Return the engine section. The cgroup driver is cgroupfs, unless their daemon.json names another."""
    settings = situation.settings.container_engine
    package, package_reason, notes = _package(situation)
    file = daemon(situation)
    expected = ContainerEngine(
        package=package,
        service=Unit(True, True),
        toolkit=True,
        daemon=file.keys,
        asked_options=file.options,
        nvidia_runtime=True if isinstance(file.keys.get(RUNTIME), str) else None,
        cgroup_driver=file.cgroup_driver,
        device_links=Unit(True, True),
        toolkit_repository_url=settings.toolkit_repository_url,
        toolkit_repository_key_url=settings.toolkit_repository_key_url,
        toolkit_repository_key_fingerprint=settings.toolkit_repository_key_fingerprint,
    )
    reasons = {
        "container_engine.package": package_reason,
        "container_engine.toolkit": "containers get their cards through it",
        "container_engine.nvidia_runtime": "the daemon was told of it and restarted",
        "container_engine.cgroup_driver": "with systemd a daemon-reload can cut containers off their cards",
        "container_engine.device_links": "makes a daemon-reload harmless under either cgroup driver",
        **file.reasons,
    }
    everything = (*notes, *file.notes, *_beside(situation))
    return Part(expected, reasons, everything, tuple(_in_the_way(situation)))


def _package(situation: Situation) -> tuple[str, str, tuple[str, ...]]:
    wanted = situation.settings.container_engine.package
    present = _present(situation)
    if present:
        note = f"container_engine_package {wanted}: the host has {present}, which is kept"
        return present, "the engine that is there is kept", (note,) if wanted not in (None, present) else ()
    return wanted or DEFAULT_PACKAGE, "inventory" if wanted else "default", ()


def _present(situation: Situation) -> str | None:
    observed = situation.observation.state.container_engine
    return observed.package if observed and isinstance(observed.package, str) else None


def _others(situation: Situation) -> Mapping[str, str]:
    observed = situation.observation.state.container_engine
    return observed.others if observed and isinstance(observed.others, Mapping) else {}


def _in_the_way(situation: Situation) -> Iterator[str]:
    """Yield what keeps a packaged engine from being there, with the way out. Nothing is taken away for it."""
    package, others = _present(situation), _others(situation)
    if package == UNPACKAGED:
        yield "a Docker Engine runs that no package owns: remove it, so that one can be installed"
    if others.get("snap") == "running" or ("snap" in others and package is None):
        yield (
            "Docker is there as a snap, which is shut off from the NVIDIA runtime and holds Docker's socket: "
            "save its volumes (/var/snap/docker/common), then snap remove docker"
        )
    if "podman-docker" in others and package is None:
        yield "podman-docker stands in Docker's place and excludes it: apt-get remove podman-docker"


def _beside(situation: Situation) -> Iterator[str]:
    """Yield what is said of engines that are left alone."""
    package, others = _present(situation), _others(situation)
    if others.get("snap") == "not running" and package:
        yield f"Docker is also there as a snap, which isn't running: {package} is used"
    if "rootless" in others:
        yield (
            f"a rootless Docker of {others['rootless']} is left alone: its containers get cards only with "
            "no-cgroups = true in /etc/nvidia-container-runtime/config.toml, instances run under the system's engine"
        )
    if "podman" in others and package is None and "podman-docker" not in others:
        yield "podman is left alone: instances need Docker, which is installed beside it"
