"""The supervisor of one node: boots it, boots it again when it asks for that, and is its power switch.

Run as `python -m glmprov.lab.supervisor NODE_DIRECTORY NAMESPACE_PID`. SIGUSR1 asks the node's operating
system for a reboot, SIGUSR2 cuts the power and gives it back; a node that was shut down is switched on by
either. All mounts are in a private mount namespace, so none is left when this process is gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from glmprov.errors import LabError
from glmprov.lab import cgroups, namespaces, network
from glmprov.lab.image import HARDWARE
from glmprov.lab.machine import run
from glmprov.lab.processes import say_ready

REBOOT = signal.SIGUSR1
POWER_CUT = signal.SIGUSR2
BOOTS_FILE = "boots"
"""In a node's directory: one line a boot, seconds since 1970."""
UNPLUGGED_FILE = "unplugged"
"""In a node's directory: while it exists, the node boots with a dead network link."""

OFF_FILE = "off"
"""In a node's directory: it is there while the node is shut down."""

_NSPAWN_REBOOT = 133  # what systemd-nspawn --keep-unit exits with when the node wants to be booted again
_NETWORK = Path("/run/glmlab-network")
_SHORT_BOOT_SECONDS = 2.0
_ENVIRONMENT = {
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    # With more than the network writable, a node's sysctls would be this machine's.
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
    "SYSTEMD_NSPAWN_LOCK": "0",
}


class Supervisor:
    """One node and its power."""

    def __init__(self, directory: Path) -> None:
        record = json.loads((directory / "node.json").read_text())
        self.directory = directory
        self.name: str = record["name"]
        self.number: int = record["number"]
        self.layers: list[str] = record["layers"]
        self.shared: list[str] = record.get("shared", [])
        self.as_shipped: bool = record.get("as_shipped", False)
        self.group = cgroups.Group(record["group"])
        self.nspawn: subprocess.Popen[bytes] | None = None

    def prepare(self, namespace_pid: int) -> None:
        """Enter the fleet's network and mount the node's file system where nobody else sees it."""
        namespaces.enter_network(namespace_pid)
        namespaces.unshare(namespaces.NEW_MOUNTS)
        os.chdir(self.directory)
        run(["mount", "--make-rprivate", "/"])
        cgroups.mount_only_v2()
        # systemd-nspawn wants a tmpfs there, and what it writes is nobody else's business.
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
        _NETWORK.touch()
        lower = [f"lower-{number}" for number in range(len(self.layers))]
        for layer, folder in zip(self.layers, lower, strict=True):
            run(["mount", "-t", "squashfs", "-o", "loop,ro", layer, folder])
        # A node's disk ends with this machine's uptime, so nothing on it need wait to be written.
        volatile = "" if self.as_shipped else ",volatile"
        options = f"lowerdir={':'.join(lower)},upperdir=upper,workdir=work{volatile}"
        run(["mount", "-t", "overlay", "-o", options, "overlay", "root"])

    def watch(self) -> None:
        """Boot again and again. Give up when the node can't even start."""
        signal.signal(REBOOT, lambda *_: self._signal_init(signal.SIGRTMIN + 5))
        signal.signal(POWER_CUT, lambda *_: self._signal_init(signal.SIGKILL))
        short_boots = 0
        while short_boots < 3:
            begun = time.monotonic()
            code = self._boot()
            sys.stderr.write(f"{self.name}: systemd-nspawn ended with {code}\n")
            if code == 0:
                self._wait_for_power()
            elif code != _NSPAWN_REBOOT and time.monotonic() - begun < _SHORT_BOOT_SECONDS:
                short_boots += 1
            else:
                short_boots = 0

    def _boot(self) -> int:
        # A fresh network namespace a boot: net.* sysctls are lost at a reboot, as on a real host.
        # The cable goes first: with the old namespace the kernel removes it too, at a moment of its choosing.
        network.unplug(self.number)
        with suppress(LabError):
            run(["umount", _NETWORK])
        run(["unshare", f"--net={_NETWORK}", "true"])
        network.plug_in(self.number, str(_NETWORK), up=not (self.directory / UNPLUGGED_FILE).exists())
        self.group.make()
        with (self.directory / BOOTS_FILE).open("a") as boots:
            boots.write(f"{time.time():.0f}\n")
        with (self.directory / "console.log").open("ab") as console:
            self.nspawn = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **_ENVIRONMENT},
                preexec_fn=self.group.enter,
            )
            code = self.nspawn.wait()
        self.nspawn = None
        self.group.remove()
        return code

    def _command(self) -> list[str]:
        binds = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd", "hardware": HARDWARE}
        return [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--machine={self.name}",
            "--directory=root",
            "--register=no",
            "--keep-unit",
            f"--network-namespace-path={_NETWORK}",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe",
            # Docker needs them all, and these calls; the clock is this machine's and stays so.
            "--capability=all",
            "--drop-capability=CAP_SYS_TIME",
            "--system-call-filter=add_key keyctl bpf",
            *(f"--bind={self.directory / ours}:{theirs}" for ours, theirs in binds.items()),
            *(f"--bind-ro={folder}" for folder in self.shared),
        ]

    def _signal_init(self, what: int) -> None:
        """Send a signal to the node's systemd, the only child of systemd-nspawn."""
        if self.nspawn is None:
            return
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
        with suppress(OSError):
            for child in children.read_text().split():
                os.kill(int(child), what)

    def _wait_for_power(self) -> None:
        """After a shutdown: wait until somebody switches the node on."""
        switch = {REBOOT, POWER_CUT}
        signal.pthread_sigmask(signal.SIG_BLOCK, switch)
        off = self.directory / OFF_FILE
        off.touch()
        signal.sigwait(switch)
        off.unlink()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, switch)


def main(directory: str, namespace_pid: str) -> None:
    """Supervise until killed, or until the node can't start."""
    supervisor = Supervisor(Path(directory))
    supervisor.prepare(int(namespace_pid))
    say_ready()
    supervisor.watch()


if __name__ == "__main__":
    main(*sys.argv[1:])
