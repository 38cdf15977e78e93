"""The suites: which contenders do which work, and what is asked of them."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from glmprov.lab.cgroups import Group
from glmprov.lab.places import cache as lab_cache
from glmprov.probe.round_trip import ARGV, program
from glmprov.probe.wanted import wanted

from . import hosts, peers
from .hosts import GLMPROV, ROOT, Addresses, Nodes
from .measure import Contender, Meter, clean_environment
from .report import Bound, Goal, Of, Reading, Suite

MARK = "glmprov-bench-0123456789"
ADDRESSES = 100
NODES = 10
HUB = "https://hub.glmprov.lab"
AUDIT, UNCACHED = "glmprov audit", "glmprov audit, inventory not cached"
PROVISION, TASKS, MITOGEN, PYINFRA = "glmprov provision", "Ansible tasks", "Ansible tasks, Mitogen", "pyinfra"
PLAIN = "ansible-playbook, same roles"
RAW = "OpenSSH, 32 at a time"
LINT, FIT = "glmprov recipe lint", "glmprov recipe fit --gpus --card"
CARD = "RTX PRO 6000 Blackwell Server Edition"
DOWNTIME, ENGINE, ADDED = "stop to tokens", "the engine's own start", "what deploy adds"
WITH_NVML, WITHOUT_NVML = "with NVML", "without NVML"
DRIFT = (peers.HERE / "drift.sh").read_text()
TIMER = """\
import os, time
program = PROGRAM
for run in range(RUNS + 1):
    read, write = os.pipe()
    null = os.open("/dev/null", os.O_WRONLY)
    begun = time.monotonic()
    ends = [(os.POSIX_SPAWN_DUP2, read, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_CLOSE, write)]
    child = os.posix_spawnp("python3", ARGV, os.environ, file_actions=ends)
    os.close(read); os.write(write, program); os.close(write); os.close(null)
    used = os.wait4(child, 0)[2]
    if run:
        print(time.monotonic() - begun, used.ru_utime + used.ru_stime)
"""
"""Fits into a pipe: the program is smaller than 64 KiB."""


@dataclass
class Stand:
    """Where the suites run: what several of them need is made once, when it is first asked for."""

    home: Path
    group: Group
    rounds: int
    addresses_wanted: int = ADDRESSES
    nodes_wanted: int = NODES
    say: Callable[[str], None] = print
    stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def environment(self) -> dict[str, str]:
        """What glmprov gets: settings, state and caches of its own, but the lab's caches are shared."""
        cache = self.home / "cache/glmprov"
        cache.mkdir(parents=True)
        lab_cache().mkdir(parents=True, exist_ok=True)  # a link to nothing can't be made a folder
        (cache / "lab").symlink_to(lab_cache())
        return clean_environment(
            HOME=str(self.home), XDG_CACHE_HOME=str(self.home / "cache"),
            XDG_STATE_HOME=str(self.home / "state"), PYTHONPATH=str(ROOT),
        )  # fmt: skip

    @cached_property
    def ansible(self) -> dict[str, str]:
        """What tuned Ansible gets."""
        return clean_environment(HOME=str(self.home), **peers.tuned(self.home / "cp"))

    @cached_property
    def programs(self) -> Path:
        """The peers' programs."""
        self.say("the peers' programs")
        return peers.programs()

    @cached_property
    def nodes(self) -> Nodes:
        """Nodes that are provisioned, and what glmprov wrote on them as files for the peers."""
        self.say(f"{self.nodes_wanted} nodes, provisioned")
        up = self.stack.enter_context(hosts.nodes(self.home, self.environment, self.nodes_wanted))
        up.glmprov("provision", "--yes", "--reboot")
        up.glmprov("audit")
        peers.fetch_files(up, self.home / "wanted")
        return up

    @cached_property
    def addresses(self) -> Addresses:
        """Many addresses, behind them the nodes."""
        self.servers.make()
        many = hosts.addresses(self.home / "many", self.nodes, self.servers, self.addresses_wanted)
        return self.stack.enter_context(many)

    def meter(self, *servers: Group) -> Meter:
        """Return the meter for contenders and these hosts."""
        client = Group(f"{self.group.path}/client")
        client.make()
        return Meter(client, servers, self.home / "output", self.say)

    def meter_of_nodes(self) -> Meter:
        """Return the meter for contenders and the shared nodes with all their servers."""
        self.servers.make()
        return self.meter(self.nodes.group, self.servers)

    @property
    def servers(self) -> Group:
        """The control group of the addresses' servers."""
        return Group(f"{self.group.path}/servers")

    def glmprov(self, name: str, *arguments: str, inventory: Path, says: str, **more: object) -> Contender:
        """Return glmprov as a contender."""
        argv = [*GLMPROV, *arguments, "-i", str(inventory)]
        return Contender(name, argv, self.environment, ROOT, says=says, **more)  # type: ignore[arg-type]

    def playbook(
        self, name: str, extra: Mapping[str, str] | None = None, prepare: Callable[[], None] = lambda: None
    ) -> Contender:
        """Return the items as Ansible tasks as a contender."""
        argv = [
            str(self.programs / "ansible-playbook"), "-i", str(self.nodes.inventory),
            "-e", f"wanted={self.home}/wanted/{{{{ inventory_hostname }}}}", str(peers.HERE / "tasks.yml"),
        ]  # fmt: skip
        environment = {**self.ansible, **(extra or {})}
        return Contender(
            name, argv, environment, ROOT, prepare=prepare, says="unreachable=0    failed=0", most_rounds=1
        )


