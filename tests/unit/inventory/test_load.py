"""Inventories as Ansible reads them, from files; the cache; bad input."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from glmprov.errors import ExitCode, InventoryError, NoHostError
from glmprov.inventory import ansible, load
from glmprov.inventory import cache as answers
from glmprov.inventory.request import Request
from glmprov.secret import Secret

CASES = Path(__file__).parents[2] / "cases" / "inventory"
GOOD = sorted((CASES / "good").iterdir())
BROKEN = sorted(path for path in (CASES / "broken").iterdir() if path.suffix != ".error")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and no configuration of the machine's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "glmprov" / "inventory"


def source(case: Path) -> Path:
    return next(case.glob("inventory*"))


def password(case: Path) -> Path | None:
    return case / "password" if (case / "password").exists() else None


def opened(value: Any) -> Any:
    """Show secrets as {"secret": text}, as the cases write them."""
    if isinstance(value, Secret):
        return {"secret": value.reveal()}
    if isinstance(value, dict):
        return {key: opened(item) for key, item in value.items()}
    return [opened(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_hosts_and_variables(case: Path) -> None:
    hosts = load([source(case)], vault_password_file=password(case))
    assert {host.name: opened(dict(host.variables)) for host in hosts} == json.loads(
        (case / "hosts.json").read_text()
    )
    assert [host.name for host in hosts] == sorted(host.name for host in hosts)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_broken_inventories_name_file_and_line(case: Path) -> None:
    line, _, message = Path(f"{case}.error").read_text().strip("\n").partition(": ")
    with pytest.raises(InventoryError) as caught:
        load([case])
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.place == (f"{case}:{line}" if line else str(case))
    assert message in caught.value.message
    assert "Traceback" not in str(caught.value)


def test_one_broken_source_of_two_is_an_error() -> None:
    with pytest.raises(InventoryError):
        load([CASES / "good" / "ini" / "inventory.ini", CASES / "broken" / "no-value.ini"])


def test_broken_group_variables(tmp_path: Path) -> None:
    (tmp_path / "lab.ini").write_text("[gpu]\ngpu-1\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "gpu.yml").write_text("---\na: 1\nb: [\n")
    with pytest.raises(InventoryError) as caught:
        load([tmp_path / "lab.ini"])
    assert str(caught.value.place).startswith(f"{tmp_path}/group_vars/gpu.yml:")


@pytest.mark.parametrize(
    "limit, names",
    [
        ("gpu", ["gpu-1", "gpu-2", "gpu-3", "gpu-4"]),
        ("gpu[1:2]", ["gpu-2", "gpu-3"]),
        ("all:!gpu", ["gpu-9"]),
        ("gpu:&gpu-*2", ["gpu-2"]),
        ("~gpu-[39]", ["gpu-3", "gpu-9"]),
        ("gpu-9,gpu-1", ["gpu-1", "gpu-9"]),
    ],
)
def test_limits_mean_what_they_mean_in_ansible(limit: str, names: list[str]) -> None:
    assert [host.name for host in load([source(CASES / "good" / "ini")], limit=limit)] == names


def test_no_host_matches() -> None:
    with pytest.raises(NoHostError, match="'nowhere'") as caught:
        load([source(CASES / "good" / "ini")], limit="nowhere")
    assert caught.value.exit_code == ExitCode.NO_HOST


def test_a_home_that_cannot_be_written_to_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nobody")
    assert [host.name for host in load([Path("gpu-1,")])] == ["gpu-1"]


def test_a_list_of_hosts() -> None:
    assert [host.name for host in load([Path("gpu-2,gpu-1,")])] == ["gpu-2", "gpu-1"]


def test_extra_variables_win() -> None:
    (host, *_) = load(
        [source(CASES / "good" / "ini")], extra_vars=["gpu_power_limit_watts=350", '{"more": [1]}']
    )
    assert host.variables["gpu_power_limit_watts"] == "350"
    assert host.variables["more"] == [1]


@pytest.mark.parametrize(
    ("said", "place", "words"),
    [
        ("@none.yml", "-e @none.yml", "No such file"),
        ("[broken", "-e", "isn't YAML"),
        ("{a: [hunter2}", "-e", "isn't YAML"),
        ("[a, b]", "-e", "no mapping"),
    ],
)
def test_extra_variables_that_cannot_be_read(said: str, place: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=words) as caught:
        load([source(CASES / "good" / "ini")], extra_vars=[said], cwd=tmp_path)
    assert caught.value.place == place and "hunter2" not in str(caught.value)


def test_what_cannot_be_read_is_not_cached(tmp_path: Path) -> None:
    (tmp_path / "lab.ini").write_text("[gpu]\ngpu-1\n")
    request = Request(sources=(tmp_path / "lab.ini",), cwd=tmp_path, extra_vars=("@gone.yml",))
    assert answers.key(request) is None


def test_a_wrong_vault_password(tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("nope\n")
    for name in ("vault_file", "vault_values"):
        with pytest.raises(InventoryError, match="vault password is wrong") as caught:
            load([source(CASES / "good" / name)], vault_password_file=tmp_path / "wrong")
        assert caught.value.place == str(tmp_path / "wrong")
        with pytest.raises(InventoryError, match="no vault password"):
            load([source(CASES / "good" / name)])


def test_a_vault_password_that_was_typed() -> None:
    case = CASES / "good" / "vault_file"
    (host,) = load([source(case)], vault_password=Secret("opensesame"))
    assert host.variables["ansible_become_password"].reveal() == "s3cret!"


def test_a_vault_password_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="doesn't exist"):
        load([source(CASES / "good" / "vault_file")], vault_password_file=tmp_path / "none")


@pytest.mark.parametrize("name", ["vault_values", "vault_file"])
def test_secrets_show_nowhere(name: str, cache: Path) -> None:
    case = CASES / "good" / name
    hosts = load([source(case)], vault_password_file=password(case))
    shown = repr(hosts) + json.dumps([dict(host.variables) for host in hosts])
    for text in ("hunter two", "tok-123", "s3cret!", "4711"):
        assert text not in shown
    assert not cache.exists()


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "here"
    shutil.copytree(CASES / "good" / "ini", place)
    first = load([source(place)])
    (answer,) = (tmp_path / "cache" / "glmprov" / "inventory").iterdir()
    assert answer.stat().st_mode & 0o777 == 0o600
    with monkeypatch.context() as without_ansible:
        without_ansible.setattr(ansible, "run", None)
        begun = time.monotonic()
        assert load([source(place)]) == first
        assert time.monotonic() - begun < 0.05
    for changed in ("inventory.ini", "group_vars/site.yml", "host_vars/gpu-4.yml"):
        with (place / changed).open("a") as file:
            file.write("\n# changed\n")
        with monkeypatch.context() as without_ansible, pytest.raises(TypeError):
            without_ansible.setattr(ansible, "run", None)
            load([source(place)])
        load([source(place)])
    with monkeypatch.context() as without_ansible, pytest.raises(TypeError):
        without_ansible.setattr(ansible, "run", None)
        load([source(place)], limit="gpu-1")


def test_a_script_is_never_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    for _ in range(2):
        load([source(CASES / "good" / "script")])
    assert len((tmp_path / "runs").read_text().split()) >= 2
    assert not cache.exists()


def test_a_plug_in_is_never_cached(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "made.yml").write_text("plugin: ansible.builtin.constructed\nstrict: false\n")
    (tmp_path / "hosts.ini").write_text("gpu-1\n")
    load([tmp_path / "hosts.ini", tmp_path / "made.yml"])
    assert not cache.exists()


def test_a_template_that_asks_the_world_is_never_cached(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.ini").write_text("gpu-1 ansible_user=\"{{ lookup('env', 'WHO') }}\"\n")
    for who in ("one", "two"):
        monkeypatch.setenv("WHO", who)
        assert load([tmp_path / "hosts.ini"])[0].variables["ansible_user"] == who
    assert not cache.exists()


def test_ansible_cfg_is_part_of_the_cache_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts.ini").write_text("gpu-1\n")
    load([tmp_path / "hosts.ini"])
    (tmp_path / "ansible.cfg").write_text("[defaults]\nhash_behaviour = merge\n")
    monkeypatch.setattr(ansible, "run", None)
    with pytest.raises(TypeError):
        load([tmp_path / "hosts.ini"])
