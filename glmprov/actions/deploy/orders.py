"""How to deploy: what a person said on the command line, and what the inventory says of an instance."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import Any

from glmprov.actions.changing.orders import Orders
from glmprov.errors import HookError, UsageError
from glmprov.instance import Wanted
from glmprov.instance.wanted import is_folder
from glmprov.recipe import Change
from glmprov.secret import Secret
from glmprov.settings.instances import Declared

KEY_COMMAND_SECONDS = 60.0
KEY_CHARACTERS = re.compile(r"[A-Za-z0-9._~+/=-]{8,}")
"""What a key may be made of, as the role engine_service has it: it stands in a header, an environment file, YAML."""
MEND = "mend the command; it finds $GLMPROV_HOST and $GLMPROV_INSTANCE, and prints the key"


@dataclass(frozen=True)
class DeployOrders:
    """How to deploy. run is what any run is told: batches, hooks, reason.

    recipe is the recipe's name, None: what the inventory declares. named: the instance was named, so the inventory's
    others are left alone. locked: only what recipe.lock says. hub is where weights come from, None: HF_ENDPOINT, or the
    public one.
    """

    run: Orders = field(default_factory=Orders)
    recipe: str | None = None
    wanted: Wanted = field(default_factory=Wanted)
    named: bool = False
    locked: bool = False
    hub: str | None = None
    command: str = "deploy"
    provision: str = "glmprov provision"

    def provision_command(self, host: str) -> str:
        """Return the command that brings a host to its plan."""
        return f"{self.provision} -l {host}"


def wanted_of(name: str, declared: Declared | None, said: Wanted) -> Wanted:
    """Return what is asked of an instance: the inventory's word, and the command line's above it."""
    settings = (declared or Declared()).settings
    decided = said.weights or said.weights_from or is_folder(said.model)
    of_weights = said if decided else settings
    gpus = settings.gpus if not isinstance(settings.gpus, list) else ",".join(settings.gpus)
    return Wanted(
        name=name,
        gpus=said.gpus or ("" if gpus is None else str(gpus)),
        port=said.port or settings.port,
        listen=said.listen or settings.listen,
        model=said.model or settings.model,
        inventory=Change(
            image=settings.image,
            arguments={each.replace("_", "-"): _argument(value) for each, value in settings.set.items()},
            environment={each: _variable(value) for each, value in settings.environment.items()},
            options={
                each: tuple(value) if isinstance(value, list) else _argument(value)
                for each, value in settings.docker.items()
            },
        ),
        sets=said.sets,
        as_published=said.as_published or settings.as_published,
        accepted=(*said.accepted, *settings.accept),
        venv=said.venv or settings.venv,
        weights=of_weights.weights,
        weights_from=of_weights.weights_from,
        bind=said.bind and settings.bind,
        auth=said.auth or settings.auth,
        start_seconds=said.start_seconds or settings.start_seconds,
        stop_seconds=said.stop_seconds or settings.stop_seconds,
        port_origin="--port" if said.port else "inventory",
    )


def _argument(value: Any) -> str | bool | None:
    return value if value is None or isinstance(value, bool) else str(value)


def _variable(value: Any) -> str | None:
    """Return a variable's text: true and false are 1 and 0, as engines read them."""
    return str(int(value)) if isinstance(value, bool) else None if value is None else str(value)


def key_of(host: str, name: str, declared: Declared | None) -> Secret | None:
    """Return the API key that the inventory holds or whose command prints it. None: the host makes one.

    Raise HookError if the command fails, UsageError if it prints nothing.
    """
    if declared is None or declared.settings.api_key_command is None:
        given = declared.api_key if declared else None
        return None if given is None else _usable(given.reveal(), host, f"glmprov_instances.{name}.api_key")
    command, place = declared.settings.api_key_command, f"glmprov_instances.{name}.api_key_command"
    environment = {**os.environ, "GLMPROV_HOST": host, "GLMPROV_INSTANCE": name}
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            timeout=KEY_COMMAND_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HookError(
            f"did not end within {KEY_COMMAND_SECONDS:g} s", host=host, place=place, next_step=MEND
        ) from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise HookError(
            f"ended with {done.returncode}" + (f": {words[-1]}" if words else ""),
            host=host,
            place=place,
            next_step=MEND,
        )
    key = done.stdout.decode(errors="replace")
    if not key.strip():
        raise UsageError("printed no key", host=host, place=place, next_step=MEND)
    return _usable(key, host, place)


def _usable(text: str, host: str, place: str) -> Secret:
    """Return a key without the line break at its end, which files and vaults like to keep."""
    key = text.strip()
    if not KEY_CHARACTERS.fullmatch(key):
        raise UsageError(
            "an API key has eight characters at least, of letters, digits and ._~+/=-", host=host, place=place
        )
    return Secret(key)
