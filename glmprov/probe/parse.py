"""The payload's answer → an Observation. Pure: the same answer always gives the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from glmprov import receipt as receipts
from glmprov.deployed import ObservedInstance
from glmprov.hardware import Gpu, Hardware
from glmprov.observation import Observation
from glmprov.probe import parse_hardware, parse_nvml
from glmprov.probe.answer import Answer
from glmprov.probe.parse_driver import gpu_driver
from glmprov.probe.parse_engine import container_engine, containers, serving
from glmprov.probe.parse_instances import instances, units_of
from glmprov.probe.parse_machines import virtual_machines
from glmprov.probe.parse_power import gpu_power, nccl_env
from glmprov.probe.parse_tuning import host_tuning
from glmprov.probe.wanted import GATE_PROGRAM, INSTANCES, REHEARSAL
from glmprov.receipt import PACKAGES_PATH, RECEIPT_PATH, Packages, Receipt
from glmprov.state import GpuDriver, HostState, Unknown


def observation(host: str, parts: Mapping[str, Any]) -> Observation:
    """Given a host's name and the payload's answer, return what is true on the host."""
    answer = Answer(parts)
    gpus = parse_nvml.gpus(answer)
    driver = gpu_driver(answer, gpus)
    processes = parse_nvml.processes(answer)
    deployed = instances(answer)
    return Observation(
        host=host,
        observed_at=datetime.fromtimestamp(int(parts.get("time", 0)), UTC).isoformat(timespec="seconds"),
        hardware=_hardware(answer, _explained(gpus, driver)),
        state=HostState(
            gpu_driver=driver,
            container_engine=container_engine(answer),
            gpu_power=gpu_power(answer, gpus, driver.version is not None),
            host_tuning=host_tuning(answer),
            nccl_env=nccl_env(answer),
        ),
        receipt=_receipt(answer),
        files=_files(answer, deployed),
        packages=_packages(answer),
        serving=serving(answer, processes),
        containers=containers(answer),
        instances=deployed,
        hung=answer.hung(),
        remarks=tuple(_remarks(answer)),
        locked=_locked(answer),
    )


def _hardware(answer: Answer, gpus: tuple[Gpu, ...] | Unknown) -> Hardware:
    xids = parse_nvml.xids(answer)
    return Hardware(
        system=parse_hardware.system(answer),
        cpu=parse_hardware.cpu(answer),
        numa_nodes=parse_hardware.numa_nodes(answer),
        cards=parse_hardware.cards(answer),
        gpus=gpus,
        links=parse_nvml.links(answer),
        p2p=parse_nvml.p2p(answer),
        processes=parse_nvml.processes(answer),
        xids={} if isinstance(xids, Unknown) else xids,
        iommu_groups=parse_hardware.iommu_groups(answer),
        virtual_machines=virtual_machines(answer),
    )


def _explained(gpus: tuple[Gpu, ...] | Unknown, driver: GpuDriver) -> tuple[Gpu, ...] | Unknown:
    if isinstance(gpus, Unknown) and driver.version is None:
        return Unknown("no NVIDIA driver is installed")
    return gpus


def _receipt(answer: Answer) -> Receipt | Unknown | None:
    text = answer.text(RECEIPT_PATH)
    if not isinstance(text, str):
        return text
    try:
        return receipts.from_json(text)
    except ValueError as problem:
        return Unknown(f"{RECEIPT_PATH} can't be read: {str(problem).splitlines()[0]}")


def _packages(answer: Answer) -> Packages | Unknown:
    text = answer.text(PACKAGES_PATH)
    if not isinstance(text, str):
        return text or Packages()
    try:
        return receipts.packages_from_json(text)
    except ValueError as problem:
        return Unknown(f"{PACKAGES_PATH} can't be read: {str(problem).splitlines()[0]}")


def _files(answer: Answer, deployed: Mapping[str, ObservedInstance]) -> dict[str, str | None]:
    """Return the sums of the host's own files: those of instances are in the instances."""
    sums = answer.part("sums")
    if isinstance(sums, Unknown):
        return {}
    theirs = units_of(deployed)
    return {
        p: s for p, s in sums.items() if p not in theirs and not p.startswith((f"{INSTANCES}/", GATE_PROGRAM))
    }


def _locked(answer: Answer) -> bool:
    return isinstance(answer.text("/var/lib/glmprov/lock.json"), str)


def _remarks(answer: Answer) -> list[str]:
    """Return what a person should know and no section tells."""
    remarks = [f"lost: {line}" for line in parse_nvml.lost(answer)]
    folders = answer.part("folders")
    if not isinstance(folders, Unknown) and isinstance(folders.get(REHEARSAL), list):
        remarks.append("a node of the rehearsal fleet: its GPUs, sockets and kernel modules are simulated")
    if answer.parts.get("uid") != 0:
        remarks.append("read without root: some of it stays unknown")
    if isinstance(answer.text("/var/run/reboot-required"), str):
        remarks.append("the distribution wants a reboot (/var/run/reboot-required)")
    modules = answer.text("/proc/modules")
    if isinstance(modules, str) and any(line.startswith("nouveau ") for line in modules.split("\n")):
        remarks.append("nouveau is loaded: the NVIDIA driver can't take the cards until it is gone")
    xids = parse_nvml.xids(answer)
    if isinstance(xids, Unknown):
        remarks.append(f"Xid errors unknown: {xids.reason}")
    if _locked(answer):
        remarks.append("the host is locked (glmprov lock status)")
    return remarks
