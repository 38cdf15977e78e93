"""Getting to know a host: its key, as ssh itself would meet it, shown and then written to known_hosts."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glmprov.errors import HostKeyError, UnreachableError
from glmprov.inventory import Host
from glmprov.remote import ConnectOptions, known_hosts
from glmprov.remote.config import SshConfig
from glmprov.remote.resolve import ask, resolve
from glmprov.remote.sharing import control_directory, quiet_environment
from glmprov.remote.ssh_failures import explain

DEEPEST_JUMP = 8
"""Jump hosts in a row. More is a configuration that names itself."""


@dataclass(frozen=True)
class ShownKey:
    """The key that a host, or a jump host on the way to it, showed.

    name is the host's in known_hosts, file where trusting it writes, known what known_hosts holds about it now.
    """

    name: str
    kind: str
    key: str
    file: Path
    hash_name: bool
    known: tuple[known_hosts.Line, ...]

    @property
    def fingerprint(self) -> str:
        """SHA256:…, to be compared with what the host's console or its owner says."""
        return known_hosts.fingerprint(self.key)

    @property
    def trusted(self) -> bool:
        """Whether known_hosts holds this very key."""
        return any(line.key == self.key and not line.marker for line in self.known)

    @property
    def contradicts(self) -> tuple[known_hosts.Line, ...]:
        """The lines by which known_hosts holds another key of this kind."""
        return tuple(
            line for line in self.known if line.kind == self.kind and line.key != self.key and not line.marker
        )


def way(host: Host, options: ConnectOptions) -> tuple[SshConfig, ...]:
    """Return the configurations of the jump hosts, nearest first, and of host: each must be trusted before the next."""
    config = resolve(host, options)
    return (*_jumps(config, host.name, DEEPEST_JUMP), config)


def scan(config: SshConfig, name: str, connect_seconds: float = 10.0) -> ShownKey:
    """Ask for the host's key, through its jump hosts, without logging in. name is for messages.

    Raise UnreachableError if nobody answers, HostKeyError if a jump host isn't trusted.
    """
    with tempfile.TemporaryDirectory(prefix="glmprov-") as folder:
        met = Path(folder) / "known_hosts"
        met.touch()
        options = {
            "StrictHostKeyChecking": "accept-new",  # into an empty file of our own: nothing is trusted by it
            "UserKnownHostsFile": str(met),
            "GlobalKnownHostsFile": os.devnull,
            "HashKnownHosts": "no",
            "UpdateHostKeys": "no",
            "BatchMode": "yes",
            "PreferredAuthentications": "none",
            "ControlMaster": "no",
            "ControlPath": "none",
            "LogLevel": "ERROR",
            "ConnectTimeout": str(max(1, round(connect_seconds))),
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        command = ["ssh", *words, *config.arguments, *config.extra_arguments, "--", config.asked, "true"]
        try:
            answer = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=quiet_environment(),
                start_new_session=True,
                timeout=3 * connect_seconds + 10,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UnreachableError("the host didn't show its key in time", host=name) from error
        lines = known_hosts.parse(met.read_text(), met)
    if not lines:
        raise explain(answer.stderr.decode(errors="replace"), config, name)
    return ShownKey(
        name=config.host_key_name,
        kind=lines[0].kind,
        key=lines[0].key,
        file=config.known_hosts_files[0] if config.known_hosts_files else Path(os.devnull),
        hash_name=config.one("hashknownhosts") == "yes",
        known=known_hosts.look_up(config.known_hosts_files, config.host_key_name),
    )


def remember(shown: ShownKey, *, replace: bool = False) -> bool:
    """Write the key to known_hosts, atomically. Return False if it was there already.

    Raise HostKeyError if known_hosts holds another key for the host and replace is False, or if that other key
    stands where it can't be replaced: in a file of the machine's, in a pattern, or as revoked.
    """
    if any(line.marker == "@revoked" and line.key == shown.key for line in shown.known):
        raise HostKeyError("this key is revoked", host=shown.name, place=shown.known[0].place)
    if shown.trusted and not shown.contradicts:
        return False
    if shown.file == Path(os.devnull):
        raise HostKeyError(
            "ssh is configured to remember no host keys", host=shown.name, place="UserKnownHostsFile"
        )
    if shown.contradicts and not replace:
        place = shown.contradicts[0].place
        raise HostKeyError(
            f"{place} holds another key for {shown.name}",
            place=place,
            next_step="if the host was reinstalled, and this fingerprint is right: add --replace",
        )
    file = shown.file.resolve()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (control_directory() / "known_hosts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = file.read_text(errors="surrogateescape") if file.exists() else ""
        if replace:
            text = known_hosts.without(text, shown.name)
            left = [
                line
                for line in known_hosts.parse(text, file)
                if line.speaks_of(shown.name) and not line.marker
            ]
            elsewhere = [line for line in shown.contradicts if line.file.resolve() != file]
            stubborn = next((line for line in [*left, *elsewhere] if line.kind == shown.kind), None)
            if stubborn:
                raise HostKeyError(
                    "this line holds another key, and isn't ours to change",
                    host=shown.name,
                    place=stubborn.place,
                )
        text += "" if not text or text.endswith("\n") else "\n"
        name = known_hosts.hashed(shown.name) if shown.hash_name else shown.name
        _write(file, f"{text}{name} {shown.kind} {shown.key}\n")
    return True


def _write(file: Path, text: str) -> None:
    """Put text in the place of file in one step, with the mode that it had."""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", errors="surrogateescape"
    ) as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.chmod(mode)
    fresh.replace(file)


def _jumps(config: SshConfig, name: str, depth: int) -> Iterator[SshConfig]:
    """Yield the configurations of config's jump hosts, each reached through those before it."""
    jumps = config.one("proxyjump")
    if jumps == "none":
        return
    if depth == 0:
        raise UnreachableError("its jump hosts lead in a circle", host=name, place="ProxyJump")
    specs = jumps.split(",")
    for at, spec in enumerate(specs):
        user, _, address = spec.removeprefix("ssh://").rpartition("@")
        address, port = _split_port(address)
        arguments = ["-o", f"User={user}"] if user else []
        arguments += ["-o", f"Port={port}"] if port else []
        arguments += ["-o", f"ProxyJump={','.join(specs[:at])}"] if at else []
        jump = ask(name, address, arguments, _config_file(config))
        if not at:
            yield from _jumps(jump, name, depth - 1)
        yield jump


def _split_port(address: str) -> tuple[str, str]:
    """Split host:port and [host]:port; a bare IPv6 address has no port."""
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = address.rpartition(":")
    return (host, port) if host and ":" not in host else (address, "")


def _config_file(config: SshConfig) -> list[str]:
    """Return the -F of the inventory's own arguments: ssh hands it on to its jump hosts too."""
    words = config.extra_arguments
    for at, word in enumerate(words):
        if word == "-F" and at + 1 < len(words):
            return ["-F", words[at + 1]]
        if word.startswith("-F") and len(word) > 2:
            return [word]
    return []
