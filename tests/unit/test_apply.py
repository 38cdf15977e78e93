"""What Ansible says becomes events, results and messages; secrets stay where they are needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from glmprov import apply
from glmprov.apply.events import diff_text, understand
from glmprov.apply.messages import failure_message
from glmprov.apply.stage_inventory import answer, yaml_text
from glmprov.apply.stages import staged
from glmprov.errors import ApplyError
from glmprov.secret import Secret

CASES = sorted((Path(__file__).parents[1] / "cases/roles/failure_messages").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_failure_says_why(path: Path) -> None:
    case = json.loads(path.read_text())
    assert failure_message(case["outcome"]).splitlines() == case["message"]


def test_an_event_is_understood_and_cleared_of_secrets() -> None:
    raw = {
        "event": "runner_on_failed",
        "event_data": {
            "host": "gpu-1",
            "task": "Install the driver",
            "role": "gpu_driver",
            "res": {"msg": "sudo: hunter22 is wrong"},
            "duration": 1.5,
        },
    }
    event = understand(raw, [Secret("hunter22")])
    assert event == apply.Event(
        "gpu-1", "Install the driver", "gpu_driver", apply.Status.FAILED, "sudo: *** is wrong", "", 1.5
    )
    assert understand({"event": "playbook_on_stats"}) is None


def test_a_task_that_starts_is_heard_of() -> None:
    raw = {"event": "runner_on_start", "event_data": {"host": "rig", "task": "Install", "role": "gpu_driver"}}
    assert understand(raw) == apply.Event("rig", "Install", "gpu_driver", apply.Status.STARTED)


def test_a_diff_is_unified() -> None:
    diff = {"before_header": "/etc/a", "before": "x\n", "after_header": "/etc/a", "after": "y\n"}
    assert diff_text([diff, {}]).splitlines() == ["--- /etc/a", "+++ /etc/a", "@@ -1 +1 @@", "-x", "+y"]
    assert diff_text(None) == ""


def test_role_variables_are_data_and_the_inventorys_own_may_be_templates() -> None:
    variables = {
        "gpu-1": {
            "nccl_env_env": {"A": "{{ 7 * 7 }}"},
            "ansible_host": "{{ inventory_hostname }}.lan",
            "ansible_become_password": Secret("hunter22"),
        }
    }
    told = json.loads(answer(variables, {"gpu-1": ["nccl_env"]}))["gpu-1"]
    assert told["templates"] == {"ansible_host": "{{ inventory_hostname }}.lan"}
    assert told["data"] == {
        "nccl_env_env": {"A": "{{ 7 * 7 }}"},
        "ansible_become_password": "hunter22",
        "glmprov_sections": ["nccl_env"],
    }
    assert '!unsafe "{{ 7 * 7 }}"' in yaml_text(variables["gpu-1"])


def test_ansible_is_told_of_hosts_that_failed_as_long_as_others_are_left() -> None:
    told = json.loads(answer({"gpu-1": {}}, {"gpu-1": ["nccl_env"]}, failed={"gpu-2"}))
    assert told["gpu-1"]["data"] == {"glmprov_sections": ["nccl_env"]}
    assert told["gpu-2"]["data"] == {"glmprov_sections": []}
    assert json.loads(answer({}, {}, failed={"gpu-2"})) == {}


def _roles(play: Mapping[str, Any]) -> list[str]:
    return [task["ansible.builtin.import_role"]["name"] for task in play["tasks"]]


def test_each_stage_has_the_roles_of_its_sections_only() -> None:
    plays = yaml.safe_load((apply.ansible_home() / "playbooks/provision.yml").read_text())
    first, between, second = staged(plays, [{"gpu_driver", "nccl_env"}, {"gpu_power"}])
    assert _roles(first) == ["gpu_driver", "nccl_env"] and _roles(second) == ["gpu_power"]
    assert {**first, "tasks": None} == {**second, "tasks": None}
    assert (
        first.items()
        >= {key: plays[0][key] for key in ("hosts", "become", "strategy", "gather_facts")}.items()
    )
    assert [task["when"] for task in second["tasks"]] == [
        "'gpu_power' in glmprov_sections | default(['gpu_power'])"
    ]
    assert between["tasks"] == [{"ansible.builtin.meta": "refresh_inventory"}]
    (back,) = staged(
        yaml.safe_load((apply.ansible_home() / "playbooks/revert.yml").read_text()), [{"nccl_env"}]
    )
    assert _roles(back) == ["revert"]


def _local(**variables: object) -> dict[str, object]:
    return {"ansible_connection": "local", "ansible_become": False, **variables}


def _deaf(_event: apply.Event) -> None:
    """Hear nothing."""


CHECK = apply.Options("provision", check=True, diff=True)


OURS = apply.Options("ours")


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of Ansible's with a playbook of its own, "ours", and yet without its role."""
    (tmp_path / "playbooks").mkdir()
    plays = [{"hosts": "all", "gather_facts": False, "roles": [{"role": "gpu_power", "tags": ["gpu_power"]}]}]
    (tmp_path / "playbooks/ours.yml").write_text(yaml.safe_dump(plays))
    monkeypatch.setattr("glmprov.apply.process.ansible_home", lambda: tmp_path)
    return tmp_path


