"""Where the inventory is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from glmprov.errors import ExitCode, GlmprovError, InventoryError, UsageError
from glmprov.inventory import locate


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with ./inventories that holds one inventory and what doesn't count."""
    folder = tmp_path / "inventories"
    (folder / "group_vars").mkdir(parents=True)
    for name in ("lab.ini", "README.md", ".hidden", "lab.ini~"):
        (folder / name).write_text("gpu-1\n")
    return tmp_path


def found(here: Path, *names: str, **environ: str) -> list[str]:
    paths = locate(names, here, {"HOME": str(here / "home"), **environ})
    return [str(path.relative_to(here)) if path.is_absolute() else str(path) for path in paths]


def test_a_name_is_looked_for_in_inventories(here: Path) -> None:
    assert found(here, "lab.ini") == ["inventories/lab.ini"]


def test_a_path_comes_first(here: Path) -> None:
    (here / "lab.ini").touch()
    assert found(here, "lab.ini", "inventories/lab.ini") == ["lab.ini", "inventories/lab.ini"]


def test_a_list_of_hosts_stays(here: Path) -> None:
    assert found(here, "gpu-1,gpu-2") == ["gpu-1,gpu-2"]


def test_the_only_one_is_taken(here: Path) -> None:
    assert found(here) == ["inventories/lab.ini"]


def test_the_order_of_places(here: Path) -> None:
    for name in ("a.ini", "b.ini", "c.ini"):
        (here / name).touch()
    (here / "ansible.cfg").write_text("[defaults]\ninventory = ./a.ini, inventories/lab.ini ; both\n")
    assert found(here) == ["a.ini", "inventories/lab.ini"]
    assert found(here, ANSIBLE_INVENTORY="b.ini") == ["b.ini"]
    assert found(here, ANSIBLE_INVENTORY="b.ini", GLMPROV_INVENTORY="c.ini") == ["c.ini"]
    assert found(here, "lab.ini", GLMPROV_INVENTORY="c.ini") == ["inventories/lab.ini"]


def test_ansible_config_elsewhere(here: Path) -> None:
    (here / "etc").mkdir()
    (here / "etc" / "my.cfg").write_text("[defaults]\ninventory = hosts\n")
    (here / "etc" / "hosts").touch()
    assert found(here, ANSIBLE_CONFIG="etc/my.cfg") == ["etc/hosts"]


def test_an_ansible_cfg_that_anyone_may_write_is_ignored(here: Path) -> None:
    (here / "ansible.cfg").write_text("[defaults]\ninventory = nowhere\n")
    here.chmod(0o777)
    assert found(here) == ["inventories/lab.ini"]


@pytest.mark.parametrize(
    "more, message", [(["two.yml"], "lab.ini, two.yml"), (None, "no inventory is named")]
)
def test_the_choices_are_named(here: Path, more: list[str] | None, message: str) -> None:
    for name in more or []:
        (here / "inventories" / name).touch()
    if more is None:
        (here / "inventories" / "lab.ini").unlink()
    with pytest.raises(UsageError, match=message) as caught:
        locate([], here, {"HOME": str(here)})
    assert caught.value.exit_code == ExitCode.USAGE and caught.value.next_step


@pytest.mark.parametrize("names, environ", [(["lob.ini"], {}), ([], {"GLMPROV_INVENTORY": "lob.ini"})])
def test_a_missing_inventory(here: Path, names: list[str], environ: dict[str, str]) -> None:
    with pytest.raises(InventoryError, match=r"lob\.ini") as caught:
        locate(names, here, environ)
    assert "lab.ini" in str(caught.value.next_step)
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_broken_ansible_cfg(here: Path) -> None:
    (here / "ansible.cfg").write_text("inventory = no section\n")
    with pytest.raises(GlmprovError) as caught:
        locate([], here, {"HOME": str(here)})
    assert caught.value.place == str(here / "ansible.cfg")
