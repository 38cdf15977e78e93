"""The payload's part that asks NVML. Sent behind the cut of nvidia-ml-py and compiled only where a driver is loaded."""


def ask(call, *arguments):
    """Return what an NVML call returns, or its error as a value."""
    try:
        return plain(call(*arguments))
    except Exception as problem:
        return {"error": str(problem), "code": getattr(problem, "value", None)}


def plain(value):
    """Return an NVML value in the types that the answer can hold."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "_fields_"):
        return {field[0]: plain(getattr(value, field[0])) for field in value._fields_}
    if hasattr(value, "__dict__"):
        return plain_dict(vars(value))
    return value


def plain_dict(values):
    """Return a dict with plain values."""
    return {key: plain(values[key]) for key in values}


class Names:
    """NVML's functions as attributes, taken from the program's own names."""

    def __init__(self, space):
        vars(self).update(space)


def gather(send, read, space):
    """Send what NVML says of driver, cards, pairs of cards and processes."""
    nvml = Names(space)
    try:
        nvml.nvmlInit()
    except Exception as problem:
        send("nvml", {"error": str(problem), "code": getattr(problem, "value", None)})
        return
    count = ask(nvml.nvmlDeviceGetCount)
    handles, gpus = {}, []
    for index in range(count if isinstance(count, int) else 0):
        try:
            handles[index] = nvml.nvmlDeviceGetHandleByIndex(index)
        except Exception as problem:
            gpus.append({"Index": index, "error": str(problem), "code": getattr(problem, "value", None)})
            continue
        gpus.append(gpu_values(nvml, index, handles[index]))
    send(
        "nvml",
        {
            "driver": ask(nvml.nvmlSystemGetDriverVersion),
            "library": ask(nvml.nvmlSystemGetNVMLVersion),
            "cuda": ask(nvml.nvmlSystemGetCudaDriverVersion),
            "count": count,
            "gpus": gpus,
            "pairs": pairs(nvml, handles),
        },
    )
    send("processes", processes_of(gpus, read))


def gpu_values(nvml, index, handle):
    """Return one card's values under NVML's own names."""
    return {
        "Index": index,
        "Name": ask(nvml.nvmlDeviceGetName, handle),
        "UUID": ask(nvml.nvmlDeviceGetUUID, handle),
        "Serial": ask(nvml.nvmlDeviceGetSerial, handle),
        "MinorNumber": ask(nvml.nvmlDeviceGetMinorNumber, handle),
        "PciInfo": ask(nvml.nvmlDeviceGetPciInfo_v3, handle),
        "MemoryInfo": ask(nvml.nvmlDeviceGetMemoryInfo, handle),
        "BAR1MemoryInfo": ask(nvml.nvmlDeviceGetBAR1MemoryInfo, handle),
        "PowerManagementLimit": ask(nvml.nvmlDeviceGetPowerManagementLimit, handle),
        "EnforcedPowerLimit": ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle),
        "PowerManagementDefaultLimit": ask(nvml.nvmlDeviceGetPowerManagementDefaultLimit, handle),
        "PowerManagementLimitConstraints": ask(nvml.nvmlDeviceGetPowerManagementLimitConstraints, handle),
        "PowerUsage": ask(nvml.nvmlDeviceGetPowerUsage, handle),
        "PersistenceMode": ask(nvml.nvmlDeviceGetPersistenceMode, handle),
        "CudaComputeCapability": ask(nvml.nvmlDeviceGetCudaComputeCapability, handle),
        "VbiosVersion": ask(nvml.nvmlDeviceGetVbiosVersion, handle),
        "Temperature": ask(nvml.nvmlDeviceGetTemperature, handle, 0),
        "EccMode": ask(nvml.nvmlDeviceGetEccMode, handle),
        "MigMode": ask(nvml.nvmlDeviceGetMigMode, handle),
        "CurrPcieLinkGeneration": ask(nvml.nvmlDeviceGetCurrPcieLinkGeneration, handle),
        "CurrPcieLinkWidth": ask(nvml.nvmlDeviceGetCurrPcieLinkWidth, handle),
        "MaxPcieLinkGeneration": ask(nvml.nvmlDeviceGetMaxPcieLinkGeneration, handle),
        "MaxPcieLinkWidth": ask(nvml.nvmlDeviceGetMaxPcieLinkWidth, handle),
        "ComputeProcesses": ask(nvml.nvmlDeviceGetComputeRunningProcesses_v3, handle),
        "GraphicsProcesses": ask(nvml.nvmlDeviceGetGraphicsRunningProcesses_v3, handle),
    }


def pairs(nvml, handles):
    """Return [index, index, topology level, P2P read status] of each pair of cards."""
    return [
        [
            one,
            other,
            ask(nvml.nvmlDeviceGetTopologyCommonAncestor, handles[one], handles[other]),
            ask(nvml.nvmlDeviceGetP2PStatus, handles[one], handles[other], 0),
        ]
        for one in handles
        for other in handles
        if one < other
    ]


def processes_of(gpus, read):
    """Return name and control group of each process that holds memory of a card, by process id."""
    found = {}
    for gpu in gpus:
        for kind in ("ComputeProcesses", "GraphicsProcesses"):
            held = gpu.get(kind)
            for process in held if isinstance(held, list) else []:
                base = "/proc/%d/" % process["pid"]
                found[process["pid"]] = {
                    "comm": read(base + "comm", 256),
                    "cgroup": read(base + "cgroup", 8192),
                }
    return found