def _left() -> list[Path]:
    """Return what runs of this process have left."""
    return [*apply.left_behind.base().glob(f"{apply.left_behind.PREFIX}{os.getpid()}-*")]


def test_a_check_run_tells_what_would_change_and_leaves_nothing_behind() -> None:
    events: list[apply.Event] = []
    on_disk: list[str] = []

    def hear(event: apply.Event) -> None:
        events.append(event)
        on_disk.extend(path.read_text(errors="replace") for path in _left()[0].rglob("*") if path.is_file())

    secret = Secret("correct horse battery staple")
    settings = {
        "nccl_env_profile": "latency",
        "nccl_env_env": {"NCCL_P2P_LEVEL": "{{ SYS }}", "A": "off", "B": "010"},
    }
    with apply.Session(CHECK, hear) as ansible:
        variables = {"here": _local(ansible_become_password=secret, **settings)}
        results = ansible.apply(variables, {"here": ["nccl_env"]})
    assert results["here"].error is None
    assert results["here"].changed == ("nccl_env: Write NCCL's environment",)
    (changed,) = [event for event in events if event.status is apply.Status.CHANGED]
    lines = changed.diff.splitlines()
    assert [line for line in lines if "=" in line] == ["+A=off", "+B=010", "+NCCL_P2P_LEVEL={{ SYS }}"]
    assert not Path("/etc/glmprov/nccl.env").exists()
    assert on_disk and not [text for text in on_disk if secret.reveal() in text]
    assert not _left()


def test_the_folder_of_a_run_may_have_a_longer_path_than_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / ("long" * 40)
    base.mkdir()
    monkeypatch.setattr("glmprov.apply.left_behind.base", lambda: base)
    with apply.Session(CHECK, _deaf) as ansible:
        results = ansible.apply({"here": _local(nccl_env_env={"A": "1"})}, {"here": ["nccl_env"]})
    assert results["here"].error is None and results["here"].changed
    assert not _left()


