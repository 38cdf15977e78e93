"""The names of a fleet and its nodes, and the files that lead to them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.errors import LabError
from glmprov.lab import inventory, node, places
from glmprov.lab.fleet import name_nodes
from glmprov.lab.node import Node
from glmprov.lab.places import Place


def test_nodes_have_short_names_and_numbers_where_profiles_repeat() -> None:
    profiles = ("turin-8x-server", "genoa-4x-workstation", "turin-8x-server", "h200-x2")
    assert [one.name for one in name_nodes(profiles)] == ["turin-8x-1", "genoa-4x", "turin-8x-2", "h200-x2"]


@given(
    st.lists(st.sampled_from(["turin-8x-server", "turin-6x", "h200-x2", "workstation-4x-maxq"]), min_size=1)
)
def test_no_two_nodes_share_a_name_or_a_number(profiles: list[str]) -> None:
    nodes = name_nodes(profiles)
    assert len({one.name for one in nodes}) == len({one.number for one in nodes}) == len(profiles)
    assert [one.profile for one in nodes] == profiles


@pytest.mark.parametrize("name", ["", "../lab", "a/b", "-x", "Lab", "x" * 32, "läb"])
def test_a_fleet_name_that_is_no_plain_word_is_refused(name: str) -> None:
    with pytest.raises(LabError):
        places.place(name)


def test_fleets_of_the_same_name_in_two_homes_are_two_fleets() -> None:
    assert Place("lab", Path("/a/lab")).identity != Place("lab", Path("/b/lab")).identity


def test_without_root_nothing_is_looked_for(tmp_path: Path) -> None:
    script = (
        "import os; from glmprov.lab.take_down import down; os.geteuid() or os.setuid(65534); down('lab')"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert "LabError: The rehearsal fleet needs root" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ssh_understands_the_configuration_also_with_spaces_in_paths(tmp_path: Path) -> None:
    place = Place("lab", tmp_path / "with space" / "lab")
    place.directory.mkdir(parents=True)
    here = Node("turin-8x", "turin-8x-server", 1, "127.77.9.11", 2222)
    place.ssh_config.write_text(node.ssh_config(place, [here]))
    resolved = subprocess.run(
        [*here.ssh(place, "root", "-G")], capture_output=True, text=True, check=True
    ).stdout
    wanted = ["hostname 127.77.9.11", "port 2222", "user root", f"userknownhostsfile {place.known_hosts}"]
    assert set(wanted) <= set(resolved.splitlines())


def test_an_inventory_is_removed_only_by_the_fleet_that_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "fingerprint").write_text("0123\n")
    mine, other = Place("lab", tmp_path / "a"), Place("lab", tmp_path / "b")
    file = tmp_path / "lab.ini"
    inventory.write(file, mine, [Node("turin-8x", "turin-8x-server", 1, "127.77.9.11")], tmp_path)
    inventory.remove(file, other)
    assert file.exists()
    inventory.remove(file, mine)
    assert not file.exists()
    inventory.remove(file, mine)