def startup(stand: Stand) -> Suite:
    """What a person waits for before anything happens."""
    commands = {
        "python3 -c pass": [sys.executable, "-c", "pass"],
        "glmprov --help": [*GLMPROV, "--help"],
        "glmprov --version": [*GLMPROV, "--version"],
        LINT: [*GLMPROV, "recipe", "lint", "recipe-3", "--gpus", "4", "--card", CARD],
        FIT: [*GLMPROV, "recipe", "fit", "recipe-3", "--gpus", "4", "--card", CARD],
        "ansible --version": [str(stand.programs / "ansible"), "--version"],
        "pyinfra --version": [str(stand.programs / "pyinfra"), "--version"],
    }
    contenders = [
        Contender(name, argv, stand.environment, ROOT, warm=True) for name, argv in commands.items()
    ]
    return Suite(
        "start-up",
        "The command alone, no host.",
        stand.meter().in_turn(contenders, max(5, stand.rounds)),
        [
            Goal("glmprov --help", "python3 -c pass", 7, of=Of.CLIENT),
            Goal(LINT, "glmprov --help", 3, of=Of.CLIENT),
            Goal(FIT, "glmprov --help", 3, of=Of.CLIENT),
        ],
    )


def audit(stand: Stand) -> Suite:
    """A cold audit of many hosts."""
    many = stand.addresses
    count = len(many.addresses)
    clean = f"{count} hosts: {count} clean"
    forget = lambda: shutil.rmtree(stand.home / "cache/glmprov/inventory", ignore_errors=True)  # noqa: E731
    contenders = [
        _raw(stand, many),
        stand.glmprov(AUDIT, "audit", inventory=many.inventory, says=clean, warm=True),
        stand.glmprov(UNCACHED, "audit", inventory=many.inventory, says=clean, prepare=forget, most_rounds=2),
        Contender(
            "ansible -m setup",
            [str(stand.programs / "ansible"), "all", "-i", str(many.inventory), "-m", "setup"],
            stand.ansible,
            ROOT,
            says="ansible_architecture",
            most_rounds=1,
        ),
    ]
    return Suite(
        f"cold audit of {count} hosts",
        f"{count} new connections, everything read, compared and shown as a table. Behind the {count} addresses are "
        f"{len(stand.nodes.names())} nodes. OpenSSH (`xargs -P32 ssh`, curve25519) sends the same payload and keeps "
        "the answers; Ansible gathers its facts with pipelining, shared connections and 50 forks.",
        stand.meter_of_nodes().in_turn(contenders, stand.rounds),
        [
            Goal(AUDIT, RAW, 1.05),
            Goal(AUDIT, RAW, 0.9, of=Of.CLIENT),
            Goal(AUDIT, "ansible -m setup", 8, faster=True),
        ],
    )


def _raw(stand: Stand, many: Addresses) -> Contender:
    """Return OpenSSH with the payload; each answer goes into a file."""
    payload, answers = stand.home / "program", stand.home / "answers"
    payload.write_bytes(program(MARK, wanted()))
    answers.mkdir(exist_ok=True)
    options = (
        f"-F none -i {many.key} -p {hosts.PORT} -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR "
        f"-o UserKnownHostsFile={many.known_hosts} -o KexAlgorithms=curve25519-sha256"
    )
    remote = shlex.quote(shlex.join(["python3", *ARGV]))
    one = f"ssh {options} root@{{}} {remote} < {payload} > {answers}/{{}}"
    (stand.home / "addresses").write_text("\n".join(many.addresses) + "\n")
    argv = ["xargs", "-a", str(stand.home / "addresses"), "-P32", "-I{}", "sh", "-c", one]
    return Contender(RAW, argv, clean_environment(HOME=str(stand.home)), ROOT, warm=True)


