"""The command that is shown for what waits is the one that was typed, with what may be interrupted beside it."""

from __future__ import annotations

import shlex

import click
import pytest

from glmprov.cli.again import again
from glmprov.cli.group import main


def typed(*words: str) -> str:
    """Return the command that would be shown after these words were typed."""
    command = main.commands[words[0]]
    assert isinstance(command, click.Command)
    options = command.make_context(words[0], list(words[1:])).params
    return again(words[0], options)


@pytest.mark.parametrize(
    "line",
    [
        "provision -i lab.ini",
        "provision plan.json -i 'my lab.ini'",
        "provision -u ops --private-key k -B -K -k --vault-password-file v --ask-vault-pass --channel paramiko",
        "provision -e @more.yml -e 'gpu_driver_branch=595 glmprov_hook_before=./x'",
        """provision -e '{"container_engine_daemon": {"debug": true}}'""",
        "provision --forget-card GPU-1 --before './drain now' --after ./undrain --hook-timeout 9.0 --reason it\\'s",
        "revert -i lab.ini -u ops -e host_tuning_manage=audit --section host_tuning --reason why",
        "revert -i lab.ini --packages",
    ],
)
def test_what_was_typed_is_said_again(line: str) -> None:
    assert set(shlex.split(typed(*shlex.split(line)))) == {"glmprov", *shlex.split(line)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "ansible_become_password=hunter2 gpu_driver_branch=595",
            "gpu_driver_branch=595 ansible_become_password=…",
        ),
        ('{"token": "hunter2", "gpu_power_budget_watts": 900}', '{"gpu_power_budget_watts": 900} token=…'),
        ("{token: hunter2}", "token=…"),
        ("[hunter2", "…"),
    ],
)
def test_a_variable_that_may_be_a_password_is_only_named(given: str, said: str) -> None:
    words = shlex.split(typed("provision", "-e", given))
    assert " ".join(word for word in words[2:] if word != "-e") == said


def test_what_belongs_to_one_run_is_not_said_again() -> None:
    line = (
        "provision --yes --check --diff --reboot --allow docker --serial 1 --until 05:00 -l x --json -v -f 3"
    )
    assert typed(*line.split()) == "glmprov provision"
