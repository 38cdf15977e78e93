"""How `ssh` itself would reach a host: what it is told, by inventory and command line, and what `ssh -G` says of it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from glmprov.errors import InventoryError
from glmprov.inventory import Host
from glmprov.remote import ConnectOptions
from glmprov.remote.become import first
from glmprov.secret import reveal

FAST_FIRST = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
)
"""Key exchanges from cheap to dear. OpenSSH 9.2 prefers sntrup761x25519, which costs the client seven times the CPU
of curve25519 (80 ms a host, measured). Anything not named here keeps its place behind; sntrup comes last."""


@dataclass(frozen=True)
class SshConfig:
    """What `ssh -G` says about one host. arguments are the options that were asked with; stated is the whole answer.

    asked is the name given to ssh (ansible_host, else the inventory's name), hostname what it connects to.
    """

    asked: str
    hostname: str
    user: str
    port: int
    host_key_name: str
    identity_files: tuple[Path, ...]
    known_hosts_files: tuple[Path, ...]
    kex_algorithms: tuple[str, ...]
    arguments: tuple[str, ...]
    extra_arguments: tuple[str, ...]
    stated: Mapping[str, tuple[str, ...]]

    def one(self, key: str, default: str = "none") -> str:
        """Return the value of a keyword that ssh -G prints once, in lower case as it prints it."""
        return self.stated.get(key, (default,))[0]

    @property
    def fingerprint(self) -> str:
        """A short name for this way to a host: differs when anything differs that ssh was told."""
        told = repr((self.arguments, self.extra_arguments, sorted(self.stated.items())))
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def parse(text: str, asked: str, arguments: Sequence[str] = (), extra: Sequence[str] = ()) -> SshConfig:
    """Return what `ssh -G` printed as SshConfig."""
    stated: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        stated[key] = (*stated.get(key, ()), value)
    hostname = stated["hostname"][0]
    port = int(stated["port"][0])
    alias = stated.get("hostkeyalias", ("none",))[0]
    tokens = {
        "h": hostname,
        "n": asked,
        "p": str(port),
        "r": stated["user"][0],
        "k": alias if alias != "none" else asked,
    }
    named = hostname.lower() if alias == "none" else alias.lower()
    files = [file for key in ("userknownhostsfile", "globalknownhostsfile") for file in stated.get(key, ())]
    return SshConfig(
        asked=asked,
        hostname=hostname,
        user=stated["user"][0],
        port=port,
        host_key_name=named if port == 22 or alias != "none" else f"[{named}]:{port}",
        identity_files=tuple(expand(file, tokens) for file in stated.get("identityfile", ())),
        known_hosts_files=tuple(expand(f, tokens) for line in files for f in _words(line) if f != "none"),
        kex_algorithms=fast_first(stated.get("kexalgorithms", ("",))[0].split(",")),
        arguments=tuple(arguments),
        extra_arguments=tuple(extra),
        stated=stated,
    )


def login_arguments(host: Host, options: ConnectOptions) -> list[str]:
    """Return the options that Ansible too would give ssh for port, key and user; a host's variables win."""
    variables = host.variables
    arguments: list[str] = []
    port = first(variables, "ansible_port", "ansible_ssh_port")
    if port is not None:
        if not reveal(port).isdigit():
            raise InventoryError(f"{reveal(port)!r} is not a port", host=host.name, place="ansible_port")
        arguments += ["-o", f"Port={reveal(port)}"]
    key = first(variables, "ansible_ssh_private_key_file", "ansible_private_key_file") or options.private_key
    if key is not None:
        path = Path(reveal(key)).expanduser()
        if not path.is_file():
            raise InventoryError("the private key doesn't exist", host=host.name, place=str(path))
        arguments += ["-o", f'IdentityFile="{path}"']
    user = first(variables, "ansible_user", "ansible_ssh_user") or options.user
    if user is not None:
        arguments += ["-o", f'User="{reveal(user)}"']
    return arguments


def own_arguments(host: Host, options: ConnectOptions) -> list[str]:
    """Return what inventory and ansible.cfg have ssh told, as words; how to share a connection is ours to say."""
    words = list(options.ssh_arguments) if host.variables.get("ansible_ssh_args") is None else []
    for name in ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"):
        try:
            words += _shell_words(reveal(host.variables.get(name) or ""))
        except ValueError as error:
            raise InventoryError(f"unbalanced quotes: {error}", host=host.name, place=name) from error
    return _without_sharing(words)


@lru_cache(maxsize=256)  # hosts of a group have them in common
def _shell_words(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


def _without_sharing(words: Sequence[str]) -> list[str]:
    """Drop ControlMaster, ControlPersist and ControlPath, written as -o X=Y, -oX=Y or -o "X Y"."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        option = next(rest, "") if word == "-o" else word[2:] if word.startswith("-o") else ""
        if not option.lower().startswith(("controlmaster", "controlpersist", "controlpath")):
            kept += ["-o", option] if word == "-o" else [word]
    return kept


def fast_first(allowed: Sequence[str]) -> tuple[str, ...]:
    """Reorder the key exchanges that the configuration allows, cheap ones first, sntrup last. Adds none."""
    fast = [name for name in FAST_FIRST if name in allowed]
    rest = [name for name in allowed if name and name not in FAST_FIRST]
    slow = [name for name in rest if name.startswith("sntrup")]
    return (*fast, *(name for name in rest if name not in slow), *slow)


def expand(file: str, tokens: Mapping[str, str]) -> Path:
    """Expand ~, ${NAME} and the percent tokens that ssh -G leaves in file names."""
    known = {"%": "%", "d": str(Path.home()), "u": _login(), "i": str(os.getuid()), **tokens}
    file = re.sub(r"%(.)", lambda match: known.get(match[1], match[0]), file)
    file = re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], match[0]), file)
    return Path(file).expanduser()


@cache
def _login() -> str:
    """Return the name of the user who runs this."""
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _words(line: str) -> list[str]:
    """Split a line of ssh -G into file names; names with spaces come quoted."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
