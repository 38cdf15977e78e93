#!/usr/bin/python3
"""Stands before runc on a node: leaves out what this machine's own limits don't allow.

A machine that is a container itself often lacks CAP_SYS_RESOURCE. There runc can neither raise a limit nor
give a container all capabilities, and would refuse `--ulimit memlock=-1` and `--privileged`, which real hosts
accept.
"""

import json
import os
import resource
import sys
from itertools import pairwise

CAPABILITIES_IN_ORDER = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
)


def allowed() -> set[str]:
    """Return the capabilities of this process's bounding set."""
    with open("/proc/self/status") as status:  # noqa: PTH123  (must start fast)
        bounds = next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd"))
    return {
        f"CAP_{name}" for number, name in enumerate(CAPABILITIES_IN_ORDER.split()) if bounds >> number & 1
    }


def lower(path: str) -> None:
    """Rewrite an OCI process or bundle description to what is possible here."""
    with open(path) as file:  # noqa: PTH123
        description = json.load(file)
    process = description.get("process", description)
    for limit in process.get("rlimits") or []:
        _, hard = resource.getrlimit(getattr(resource, limit["type"]))
        if hard != resource.RLIM_INFINITY:
            limit["hard"] = min(limit["hard"], hard)
            limit["soft"] = min(limit["soft"], hard)
    possible = allowed()
    for kind, names in (process.get("capabilities") or {}).items():
        process["capabilities"][kind] = [name for name in names if name in possible]
    with open(path, "w") as file:  # noqa: PTH123
        json.dump(description, file)


def main(arguments: list[str]) -> None:
    """Lower what runc was given, then become runc."""
    for option, value in pairwise(arguments):
        if option == "--bundle":
            lower(f"{value}/config.json")
        elif option == "--process" and "exec" in arguments:
            lower(value)
    os.execv("/usr/sbin/runc.real", ["runc", *arguments])  # noqa: S606  (it is meant to be replaced)


if __name__ == "__main__":
    main(sys.argv[1:])