@pytest.mark.parametrize("locale", ["C", "xx_YY.UTF-8"], ids=["C", "one that is not installed"])
def test_the_locale_is_no_reason_for_ansible_not_to_run(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    with apply.Session(CHECK, _deaf) as ansible:
        results = ansible.apply({"here": _local(nccl_env_env={"A": "1"})}, {"here": ["nccl_env"]})
    assert results["here"].error is None and results["here"].changed


def test_an_inventorys_own_template_is_expanded() -> None:
    own = {"nccl_env_env": {}, "ansible_connection": "{{ 'lo' ~ 'cal' }}", "ansible_become": False}
    with apply.Session(CHECK, _deaf) as ansible:
        results = ansible.apply({"here": own}, {"here": ["nccl_env"]})
    assert results["here"].error is None and results["here"].tasks == 1


def test_one_ansible_works_on_stage_after_stage() -> None:
    """A host that failed in the first stage is left out of the second, one that is new to it gets its own values."""
    with apply.Session(CHECK, _deaf) as ansible:
        ansible.prepare([["nccl_env"], ["gpu_power"]])
        first = ansible.apply(
            {
                "good": _local(nccl_env_profile="latency", nccl_env_env={"A": "1"}),
                "bad": _local(nccl_env_env="no variables"),
                "done": _local(nccl_env_env={}),
            },
            {host: ["nccl_env"] for host in ("good", "bad", "done")},
        )
        (folder,) = _left()
        second = ansible.apply(
            {"good": _local(gpu_power_limit_watts={"GPU-1": 900}, gpu_power_budget_watts=500)},
            {"good": ["gpu_power"]},
        )
        assert _left() == [folder]
    assert first["good"].changed and first["bad"].error and first["done"].error is None
    assert set(second) == {"good"}
    error = second["good"].error
    assert error and error.place == "gpu_power: Keep within the budget" and "900" in error.message
    assert not _left()


def test_a_stage_that_nobody_foresaw_has_an_ansible_of_its_own() -> None:
    with apply.Session(CHECK, _deaf) as ansible:
        ansible.prepare([["nccl_env"], ["gpu_power"]])
        ansible.apply({"here": _local(nccl_env_env={"A": "1"})}, {"here": ["nccl_env"]})
        before = _left()
        again = ansible.apply({"here": _local(nccl_env_env={"A": "2"})}, {"here": ["nccl_env"]})
        assert len(_left()) == 1 and _left() != before
    assert again["here"].changed and not _left()


def test_a_foreseen_stage_may_be_left_out_and_so_may_all() -> None:
    with apply.Session(CHECK, _deaf) as ansible:
        ansible.prepare([["nccl_env"], ["gpu_power"]])
        results = ansible.apply({"here": _local(nccl_env_env={})}, {"here": ["nccl_env"]})
        ansible.end()
        assert results["here"].error is None and not _left()
        ansible.prepare([["nccl_env"]])
    assert not _left()


def test_an_interrupt_stops_ansible() -> None:
    with pytest.raises(KeyboardInterrupt), apply.Session(CHECK, _deaf) as ansible:
        ansible.prepare([["nccl_env"]])
        raise KeyboardInterrupt
    assert not _left()


def test_an_ansible_that_died_between_two_stages_is_an_error() -> None:
    with apply.Session(CHECK, _deaf) as ansible:
        ansible.prepare([["nccl_env"], ["gpu_power"]])
        ansible.apply({"here": _local(nccl_env_env={})}, {"here": ["nccl_env"]})
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if f"{_left()[0]}/" in path.read_text() and "ansible-playbook" in path.read_text():
                    os.kill(int(path.parent.name), signal.SIGKILL)
        with pytest.raises(ApplyError, match="ended with"):
            ansible.apply({"here": _local(gpu_power_limit_watts={})}, {"here": ["gpu_power"]})
    assert not _left()


KILLED = """\
import os, signal
from glmprov import apply
session = apply.Session(apply.Options("provision", check=True), print)
session.prepare([["nccl_env"], ["gpu_power"]])
local = {"ansible_connection": "local", "ansible_become": False, "nccl_env_env": {}}
session.apply({"here": local}, {"here": ["nccl_env"]})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_ansible_that_waits_for_a_killed_run_ends_by_itself() -> None:
    killed = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.DEVNULL)
    assert killed.wait(timeout=60) == -signal.SIGKILL
    (folder,) = apply.left_behind.base().glob(f"{apply.left_behind.PREFIX}{killed.pid}-*")
    apply.left_behind.clear(lambda text: None, patience_seconds=60)
    assert not folder.exists()


def test_no_time_goes_into_arguments_that_our_types_have_made() -> None:
    tasks: list[str] = []
    with apply.Session(CHECK, lambda event: tasks.append(event.task)) as ansible:
        ansible.apply({"here": _local(nccl_env_env={})}, {"here": ["nccl_env"]})
    assert tasks and not [task for task in tasks if "arg" in task.lower()]


def test_a_roles_handlers_run_at_the_end_of_its_stage(ours: Path) -> None:
    """So a card that refuses its limit is named."""
    role = {
        "tasks": [{"name": "Set", "ansible.builtin.command": "true", "notify": "Name what refuses"}],
        "handlers": [{"name": "Name what refuses", "ansible.builtin.fail": {"msg": "it refuses"}}],
    }
    for part, content in role.items():
        (ours / "roles/gpu_power" / part).mkdir(parents=True)
        (ours / "roles/gpu_power" / part / "main.yml").write_text(yaml.safe_dump(content))
    with apply.Session(OURS, _deaf) as ansible:
        error = ansible.apply({"here": _local()}, {"here": ["gpu_power"]})["here"].error
    assert error and error.message == "it refuses"


def test_an_unreachable_host_doesnt_stop_the_others() -> None:
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1, "nccl_env_env": {}}
    with apply.Session(CHECK, _deaf) as ansible:
        results = ansible.apply(
            {"here": _local(nccl_env_env={}), "gone": gone}, {"here": ["nccl_env"], "gone": ["nccl_env"]}
        )
    assert results["here"].error is None and results["here"].tasks
    assert results["gone"].unreachable and results["gone"].error
    assert "refused" in results["gone"].error.message


def test_a_role_that_isnt_there_is_an_error_with_ansibles_words(ours: Path) -> None:
    with pytest.raises(ApplyError, match="'gpu_power' was not found"), apply.Session(OURS, _deaf) as ansible:
        ansible.apply({"here": _local()}, {"here": ["gpu_power"]})
    assert not _left()


def test_playbooks_and_roles_are_found() -> None:
    home = apply.ansible_home()
    assert yaml.safe_load((home / "playbooks/provision.yml").read_text())
    assert (home / "roles/gpu_driver/tasks/main.yml").exists()