def no_op(stand: Stand) -> Suite:
    """Provisioning where nothing is to be done."""
    up = stand.nodes
    contenders = [
        _unchanged(stand),
        stand.playbook(TASKS),
        stand.playbook(MITOGEN, peers.mitogen(stand.programs)),
        Contender(
            PYINFRA,
            [str(stand.programs / "pyinfra"), "-y", str(_pyinfra_inventory(stand)), str(peers.HERE / "deploy.py"),
             "--data", f"wanted={stand.home}/wanted"],
            clean_environment(HOME=str(stand.home)),
            ROOT,
            most_rounds=1,
        ),
    ]  # fmt: skip
    return Suite(
        f"no-op provision of {len(up.names())} hosts",
        "Forty items, all as they should be: files, packages, holds, units, sysctl, governor, ACS, power limits.",
        stand.meter_of_nodes().in_turn(contenders, stand.rounds),
        [
            Goal(PROVISION, TASKS, 60, faster=True),
            Goal(PROVISION, MITOGEN, 15, faster=True),
            Goal(PROVISION, PYINFRA, 5, faster=True),
        ],
    )


def _unchanged(stand: Stand) -> Contender:
    count = len(stand.nodes.names())
    says = f"{count} hosts: {count} unchanged"
    return stand.glmprov(
        PROVISION, "provision", "--yes", inventory=stand.nodes.inventory, says=says, warm=True
    )


def _pyinfra_inventory(stand: Stand) -> Path:
    """Write the nodes for pyinfra, which becomes root by sudo as the others do."""
    up = stand.nodes
    data = {
        "ssh_user": "ops", "ssh_key": str(up.place.ssh_key), "_sudo": True,
        "ssh_known_hosts_file": str(up.place.known_hosts), "ssh_strict_host_key_checking": "yes",
    }  # fmt: skip
    nodes = [
        (node.name, {**data, "ssh_hostname": node.address, "ssh_port": node.ssh_port})
        for node in up.fleet.nodes
    ]
    (stand.home / "pyinfra_inventory.py").write_text(f"nodes = {nodes!r}\n")
    return stand.home / "pyinfra_inventory.py"


def one_item(stand: Stand) -> Suite:
    """One file edited on one host."""
    up = stand.nodes

    def edit() -> None:
        up.ssh(up.names()[0], "sed -i 's/NCCL_P2P_LEVEL=.*/NCCL_P2P_LEVEL=LOC/' /etc/glmprov/nccl.env")

    return _drifted(stand, "one item drifted on one host", "`nccl.env` was edited on one of them.", edit, 10)


def everything(stand: Stand) -> Suite:
    """Everything but the packages is other than it should be, on all hosts."""
    work = "Files, keys, holds, units, sysctl, governor, ACS, power limits and Docker's settings are wrong."
    return _drifted(
        stand, "everything drifted on all hosts", work, lambda: stand.nodes.everywhere(DRIFT), 1.5
    )


def _drifted(stand: Stand, title: str, work: str, break_it: Callable[[], None], limit: float) -> Suite:
    up = stand.nodes
    contenders = [
        stand.glmprov(
            PROVISION, "provision", "--yes", inventory=up.inventory, says="changed", prepare=break_it
        ),
        stand.playbook(TASKS, prepare=break_it),
    ]
    readings = stand.meter_of_nodes().in_turn(contenders, min(stand.rounds, 2))
    up.glmprov("provision", "--yes")  # Ansible's tasks don't know of the receipt
    up.glmprov("audit")
    return Suite(
        f"{title}, {len(up.names())} hosts",
        f"{work} Looked at again by glmprov, not by the tasks.",
        readings,
        [Goal(PROVISION, TASKS, limit, faster=True)],
    )


