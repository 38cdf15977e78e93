"""The reference pages are made from data: `make docs` writes them again."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from glmprov import catalog, settings
from glmprov.state import SECTIONS, role_options

DOCS = Path(__file__).parents[2] / "docs"
PAGES = runpy.run_path(str(DOCS / "generate.py"))["PAGES"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_its_data_makes(page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == PAGES[page]()


def test_every_setting_is_an_option_of_its_role() -> None:
    options = {f"{section}_{option}" for section in SECTIONS for option in role_options(section)}
    modes = {f"{section}_manage" for section in SECTIONS}
    assert set(settings.VARIABLES) - modes <= options
    assert set(settings.VARIABLES) | settings.PLANNED == options | modes


def test_every_fact_of_the_catalog_cites_a_source() -> None:
    known = catalog.load()
    for card in known.cards:
        assert {"device_id", "target_watts", "minimum_version"} <= set(card.sources)
        assert card.minimum_version.startswith(str(card.minimum_branch))
    assert all(branch.source for branch in known.branches)
    assert all(distribution.source in known.sources for distribution in known.distributions)
    assert known.branch(known.default_branch)
