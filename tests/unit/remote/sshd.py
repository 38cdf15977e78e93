"""Real SSH servers for tests: on loopback, with accounts of their own, gone when the test ends.

As root, each server runs in a mount namespace where /etc/passwd, /etc/shadow, /etc/group and /etc/sudoers are
ours, so accounts, passwords and sudo are real and the machine's own stay untouched.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from glmprov.inventory import Host

SSHD = "/usr/sbin/sshd"
PASSWORD = "correct horse"
HASHED_PASSWORD = (
    "$6$glmprov$LjzP2MKC.s4YF07/WrBi0GDrvlW3wXPVdS3eW8SFAX3PO6zHLUh/bQnDWeowhKoYXhEa7z3IFSOFKmIHIZjOZ/"
)

ACCOUNTS = {
    "root": (0, "/bin/bash"),
    "ops": (64001, "/bin/bash"),  # sudo without a password
    "opspw": (64002, "/bin/bash"),  # sudo with a password
    "nosudo": (64003, "/bin/bash"),  # may not sudo
    "ttyonly": (64004, "/bin/bash"),  # sudo wants a terminal
    "noisy": (64005, "/bin/bash"),  # a profile that prints
    "noshell": (64006, "/usr/sbin/nologin"),
}

SUDOERS = """\
Defaults env_reset, use_pty, timestamp_timeout=0, secure_path="/usr/sbin:/usr/bin:/sbin:/bin"
Defaults:ttyonly requiretty
root ALL=(ALL:ALL) ALL
ops ALL=(ALL:ALL) NOPASSWD: ALL
noisy ALL=(ALL:ALL) NOPASSWD: ALL
opspw ALL=(ALL:ALL) ALL
ttyonly ALL=(ALL:ALL) NOPASSWD: ALL
"""

NOISE = """\
echo "Welcome to this host"; echo "last login: never" >&2
printf '\\033[31mred\\033[0m\\n{"json": '
i=0; while [ $i -lt 500 ]; do echo "noise noise noise $i"; i=$((i+1)); done
"""


@dataclass
class Sshd:
    """One server with its host key and its login key."""

    folder: Path
    address: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    known_hosts: Path
    options: list[str] = field(default_factory=list)

    @property
    def key(self) -> Path:
        """The private key that every account accepts."""
        return self.folder / "id_ed25519"

    @property
    def host_key(self) -> str:
        """The host's public key as `kind base64`."""
        return " ".join((self.folder / "host_ed25519.pub").read_text().split()[:2])

    @property
    def name(self) -> str:
        """The host's name in known_hosts."""
        return f"[{self.address}]:{self.port}"

    def trust(self) -> None:
        """Write the host key to known_hosts."""
        self.known_hosts.write_text(f"{self.name} {self.host_key}\n")

    def host(self, channel: str = "auto", **variables: object) -> Host:
        """Return the inventory's host for this server."""
        ours = {
            "ansible_host": self.address,
            "ansible_port": self.port,
            "ansible_user": pwd.getpwuid(os.getuid()).pw_name,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": shlex.join(["-F", str(self.folder / "ssh_config")]),
            "glmprov_channel": channel,
        }
        return Host("gpu-1", {**ours, **variables}, "lab.ini")

    def stop(self) -> None:
        """End the server and everything that it started, as a power cut would."""
        for pid in [*_descendants(self.process.pid), self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def _descendants(pid: int) -> list[int]:
    """Return the processes that pid started, and theirs: each connection of sshd is a session of its own."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def start(folder: Path, address: str, *, extra: str = "") -> Sshd:
    """Start a server in folder, which others may enter, and wait until it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("id_ed25519", "host_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    known_hosts = folder / "known_hosts"
    known_hosts.touch()
    (folder / "ssh_config").write_text(
        f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile /dev/null\nIdentitiesOnly yes\nHashKnownHosts no\n"
    )
    shutil.copy(folder / "id_ed25519.pub", folder / "authorized_keys")
    (folder / "authorized_keys").chmod(0o644)
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = probe.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"ListenAddress {address}:{port}\nHostKey {folder}/host_ed25519\nAuthorizedKeysFile {folder}/authorized_keys\n"
        "PidFile none\nUsePAM no\nStrictModes no\nMaxStartups 100\nMaxSessions 100\nPermitRootLogin yes\n"
        f"PasswordAuthentication yes\n{extra}"
    )
    log = folder / "log"
    serve = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
    with log.open("wb") as out:
        process = subprocess.Popen(
            _in_namespace(folder, serve) if os.geteuid() == 0 else serve,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    server = Sshd(folder, address, port, process, log, known_hosts)
    _wait_for(server)
    return server


def _in_namespace(folder: Path, serve: list[str]) -> list[str]:
    """Return the command that runs serve with accounts of its own."""
    etc = folder / "etc"
    etc.mkdir()
    users, shadows, groups = [], [], []
    for name, (uid, shell) in ACCOUNTS.items():
        home = folder / "home" / name
        home.mkdir(parents=True)
        os.chown(home, uid, uid)
        users.append(f"{name}:x:{uid}:{uid}::{home}:{shell}")
        shadows.append(f"{name}:{HASHED_PASSWORD}:19000:0:99999:7:::")
        groups.append(f"{name}:x:{uid}:")
    (folder / "home" / "noisy" / ".bashrc").write_text(NOISE)
    users.append("sshd:x:64010:65534::/run/sshd:/usr/sbin/nologin")
    files = {"passwd": (users, 0o644), "shadow": (shadows, 0o640), "group": (groups, 0o644)}
    for name, (lines, mode) in files.items():
        (etc / name).write_text("\n".join(lines) + "\n")
        (etc / name).chmod(mode)
    (etc / "sudoers").write_text(SUDOERS)
    (etc / "sudoers").chmod(0o440)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    names = [name for name in (*files, "sudoers") if Path("/etc", name).exists()]
    binds = [f"mount --bind {shlex.quote(str(etc / name))} /etc/{name}" for name in names]
    script = " && ".join([*binds, f"exec {shlex.join(serve)}"])
    return ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script]


def _wait_for(server: Sshd, seconds: float = 20) -> None:
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if server.process.poll() is not None:
            break
        try:
            socket.create_connection((server.address, server.port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"sshd didn't start: {server.log.read_text()}")
