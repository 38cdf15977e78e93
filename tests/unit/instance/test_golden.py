"""The files that each shipped recipe becomes on a rehearsed host, whole: tests/cases/units.

`python -m unit.instance.test_golden` in tests/ writes them anew; read the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from unit.instance.hosts import TURIN, instance, locked

from glmprov.errors import PlanError
from glmprov.instance import environment_text, gate_text, key_rendering, texts_of, unit_text
from glmprov.probe.wanted import OUR_FILES
from glmprov.recipe.library import Library

CASES = Path(__file__).parents[2] / "cases" / "units"
RECIPES = ("recipe-1", "recipe-2", "recipe-3", "recipe-4")


def files(name: str) -> dict[str, str]:
    """Return the files of a recipe on an 8-card host, by their name here."""
    found = instance(recipe := Library().find(name), TURIN, locked=locked(recipe))
    rendering = key_rendering(found)
    texts = {"service": unit_text(found), "env": environment_text(found), "gate.json": gate_text(found)}
    own = {path.rpartition("/")[2]: text for path, text in texts_of(found).items()}
    texts |= {name: text for name, text in own.items() if name == "logging.json"}
    texts["notes.txt"] = "".join(f"{note}\n" for note in found.notes)
    return texts | ({rendering.path.rpartition("/")[2]: rendering.text} if rendering else {})


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_recipe_becomes_these_files(name: str) -> None:
    for kind, text in files(name).items():
        path = CASES / f"{name}.{kind}"
        assert text == path.read_text(), f"{path.name}: see the top of {Path(__file__).name}"


@pytest.mark.parametrize("name", RECIPES)
def test_each_of_its_files_is_one_that_an_audit_reads(name: str) -> None:
    found = instance(recipe := Library().find(name), TURIN, locked=locked(recipe))
    unread = [path for path in texts_of(found) if not any(PurePath(path).match(each) for each in OUR_FILES)]
    assert unread == []


def test_recipe_4_needs_eight_cards() -> None:
    four = {**TURIN, "cards": TURIN["cards"][:4]}
    with pytest.raises(PlanError, match=r"requires.gpus: 8 needed, the host has 4"):
        instance(Library().find("recipe-4"), four)


if __name__ == "__main__":
    for one in RECIPES:
        for its, content in files(one).items():
            (CASES / f"{one}.{its}").write_text(content)
