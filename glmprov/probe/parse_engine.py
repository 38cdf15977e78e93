"""The payload's answer → the section container_engine as it is, and what serves on the cards now."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from glmprov.hardware import GpuProcess
from glmprov.probe.answer import Answer, known
from glmprov.probe.parse_driver import installed_packages, upstream_version
from glmprov.probe.parse_units import unit
from glmprov.probe.wanted import SNAP
from glmprov.state import ContainerEngine, Unknown

ENGINES = ("docker-ce", "docker.io", "moby-engine")
TOOLKIT = "nvidia-container-toolkit"
DAEMON_JSON = "/etc/docker/daemon.json"
SNAP_PID = "/var/snap/docker/current/run/docker.pid"


def container_engine(answer: Answer) -> ContainerEngine:
    """Return the engine's section as observed. What the running daemon says counts more than its files."""
    installed = installed_packages(answer)
    info = docker_info(answer)
    service = unit(answer, "docker.service")
    package = _package(installed, info)
    running = None if package is None else info
    return ContainerEngine(
        package=package,
        engine_version=_from(running, "ServerVersion"),
        others=_others(answer, installed),
        service=service,
        toolkit=installed if isinstance(installed, Unknown) else TOOLKIT in installed,
        toolkit_version=_version_of(installed, TOOLKIT),
        daemon=daemon(answer),
        nvidia_runtime=_has_nvidia(running),
        cgroup_driver=_from(running, "CgroupDriver"),
        device_links=unit(answer, "glmprov-device-links.service"),
    )


def _others(answer: Answer, installed: Mapping[str, tuple[str, bool]] | Unknown) -> dict[str, str] | Unknown:
    """Return the engines that no package of ENGINES brings.

    A snap's daemon answers at Docker's socket too; a rootless one at a socket of its user's.
    """
    if isinstance(installed, Unknown):
        return installed
    found = {}
    folders = answer.part("folders")
    if not isinstance(folders, Unknown) and isinstance(folders.get(SNAP), list):
        found["snap"] = "running" if answer.text(SNAP_PID) is not None else "not running"
    users = [path.split("/")[3] for path in answer.texts("/run/user/") if path.endswith("/docker.pid")]
    homes = [path.split("/")[2] for path in answer.texts("/home/") if path.endswith("/docker.service")]
    if users or homes:
        found["rootless"] = ", ".join(f"user {name}" for name in (*users, *homes))
    return found | {name: installed[name][0] for name in ("podman", "podman-docker") if name in installed}


def docker_info(answer: Answer) -> dict[str, Any] | Unknown:
    """Return what the running daemon says of itself."""
    body = _docker(answer, "/info")
    return body if isinstance(body, dict | Unknown) else Unknown("the Docker daemon's answer makes no sense")


def daemon(answer: Answer) -> dict[str, Any] | Unknown:
    """Return daemon.json by dotted path; empty if there is none."""
    text = answer.text(DAEMON_JSON)
    if not isinstance(text, str):
        return text or {}
    try:
        content = json.loads(text) if text.strip() else {}
    except ValueError as problem:
        return Unknown(f"{DAEMON_JSON} isn't JSON: {problem}")
    return flatten(content) if isinstance(content, dict) else Unknown(f"{DAEMON_JSON} holds no object")


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested object by dotted path. Lists and empty objects are values."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def serving(answer: Answer, processes: tuple[GpuProcess, ...]) -> tuple[str, ...]:
    """Return what computes on the cards now: container, unit or process, each once.

    A driver that doesn't answer can't name them; that its module for CUDA is held open says that there is something.
    """
    if isinstance(answer.part("nvml"), Unknown) and _uvm_is_held(answer):
        return ("something that holds nvidia_uvm, while the driver doesn't answer,",)
    names, computing = _containers(answer), _computing(answer)
    owners = [_owner(answer, process, names) for process in processes if process.pid in computing]
    return tuple(dict.fromkeys(owners))


def _uvm_is_held(answer: Answer) -> bool:
    """Say whether /dev/nvidia-uvm is open, as every CUDA process has it, by the count of the module's users."""
    modules = answer.text("/proc/modules")
    held = re.search(r"^nvidia_uvm \d+ (\d+) ", modules, re.MULTILINE) if isinstance(modules, str) else None
    return held is not None and held[1] != "0"


def containers(answer: Answer) -> tuple[str, ...]:
    """Return the names of the running containers; none where no daemon answers."""
    return tuple(_containers(answer).values())


def _containers(answer: Answer) -> dict[str, str]:
    """Return the names of the running containers by id."""
    listed = _docker(answer, "/containers/json")
    return {
        str(container.get("Id")): str((container.get("Names") or ["?"])[0]).lstrip("/")
        for container in (listed if isinstance(listed, list) else ())
    }


def _owner(answer: Answer, process: GpuProcess, containers: Mapping[str, str]) -> str:
    held = answer.part("processes")
    group = "" if isinstance(held, Unknown) else str(held.get(str(process.pid), {}).get("cgroup"))
    container = re.search(r"(?:docker[-/])([0-9a-f]{64})", group)
    if container:
        return "container " + containers.get(container[1], container[1][:12])
    service = re.search(r"/([^/\s]+\.service)\s*$", group)
    return service[1] if service else f"{process.command} (process {process.pid})"


def _computing(answer: Answer) -> set[int]:
    nvml = answer.part("nvml")
    held = [] if isinstance(nvml, Unknown) else [gpu.get("ComputeProcesses") for gpu in nvml.get("gpus", ())]
    return {process["pid"] for processes in held if isinstance(processes, list) for process in processes}


def _docker(answer: Answer, path: str) -> Any:
    bodies = answer.part("docker")
    if isinstance(bodies, Unknown):
        return bodies
    try:
        return json.loads(str(bodies.get(path, "")))
    except ValueError:
        return Unknown(f"the Docker daemon's answer to {path} isn't JSON")


def _package(
    installed: Mapping[str, Any] | Unknown, info: Mapping[str, Any] | Unknown
) -> str | Unknown | None:
    """Return the engine's package; "other" for one that runs and came some other way."""
    if isinstance(installed, Unknown):
        return installed
    found = next((name for name in ENGINES if name in installed), None)
    return found or (None if isinstance(info, Unknown) else "other")


def _version_of(installed: Mapping[str, tuple[str, bool]] | Unknown, name: str) -> str | Unknown | None:
    if isinstance(installed, Unknown):
        return installed
    return upstream_version(installed[name][0]) if name in installed else None


def _from(info: Mapping[str, Any] | Unknown | None, key: str) -> str | Unknown | None:
    if info is None or isinstance(info, Unknown):
        return info
    return str(info[key]) if key in info else Unknown(f"the Docker daemon doesn't say its {key}")


def _has_nvidia(info: Mapping[str, Any] | Unknown | None) -> bool | Unknown | None:
    if info is None or isinstance(info, Unknown):
        return info
    return "nvidia" in (known(info.get("Runtimes")) or {})
