"""What was deployed on a node, as its users meet it: asked through its API, with its key, from the node itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glmprov_program import Ran, run
from rehearsal import Fleet, Node

HUB = "https://hub.glmprov.lab"
_ASK = """
import json, sys, urllib.error, urllib.request
port, question, key = sys.argv[1:]
def ask(path, body=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + key} if key else {})
    return json.load(urllib.request.urlopen(urllib.request.Request(
        "http://127.0.0.1:%s%s" % (port, path), body and json.dumps(body).encode(), headers), timeout=20))
try:
    model = ask("/v1/models")["data"][0]["id"]
    answer = ask("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": question}]})
    print(json.dumps({"text": answer["choices"][0]["message"]["content"],
                      "tokens": answer["usage"]["completion_tokens"]}))
except urllib.error.HTTPError as error:
    print(json.dumps({"refused": error.code}))
except OSError as error:
    print(json.dumps({"refused": str(error)}))
"""
_IDENTITY = (
    "systemctl show -P InvocationID -P ExecMainPID -P NRestarts {unit}; "
    "docker inspect -f '{{{{.Id}}}}' {container}"
)


@dataclass(frozen=True)
class Service:
    """An instance on a node."""

    node: Node
    name: str = "glm"

    @property
    def unit(self) -> str:
        return f"glmprov-{self.name}.service"

    @property
    def home(self) -> str:
        return f"/etc/glmprov/instances/{self.name}"

    @property
    def key(self) -> str:
        return self.node.ssh(f"cat {self.home}/key")

    @property
    def files(self) -> str:
        """The sums of its unit, its settings and its key."""
        return self.node.ssh(f"sha256sum /etc/systemd/system/{self.unit} {self.home}/*")

    @property
    def receipt(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(
            self.node.ssh(f"cat /var/lib/glmprov/instances/{self.name}/receipt.json")
        )
        return found

    @property
    def identity(self) -> str:
        """What changes when it is started anew: systemd's and Docker's names for this very run of it."""
        return self.node.ssh(_IDENTITY.format(unit=self.unit, container=f"glmprov-{self.name}"))

    def ask(self, question: str, *, key: str | None = None) -> Mapping[str, Any]:
        """Return its answer's text and tokens, or "refused" with why there is none. Without a key: with its own."""
        words = [str(self.receipt["port"]), question, self.key if key is None else key]
        found: Mapping[str, Any] = json.loads(
            self.node.ssh(f"python3 -c {shlex.quote(_ASK)} {shlex.join(words)}")
        )
        return found

    def answers(self) -> None:
        """Fail unless it answers, to who has its key and to nobody else."""
        answer = self.ask("What is 6 times 7? Answer with the number only.")
        assert "42" in answer.get("text", "") and answer["tokens"] > 0, answer
        assert self.ask("What is 6 times 7?", key="another-key") == {"refused": 401}


def deploy(fleet: Fleet, node: str, *arguments: str, **how: Any) -> Ran:
    """Deploy on one node, with weights from the lab's hub."""
    return run(fleet, "deploy", *arguments, "--yes", "--hub", HUB, "-l", node, **how)


def deployed(ran: Ran) -> Mapping[str, Any]:
    """Return what became of the only instance that was deployed, with --json."""
    (found,) = ran.document["hosts"]
    one: Mapping[str, Any] = found
    return one


def as_it_is(node: Node) -> str:
    """Return what a refused deploy must leave as it is: our files, units, images and containers."""
    return node.ssh(
        "find /etc/systemd/system /etc/glmprov /usr/local /var/lib/glmprov -type f ! -name lock.json"
        " -printf '%p %T@ %s\\n' 2>/dev/null | sort; "
        "! which docker >/dev/null || { docker images -q --no-trunc | sort; docker ps -aq --no-trunc; }"
    )


def removed(fleet: Fleet, *names: str) -> None:
    """Take every instance off the fleet's nodes, with images and weights: the next module starts without."""
    for node in fleet.nodes.values():
        instances = node.ssh("ls /etc/glmprov/instances 2>/dev/null || true").split()
        for name in names or instances:
            node.try_ssh(
                f"systemctl disable --now glmprov-{name}; rm -f /etc/systemd/system/glmprov-{name}.service"
            )
            node.try_ssh(f"rm -rf /etc/glmprov/instances/{name} /var/lib/glmprov/instances/{name}")
        node.try_ssh("systemctl daemon-reload; systemctl reset-failed; docker ps -aq | xargs -r docker rm -f")
        node.try_ssh("docker image prune --all --force; docker volume ls -q | xargs -r docker volume rm")
        node.try_ssh("rm -rf /var/lib/glmprov/models")
