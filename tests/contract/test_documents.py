"""What people and programs rely on: the commands that the documents show, and the frame of every JSON answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from glmprov.cli import main
from glmprov.errors import ExitCode, InventoryError
from glmprov.lab.cli import lab
from glmprov.report import json as report

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"(?:^ {4}|`|\$\()glmprov ([^`\n#)]*)", re.MULTILINE)
REPORTS = {"facts": "facts", "plan": "plan", "audit": "audit", "provision": "provision", "trust": "trust",
           "locks": "lock", "history": "history", "revert": "revert"}  # fmt: skip
"""The function that writes a document, and the name in its schema."""


def shown(page: Path) -> list[str]:
    return [words.strip() for words in SHOWN.findall(page.read_text(encoding="utf-8"))]


def follow(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words lead to, and the words that are left."""
    found: click.Command = main
    while isinstance(found, click.Group) and words and re.fullmatch("[a-z]+", words[0]):
        below = (
            lab if (found, words[0]) == (main, "lab") else found.get_command(click.Context(found), words[0])
        )
        assert below is not None, f"{found.name} has no command {words[0]}"
        found, words = below, words[1:]
    return found, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_exists_with_its_options(page: Path) -> None:
    for line in shown(page):
        command, rest = follow(line.replace("|", " ").replace(",", " ").split())
        options = {
            name
            for parameter in (*main.params, *command.params)
            for name in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in rest:
            if re.fullmatch("--[a-z-]+", word):
                assert word in options | {"--version", "--help"}, f"{page.name}: {line}: {word}"


def test_the_first_page_shows_every_verb() -> None:
    verbs = {line.split()[0] for line in shown(ROOT / "README.md") if line}
    said = "facts plan provision audit revert history host lab completion deploy"
    assert set(said.split()) <= verbs


@pytest.mark.parametrize(("writer", "kind"), REPORTS.items())
def test_every_document_names_its_schema_and_exit_code(writer: str, kind: str) -> None:
    document = json.loads(getattr(report, writer)((), ExitCode.DRIFT))
    assert document == {"schema": f"glmprov/{kind}/1", "exit_code": 3, "hosts": []}


def test_a_failure_is_a_document_too() -> None:
    document = json.loads(report.failure(InventoryError("no such file", place="lab.ini")))
    assert (document["schema"], document["exit_code"]) == ("glmprov/error/1", 2)


@pytest.mark.parametrize(
    "command",
    [
        "facts",
        "plan",
        "audit",
        "provision",
        "host trust",
        "history",
        "revert",
        "lock status",
        "lock release",
        "recipe fit recipe-1",
        "recipe suggest --for code",
    ],
)
def test_every_command_that_has_json_answers_an_error_in_it(command: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "glmprov", *command.split(), "--json", "-i", "nowhere.ini"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    document = json.loads(ran.stdout)
    assert document["schema"] == "glmprov/error/1" and document["exit_code"] == ran.returncode == 2
