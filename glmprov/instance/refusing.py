"""Why a host can't have an instance. Pure: each function tells every reason of its kind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from glmprov.deployed import is_secret
from glmprov.engines.meaning import Engine, engine_of
from glmprov.engines.rendering import KEY
from glmprov.instance.files import environment_text
from glmprov.instance.model import Instance
from glmprov.instance.placing import Placement
from glmprov.instance.side import HostSide
from glmprov.instance.started import key_rendering
from glmprov.instance.wanted import Wanted
from glmprov.receipt import Receipt
from glmprov.recipe import Launch, Recipe
from glmprov.state import Setting, Unknown
from glmprov.topology import Card

RESERVED = frozenset({"gpu-power", "host-tuning", "device-links"})
"""Names of units of ours that are no instances."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def cards_needed(engine: Engine, launch: Launch, recipe: Recipe) -> tuple[int, list[str]]:
    """Return how many cards a launch takes, and why that can't be told."""
    shapes = ("tensor_parallel", "pipeline_parallel", "data_parallel")
    if not engine.arguments:
        return recipe.requires.gpus, []
    faults, count = [], 1
    for shape in shapes:
        try:
            count *= engine.number(launch, shape)
        except ValueError:
            faults.append(f"{engine.name_in(launch, shape)}: {engine.given(launch, shape)!r} is no number")
    return count, faults


def unfit(recipe: Recipe, side: HostSide, placement: Placement) -> Iterator[str]:
    """Yield why the host as it is, or a card that was chosen, doesn't do for the recipe."""
    observation = side.observation
    if not isinstance(observation.receipt, Receipt):
        unread = (
            observation.receipt.reason if isinstance(observation.receipt, Unknown) else "it has no receipt"
        )
        yield f"not provisioned ({unread}): {side.provision}"
    for card in placement.cards:
        yield from _wrong_card(recipe, card)
    minimum, driver = recipe.requires.minimum_driver, observation.state.gpu_driver
    loaded = driver.version.effective if driver and isinstance(driver.version, Setting) else None
    if minimum and isinstance(loaded, str) and _numbers(loaded) < _numbers(minimum):
        yield f"requires.minimum_driver: {minimum} needed, {loaded} is loaded"


def _wrong_card(recipe: Recipe, card: Card) -> Iterator[str]:
    wanted = recipe.requires.cards
    if card.entry is None and not wanted:
        yield f"{card.key}: {card.edition} isn't in the catalog"
    elif wanted and card.edition not in wanted:
        yield f"requires.cards: {', '.join(wanted)} needed, {card.key} is {card.edition}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version))


def badly_named(wanted: Wanted) -> Iterator[str]:
    """Yield what is wrong with the instance's name."""
    if not _NAME.fullmatch(wanted.name):
        yield f"--name: {wanted.name!r} is no name: small letters, digits and - inside, 32 at most"
    if wanted.name in RESERVED:
        yield f"--name: glmprov-{wanted.name}.service is a unit of the host's own"


def port_of(engine: Engine, launch: Launch, side: HostSide, wanted: Wanted) -> tuple[int, list[str]]:
    """Return the host's port that the instance takes, and why it can't have it."""
    try:
        said = wanted.port if wanted.port is not None else _published_port(launch)
        port = said if said is not None else engine.number(launch, "port", engine.default_port)
    except ValueError:
        return 0, [f"port: {engine.given(launch, 'port')!r} is no number"]
    if not 0 < port < 65536:
        return port, [f"port: {port} is none"]
    owner = next((other.name for other in side.others(wanted.name) if other.port == port), None)
    if owner:
        return port, [f"port {port}: instance {owner} has it; give another with --port"]
    listening = side.listening.get(port)
    mine = any(other.name == wanted.name and other.port == port for other in side.taken)
    if listening and not mine:
        return port, [f"port {port}: {listening} listens there; give another with --port"]
    return port, []


def _published_port(launch: Launch) -> int | None:
    """Return the host's side of a published port: "30000:30000", "127.0.0.1:30000:30000"."""
    value = launch.options.get("p", launch.options.get("publish"))
    parts = value.split(":") if isinstance(value, str) else []
    return int(parts[-2]) if len(parts) > 1 else None


def unwritable(instance: Instance) -> Iterator[str]:
    """Yield what can't be written into its files, or comes in a way that everybody on the host could read."""
    engine = engine_of(instance.launch)
    try:
        environment_text(instance)
    except ValueError as error:
        yield str(error)
    for name in filter(is_secret, instance.environment):
        yield f"{name}: its name says that it is secret, and the instance's environment is read by everybody"
    if instance.auth == "key" and key_rendering(instance) is None:
        yield f"auth: its image takes no key as far as we know: name its variable ({KEY}), or say auth: none"
    if (
        instance.auth == "key"
        and engine.api_key_file
        and engine.api_key_file["argument"] in instance.launch.arguments
    ):
        yield f"{engine.api_key_file['argument']}: the key comes to {engine.name} in that file; give no other"
    given_key = engine.name_in(instance.launch, "api_key")
    if given_key is not None:
        yield f"{given_key}: a key in the arguments is seen by everybody on the host; say auth: key, or none"
