"""Recipe + what it was resolved to + host + orders → an instance, or every reason why not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from glmprov.engines.meaning import Engine, engine_of
from glmprov.errors import PlanError, UsageError
from glmprov.instance.environment import cache_folder, environment
from glmprov.instance.log import quieted
from glmprov.instance.model import Image, Instance, Locked, Variable, Weights
from glmprov.instance.placing import Placement, place
from glmprov.instance.refusing import badly_named, cards_needed, port_of, unfit, unwritable
from glmprov.instance.side import HostSide
from glmprov.instance.started import started
from glmprov.instance.tuning import Tuning, tuned
from glmprov.instance.wanted import Wanted, given, model_name
from glmprov.observation import Observation
from glmprov.recipe import Launch, Recipe
from glmprov.recipe.launch import Change, changed
from glmprov.state import Unknown

_EVERYWHERE = "0.0.0.0"  # noqa: S104  (compared and said, never listened at here)


def build(
    recipe: Recipe, locked: Locked, side: HostSide, wanted: Wanted, tuning: Tuning | None = None
) -> Instance:
    """Return the instance. Raise PlanError with every reason why the host can't have it, one a line.

    tuning is the recipe's own file for the fused-MoE kernel, if it has one.
    """
    if recipe.kind != "serve":
        raise _not_served(recipe)
    launch, notes = final(recipe, wanted)
    engine = engine_of(launch)
    count, faults = cards_needed(engine, launch, recipe)
    placement = _placed(side, count, wanted)
    port, port_faults = port_of(engine, launch, side, wanted)
    faults = [*unfit(recipe, side, placement), *badly_named(wanted), *faults, *placement.faults, *port_faults]
    image = _image(launch, locked) if wanted.venv is None else None
    if image is None and wanted.venv is None:
        faults.append("no image: the recipe names none; give one with --set image=REFERENCE")
    if faults:
        raise _refused(recipe, side, faults)
    cache = cache_folder(image is not None, wanted.name)
    variables, about = environment(engine, _profile(side.observation), image, launch, cache)
    if image is None:  # a container sees only the cards that it is given
        ours = Variable(",".join(card.key for card in placement.cards), "glmprov")
        variables = {"CUDA_VISIBLE_DEVICES": ours, **variables}
    hardware = side.observation.hardware
    instance = Instance(
        name=wanted.name,
        recipe=recipe.name,
        launch=launch,
        gpus=tuple(card.key for card in placement.cards),
        listen=_listen(engine, launch, wanted),
        port=port,
        served_name=_served_name(engine, launch, model_name(wanted.model or recipe.model)),
        weights=_weights(recipe, locked, side, wanted),
        image=image,
        venv=wanted.venv,
        cpus=placement.cpus(hardware) if wanted.bind else (),
        nodes=placement.nodes(hardware) if wanted.bind else (),
        environment=variables,
        auth=wanted.auth or recipe.auth,
        gate=replace(recipe.gate, start_seconds=wanted.start_seconds or recipe.gate.start_seconds),
        stop_seconds=wanted.stop_seconds or Instance.stop_seconds,
        form="as published" if wanted.as_published else "corrected",
        notes=(*notes, *placement.notes, *about),
    )
    instance = tuned(quieted(_filled(instance)), tuning, hardware)
    faults = list(unwritable(instance))
    if faults:
        raise _refused(recipe, side, faults)
    return replace(instance, notes=(*instance.notes, *reachable(instance)))


def final(recipe: Recipe, wanted: Wanted) -> tuple[Launch, tuple[str, ...]]:
    """Return the launch that is asked for, with what a person should know of how it came about."""
    launch, notes = _as_published(recipe, wanted) if wanted.as_published else (recipe.corrected, ())
    name = engine_of(launch).name_in(launch, "model")
    if wanted.model is not None and name is not None:
        launch = changed(launch, Change(arguments={name: model_name(wanted.model)}), "--model")
    launch = given(launch, wanted.inventory, "inventory")
    launch = given(launch, wanted.sets, "--set")
    if wanted.port is not None:
        name = engine_of(launch).name_in(launch, "port") or engine_of(launch).written("port")
        if name and not any(option in launch.options for option in ("p", "publish")):
            launch = changed(launch, Change(arguments={name: str(wanted.port)}), wanted.port_origin)
    return launch, notes


def _as_published(recipe: Recipe, wanted: Wanted) -> tuple[Launch, tuple[str, ...]]:
    """Return the published launch. One without an image gets that of the corrected form, and is of its version then.

    Whoever names an image or a virtual environment runs the command in that; its version is theirs to say.
    """
    launch, corrected = recipe.published, recipe.corrected
    notes = ("as published: the recipe's corrections are left out",)
    borrowed = launch.image is None and corrected.image is not None and wanted.venv is None
    if not borrowed:
        return launch, notes
    options = Change(options=corrected.options)
    if wanted.inventory.image or wanted.sets.image:
        return changed(launch, options, "correction"), notes
    warning = (
        f"warning: it was published for {launch.engine} {launch.version or 'of an unknown release'} without an image; "
        f"{corrected.image}, the corrected form's, runs it, and that is {corrected.engine} {corrected.version}"
    )
    borrowing = replace(options, image=corrected.image, version=corrected.version)
    return changed(launch, borrowing, "correction"), (*notes, warning)


def reachable(instance: Instance) -> Iterator[str]:
    """Say what is reachable from where, and what its key guards."""
    everywhere = instance.listen in (_EVERYWHERE, "::", "*")
    where = "from every network of the host" if everywhere else f"at {instance.listen} only"
    yield f"port {instance.port} is reachable {where}"
    if instance.auth == "none":
        yield "it asks for no key (auth: none): who reaches the port may use it"
    elif instance.launch.engine == "vllm":
        yield "vLLM's key guards /v1 only: /health, /metrics and others answer without it"


def _placed(side: HostSide, count: int, wanted: Wanted) -> Placement:
    hardware = side.observation.hardware
    if isinstance(hardware.gpus, Unknown):
        return Placement(faults=(f"its cards can't be asked: {hardware.gpus.reason}",))
    taken = {**side.busy}
    taken |= {gpu: f"instance {other.name}" for other in side.others(wanted.name) for gpu in other.gpus}
    return place(hardware, count, taken, wanted.gpus, side.named, wanted.prefer)


def _listen(engine: Engine, launch: Launch, wanted: Wanted) -> str:
    value = wanted.listen or engine.given(launch, "host")
    if value is None and ("p" in launch.options or not engine.arguments):
        return _EVERYWHERE
    return value if isinstance(value, str) else "127.0.0.1"


def _served_name(engine: Engine, launch: Launch, model: str) -> str:
    value = engine.given(launch, "served_name")
    return value.split()[0] if isinstance(value, str) and value else model


def _image(launch: Launch, locked: Locked) -> Image | None:
    if launch.image is None:
        return None
    known = locked.image
    return known if known is not None and known.reference == launch.image else Image(launch.image)


def _weights(recipe: Recipe, locked: Locked, side: HostSide, wanted: Wanted) -> Weights:
    model = model_name(wanted.model or recipe.model)
    known = locked.weights or Weights(
        model, recipe.revision or "", "/".join(filter(None, (side.models, model, recipe.revision)))
    )
    return replace(known, folder=wanted.weights) if wanted.weights else known


def _profile(observation: Observation) -> Mapping[str, str]:
    section = observation.state.nccl_env
    return section.env if section and isinstance(section.env, Mapping) else {}


def _filled(instance: Instance) -> Instance:
    """Fill in what stands in braces in the variables of an image with its own launcher."""
    values = started(instance).environment
    filled = {n: replace(v, value=values.get(n, v.value)) for n, v in instance.environment.items()}
    return replace(instance, environment=filled) if filled != instance.environment else instance


def _not_served(recipe: Recipe) -> UsageError:
    instead = recipe.instead.get("deploy")
    return UsageError(f"{recipe.name} is of kind {recipe.kind}: there is nothing to serve", next_step=instead)


def _refused(recipe: Recipe, side: HostSide, faults: Sequence[str]) -> PlanError:
    return PlanError(
        "\n".join(f"{recipe.name}: {fault}" for fault in dict.fromkeys(faults)), host=side.observation.host
    )
