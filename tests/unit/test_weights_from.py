"""Where weights are copied from: what a person writes, and what may be meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from unit.actions.deploy.test_planning import LOCK, deployed, planned

from glmprov.actions.deploy.orders import wanted_of
from glmprov.actions.deploy.sources import FromHere, FromHost, FromHub, InPlace
from glmprov.actions.deploy.weights_ahead import Ahead
from glmprov.actions.deploy.which_source import Sources, offer
from glmprov.actions.deploy.work import Deployment
from glmprov.actions.observe import Fleet
from glmprov.errors import UsageError
from glmprov.instance import Wanted
from glmprov.inventory import Host
from glmprov.results.review import HostReview
from glmprov.settings.instances import declared
from glmprov.settings.weights_from import WeightsFrom, weights_from

PLACES = {
    "/srv/glm": WeightsFrom(folder="/srv/glm"),
    "./glm": WeightsFrom(folder="./glm"),
    "models/glm/": WeightsFrom(folder="models/glm/"),
    "~/glm": WeightsFrom(folder="~/glm"),
    "gpu-1": WeightsFrom("gpu-1", is_sure=False),
    "gpu-1:": WeightsFrom("gpu-1"),
    "gpu-1:/srv/glm/": WeightsFrom("gpu-1", "/srv/glm"),
    "hub": None,
}


@pytest.mark.parametrize(("text", "place"), PLACES.items(), ids=PLACES)
def test_a_place_is_understood(text: str, place: WeightsFrom | None) -> None:
    assert weights_from(text) == place


@pytest.mark.parametrize("text", ["", "gpu-1:srv/glm", "a:b"])
def test_what_is_no_place_is_refused_with_the_ways(text: str) -> None:
    with pytest.raises(ValueError, match="is no place that weights come from: write a folder"):
        weights_from(text)


ONE, OTHER = Host("gpu-1", {"glmprov_model_root": "/data/models"}), Host("gpu-2")
STORED = "/data/models/zai-org--GLM-4.7-FP8/0a1b"


def sources(cwd: Path, *hosts: Host) -> Sources:
    """Of a run that is about one host of two."""
    return Sources(Fleet((OTHER,), whole=lambda: hosts or (ONE, OTHER)), None, cwd)


def test_each_place_leads_to_its_source(tmp_path: Path) -> None:
    (tmp_path / "glm").mkdir()
    known = sources(tmp_path)

    def of(text: str | None, host: Host = OTHER, folder: str = "/x", **more: str) -> object:
        return known.of(host, Wanted(weights_from=text, **more), LOCK, folder)

    here, there = of("./glm"), of("gpu-1")
    assert isinstance(here, FromHere) and here.folder == tmp_path / "glm"
    assert isinstance(there, FromHost) and (there.giver, there.folder) == (ONE, STORED)
    assert str(of("gpu-1:/srv/glm")) == "gpu-1:/srv/glm"
    assert isinstance(of(None), FromHub) and isinstance(of("hub"), FromHub)
    assert isinstance(of(None, weights="/srv/glm"), InPlace)
    # Who is to give what it hasn't got yet fetches it as if nothing were said.
    assert isinstance(of("gpu-1", host=ONE, folder=STORED), FromHub)


@pytest.mark.parametrize(
    ("wanted", "message", "next_step"),
    [
        (Wanted(weights_from="gpu-3"), "no host gpu-3", "did you mean gpu-"),
        (Wanted(weights_from="glm"), "no host glm", "write ./glm for the folder here"),
        (Wanted(weights_from="both"), "a host of the inventory, and a folder here", "write both: for the host, ./both"),
        (Wanted(weights_from="/nothing/here"), "no folder /nothing/here on this machine", "HOST:/folder"),
        (Wanted(weights_from="a:b"), "is no place", None),
        (Wanted(weights_from="gpu-1", weights="/srv"), "--weights /srv is a folder on the host", "leave out"),
        (Wanted(weights_from="gpu-1", model="/srv"), "--model /srv is a folder on the host", "leave out"),
    ],
)  # fmt: skip
def test_what_may_be_meant_otherwise_is_asked_before_anything_is_done(
    tmp_path: Path, wanted: Wanted, message: str, next_step: str | None
) -> None:
    for name in ("glm", "both"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=message) as caught:
        sources(tmp_path, ONE, OTHER, Host("both")).place(wanted)
    assert (next_step or "") in (caught.value.next_step or "")


def test_whoever_says_where_the_weights_are_decides_where_they_come_from() -> None:
    def said(text: str) -> Wanted:
        in_inventory = declared("gpu-1", {"glmprov_instances": {"glm": {"weights_from": text}}})["glm"]
        return wanted_of("glm", in_inventory, Wanted())

    assert said("gpu-2:/srv").weights_from == "gpu-2:/srv"
    in_inventory = declared("gpu-1", {"glmprov_instances": {"glm": {"weights": "/srv"}}})["glm"]
    wanted = wanted_of("glm", in_inventory, Wanted(weights_from="hub"))
    assert (wanted.weights, wanted.weights_from) == (None, "hub")


def test_a_host_of_the_run_that_has_the_weights_is_offered_where_a_hub_is_to_give_them() -> None:
    serves = Deployment(ONE, "glm", HostReview("gpu-1"), planned=planned(deployed(planned())))
    new = Deployment(OTHER, "glm", HostReview("gpu-2"), planned=planned())
    from_hub = Ahead(FromHub("https://hub"), LOCK.model, "/x", files=12, size_bytes=361_000_000_000)
    new.ahead = from_hub
    offer([serves, new])
    folder = "/var/lib/glmprov/models/zai-org--GLM-4.7-FP8/0a1b"
    assert str(new.ahead) == (
        "weights: 12 files, 361 GB, are fetched from https://hub; "
        f"gpu-1:{folder} has them: --weights-from gpu-1:{folder}"
    )
    new.ahead = replace(from_hub, model=replace(LOCK.model, revision="another"))
    offer([serves, new])
    assert "has them" not in str(new.ahead)
    new.ahead = replace(from_hub, files=0)
    offer([serves, new])
    assert str(new.ahead) == "weights: all files are there"