def bare(stand: Stand) -> Suite:
    """From the bare operating system."""
    home = stand.home / "bare"
    home.mkdir()
    environment = {**stand.environment, "XDG_STATE_HOME": str(home / "state")}
    with hosts.nodes(home, environment, 2) as up:
        up.glmprov("provision", "--yes", "--reboot")
        up.glmprov("plan", "--export", str(home / "export"))

        def fresh() -> None:
            hosts.bring_up(home, environment, 2)

        inventories = ["-i", str(up.inventory), "-i", "inventory.yml"]
        contenders = [
            Contender(
                PROVISION, [*GLMPROV, "provision", "--yes", "-i", str(up.inventory)], environment, ROOT,
                prepare=fresh, says="2 hosts: 2 changed",
            ),
            Contender(
                PLAIN, [str(stand.programs / "ansible-playbook"), *inventories, "provision.yml"],
                {key: value for key, value in stand.ansible.items() if key != "ANSIBLE_CONFIG"}, home / "export",
                prepare=fresh, says="failed=0",
            ),
        ]  # fmt: skip
        readings = stand.meter(up.group).in_turn(contenders, stand.rounds)
    return Suite(
        "bare to provisioned, 2 hosts",
        "Driver, engine and all else on bare nodes, without the reboot. The peer runs the same roles once, with "
        "everything known beforehand (`plan --export` of the provisioned nodes); glmprov looks, applies what it can "
        "know, looks again, and leaves a receipt.",
        readings,
        [Goal(PROVISION, PLAIN, 1.05)],
    )


def payload(stand: Stand) -> Suite:
    """What a look costs on the host itself."""
    home = stand.home / "payload"
    home.mkdir()
    environment = {**stand.environment, "XDG_STATE_HOME": str(home / "state")}
    look = program(MARK, wanted())
    with hosts.nodes(home, environment, 1) as up:
        readings = {
            "python3 -c pass": _timed_there(up, ["-c", "pass"], b""),
            WITHOUT_NVML: _timed_there(up, ARGV, look),
        }
        up.glmprov("provision", "--yes")
        readings[WITH_NVML] = _timed_there(up, ARGV, look)
    return Suite(
        "payload on the host",
        "The probe's program as root, timed on the host: CPU of Python and all that it starts, the daemons that it "
        f"asks left out. {WITH_NVML}: a provisioned node with four simulated cards. {WITHOUT_NVML}: the node as it was "
        "before.",
        readings,
        bounds=[Bound(WITH_NVML, 40), Bound(WITHOUT_NVML, 25)],
    )


def _timed_there(up: Nodes, argv: Sequence[str], program: bytes, runs: int = 40) -> list[Reading]:
    """Start Python on the first node so many times and return what each start cost there."""
    script = TIMER.replace("ARGV", repr(["python3", *argv])).replace("RUNS", str(runs))
    script = script.replace("PROGRAM", repr(program))
    answer = up.ssh(up.names()[0], f"python3 - <<'END'\n{script}END\n")
    rows = [line.split() for line in answer.decode().splitlines()]
    return [Reading(float(wall), float(cpu)) for wall, cpu in rows]


def deploy(stand: Stand) -> Suite:
    """How long nothing serves while one recipe takes another's place."""
    home = stand.home / "deploy"
    home.mkdir()
    environment = {**stand.environment, "XDG_STATE_HOME": str(home / "state"), "HF_ENDPOINT": HUB}
    readings: dict[str, list[Reading]] = {DOWNTIME: [], ENGINE: [], ADDED: []}
    with hosts.nodes(home, environment, 1) as up:
        up.glmprov("provision", "--yes", "--reboot")
        for recipe in ("recipe-1", "recipe-3"):  # what each needs is there afterwards
            up.glmprov("deploy", recipe, "--yes")
        for _ in range(stand.rounds):
            for recipe in ("recipe-1", "recipe-3"):
                (found,) = json.loads(up.glmprov("deploy", recipe, "--yes", "--json"))["hosts"]
                down, engine = found["downtime_seconds"], found["engine_seconds"]
                for name, seconds in ((DOWNTIME, down), (ENGINE, engine), (ADDED, down - engine)):
                    readings[name].append(Reading(seconds, 0.0))
    return Suite(
        "swap of one recipe for another",
        "recipe-1 and recipe-3 take each other's place on one node; image and weights are there. Counted is from the "
        "order to stop until the new engine has produced tokens. The engine's own start is what its gate waited for: "
        "from the start of its container to the tokens. The engines are the fleet's simulator, which starts in "
        "seconds; a real one takes minutes, and what deploy adds stays.",
        readings,
        bounds=[Bound(ADDED, 2000, Of.WALL)],
    )


SUITES: Mapping[str, Callable[[Stand], Suite]] = {
    "startup": startup,
    "payload": payload,
    "deploy": deploy,
    "bare": bare,
    "audit": audit,
    "no-op": no_op,
    "one-item": one_item,
    "everything": everything,
}
"""In this order: the first ones have nodes of their own, the others share ten."""
