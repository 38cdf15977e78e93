"""Rules about images, containers and the driver below them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from glmprov import catalog
from glmprov.engines.version import in_range
from glmprov.lint.finding import Answer, unknown
from glmprov.lint.situation import Situation

ULIMITS = ("memlock", "stack")
"""Those that every operator sets. voipmonitor/rtx6kpro, optimization/docker-images.md."""

RELEASE_IN_TAG = r"/(?:sglang|vllm-openai):v(\d+\.\d+\.\d+(?:\.post\d+)?)\b"
"""Tags of lmsysorg/sglang and vllm/vllm-openai."""


def image_tag_latest(situation: Situation) -> Iterator[Answer]:
    """An image without a tag is `latest` too."""
    name = (situation.launch.image or "").rpartition("/")[2]
    if ":" not in name or name.endswith(":latest"):
        yield Answer(True)


def docker_ulimits_missing(situation: Situation) -> Iterator[Answer]:
    """Each limit is an option of its own."""
    given = situation.launch.options.get("ulimit", ())
    limits = (given,) if isinstance(given, str) else () if isinstance(given, bool) else given
    names = {each.partition("=")[0] for each in limits}
    missing = [name for name in ULIMITS if name not in names]
    if missing:
        yield Answer(True, values={"missing": ", ".join(missing)})


def driver_below_recipe(situation: Situation) -> Iterator[Answer]:
    """A recipe may name the oldest driver that it runs with."""
    floor, driver = situation.recipe.requires.minimum_driver, situation.target.driver
    if floor is None:
        return
    if driver is None:
        yield unknown("no host is named, so the driver isn't known")
    elif in_range(driver, f"<{floor}"):
        yield Answer(True)


def driver_below_card(situation: Situation) -> Iterator[Answer]:
    """Each card edition has a first driver."""
    driver = situation.target.driver
    for name in situation.target.cards if driver is not None else ():
        card = catalog.load().card(name=name)
        if card is not None and in_range(driver or "", f"<{card.minimum_version}"):
            yield Answer(True, values={"card": name, "floor": card.minimum_version})


def max_q_power(situation: Situation) -> Iterator[Answer]:
    """Numbers measured at 400 W say little about cards that are rated 300 W."""
    hardware = next((c.hardware for c in situation.recipe.claims if "400" in c.hardware), None)
    if hardware is not None:
        yield Answer(True, values={"hardware": hardware})


def release_not_in_catalogue(situation: Situation) -> Iterator[Answer]:
    """The nearest release that we know stands in for one that we don't."""
    catalogue, version = situation.catalogue, situation.version
    if catalogue is not None and catalogue.version != version:
        yield Answer(True, values={"nearest": catalogue.version})


def image_is_another_release(situation: Situation) -> Iterator[Answer]:
    """An official image's tag names its release."""
    tagged = re.search(RELEASE_IN_TAG, situation.launch.image or "")
    if tagged is not None and situation.version not in ("", tagged[1]):
        yield Answer(True, values={"tagged": tagged[1]})


def release_unknown(situation: Situation) -> Iterator[Answer]:
    """Where nobody knows the release, neither flags nor variables can be judged."""
    image = situation.launch.image or "the virtual environment"
    if situation.own_launcher:
        what = f"{image} has its own launcher: engine, release and arguments can't be known"
        yield Answer(True, place="engine", values={"what": what})
    elif not situation.version:
        yield Answer(True, values={"what": f"{image}: nobody knows which release of the engine is in it"})
