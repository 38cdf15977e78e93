"""The role that writes an instance: its files, its key, and what is left of another way to give it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from .modules import load

MODULE = load("engine_service_instance")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(MODULE, "HOME", str(tmp_path / "etc"))
    monkeypatch.setattr(MODULE, "STATE_HOME", str(tmp_path / "var"))
    monkeypatch.setattr(MODULE, "GATE", str(tmp_path / "gate"))
    return tmp_path / "etc/glm"


def texts(home: Path, name: str = "key.env", line: str = "VLLM_API_KEY={key}\n") -> dict[str, str]:
    return {str(home / "key"): "{key}\n", str(home / name): line}


def test_what_another_engine_had_is_removed_and_what_somebody_put_there_stays(home: Path) -> None:
    sglang = {"logging.json": "{}\n", "moe/configs/triton/E=160.json": "{}\n", "environment": "A=b\n"}
    asked = {
        "name": "glm",
        "gate": "true\n",
        "texts": {str(home / each): text for each, text in sglang.items()},
    }
    MODULE.written(asked, False)
    MODULE.keys("glm", texts(home), None, False)
    (home / "notes").write_text("theirs")
    asked["texts"] = {str(home / "environment"): "A=c\n"}
    told = MODULE.written(asked, True)
    assert len(told) == 3 and (home / "logging.json").exists()
    assert MODULE.written(asked, False) == told
    left = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    assert left == ["environment", "key", "key.env", "notes"]
    assert MODULE.written(asked, False) == []


def test_a_key_is_made_once_and_kept(home: Path) -> None:
    assert MODULE.keys("glm", texts(home), None, False)
    key = (home / "key").read_text().strip()
    assert len(key) > 40
    assert (home / "key.env").read_text() == f"VLLM_API_KEY={key}\n"
    assert (
        stat.S_IMODE((home / "key").stat().st_mode)
        == stat.S_IMODE((home / "key.env").stat().st_mode)
        == 0o600
    )
    assert MODULE.keys("glm", texts(home), None, False) == []


def test_another_engine_gets_the_same_key_in_its_own_way(home: Path) -> None:
    MODULE.keys("glm", texts(home), None, False)
    key = (home / "key").read_text()
    diffs = MODULE.keys("glm", texts(home, "key.yml", 'api-key: "{key}"\n'), None, False)
    assert (home / "key").read_text() == key
    assert key.strip() in (home / "key.yml").read_text()
    assert not (home / "key.env").exists()
    assert key.strip() not in str(diffs)


def test_a_given_key_replaces_it_and_no_key_removes_it(home: Path) -> None:
    MODULE.keys("glm", texts(home), None, False)
    MODULE.keys("glm", texts(home), "sk-given-key", False)
    assert (home / "key.env").read_text() == "VLLM_API_KEY=sk-given-key\n"
    (home / "environment").write_text("A=b\n")
    MODULE.keys("glm", None, None, False)
    assert [path.name for path in home.iterdir()] == ["environment"]
    with pytest.raises(ValueError, match="eight characters"):
        MODULE.keys("glm", texts(home), 'a"b c$(d)', False)


def test_a_mode_that_others_can_read_is_mended_and_a_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    MODULE.keys("glm", texts(home), "sk-given-key", False)
    (home / "key").chmod(0o644)
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    (home / "key.env").unlink()
    (home / "key.env").symlink_to(victim)
    assert len(MODULE.keys("glm", texts(home), None, False)) == 2
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600
    assert victim.read_text() == "theirs"


def test_check_mode_writes_nothing_and_says_what_would_be(home: Path) -> None:
    assert len(MODULE.keys("glm", texts(home), None, True)) == 2
    assert MODULE.linked("glm", "/models/a", True)
    assert not home.parent.exists() and not home.parent.with_name("var").exists()


def test_the_link_to_the_weights_moves(home: Path) -> None:
    assert MODULE.linked("glm", "/models/a", False)
    assert MODULE.linked("glm", "/models/a", False) == []
    assert MODULE.linked("glm", "/models/b", False)
    assert str((home.parent.with_name("var") / "glm/weights").readlink()) == "/models/b"
    assert MODULE.linked("glm", None, False) == []


def test_what_is_put_back_is_put_back_with_its_key(home: Path) -> None:
    MODULE.keys("glm", texts(home), None, False)
    first = (home / "key").read_text()
    MODULE.keys("glm", texts(home), "sk-another-key", False)
    assert stat.S_IMODE((home / "key.before").stat().st_mode) == 0o600
    MODULE.keys("glm", texts(home), MODULE.former("glm"), False)
    assert (home / "key").read_text() == first
    MODULE.keys("glm", texts(home), None, False)
    assert not (home / "key.before").exists()
    assert MODULE.former("glm") is None
