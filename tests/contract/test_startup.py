"""`glmprov --help` stays light: nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "ansible",
    "ansible_runner",
    "asyncio",
    "docker",
    "jinja2",
    "paramiko",
    "pydantic",
    "rich",
    "ssh2",
    "yaml",
}


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, glmprov.cli as cli; code = cli.run(['--help']); "
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr); sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0
    assert "provision" in ran.stdout and "lab" in ran.stdout
    loaded = {word.strip("'[], \n") for word in ran.stderr.split()}
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    "words",
    [
        ["fit", "recipe-1", "--gpus", "4", "--card", "Server"],
        ["suggest", "--for", "speed", "--gpus", "4"],
        ["lint", "recipe-1", "--gpus", "4", "--card", "Server"],
    ],
    ids=["fit", "suggest", "lint"],
)
def test_what_reaches_no_host_imports_nothing_for_hosts(words: list[str]) -> None:
    program = (
        f"import sys, glmprov.cli as cli; code = cli.run(['recipe', *{words!r}]); "
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr); sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    loaded = {word.strip("'[], \n") for word in ran.stderr.split()}
    assert not loaded & (HEAVY - {"yaml"})


def test_a_locale_without_our_characters_does_not_cost_the_report() -> None:
    program = (
        "import glmprov.cli as cli; "
        "cli.main.command('say')(lambda: print('absent \\u2192 yes')); raise SystemExit(cli.run(['say']))"
    )
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ascii_only)
    assert (ran.returncode, ran.stdout) == (0, "absent ? yes\n")


def test_files_are_utf_8_under_any_locale(tmp_path: Path) -> None:
    (tmp_path / "pasted").write_text(
        "vllm serve zai-org/GLM-4.7-FP8 --served-model-name köln\n", encoding="utf-8"
    )
    latin = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "glmprov", "recipe", "import", str(tmp_path / "pasted")]
    ran = subprocess.run(command, capture_output=True, text=True, env=latin)
    assert ran.returncode == 0, ran.stderr
    assert "köln" in ran.stdout


def test_a_folder_that_is_gone_is_no_fault_of_ours(tmp_path: Path) -> None:
    script = f"mkdir gone && cd gone && rmdir ../gone && exec {sys.executable} -m glmprov recipe list"
    ran = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (
        1,
        "glmprov: the folder that this runs in is gone",
    )


def test_output_that_goes_to_a_full_disk_is_no_fault_of_ours() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "glmprov", "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ran.returncode == 1
    assert ran.stderr == "glmprov: the output can't be written: the disk that it goes to is full\n"
