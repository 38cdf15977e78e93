"""Write the pages and tables of the docs that are made from data: `make docs`."""

from __future__ import annotations

import runpy
from pathlib import Path

from glmprov import catalog, settings
from glmprov.fit.page import page as fit
from glmprov.lint.page import rules_page, verdicts
from glmprov.plan import saved
from glmprov.recipe import document
from glmprov.recipe.library import Library
from glmprov.recipe.page import page as recipes

DOCS = Path(__file__).parent
PAGES = {
    "settings.md": settings.table,
    "cards.md": catalog.table,
    "fit.md": fit,
    "schemas/saved-plan-1.json": saved.json_schema,
    "recipe.schema.json": document.json_schema,
    "recipes.md": lambda: recipes(verdicts(Library().recipes())),
    "rules.md": rules_page,
}

if __name__ == "__main__":
    for name, table in PAGES.items():
        (DOCS / name).write_text(table(), encoding="utf-8")
    runpy.run_path(str(DOCS / "role_tables.py"), run_name="__main__")
