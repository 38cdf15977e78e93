"""What Ansible says becomes events, results and messages; secrets stay where they are needed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from glmprov import apply
from glmprov.apply.events import diff_text, understand
from glmprov.apply.inventory_file import write_inventory
from glmprov.apply.messages import failure_message
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


def test_role_variables_are_data_and_no_templates(tmp_path: Path) -> None:
    path = tmp_path / "inventory/hosts.yml"
    variables = {
        "gpu-1": {"nccl_env_env": {"A": "{{ 7 * 7 }}"}, "ansible_host": "{{ inventory_hostname }}.lan"}
    }
    write_inventory(path, variables, {"gpu-1": ["nccl_env"]})
    text = path.read_text()
    assert '!unsafe "{{ 7 * 7 }}"' in text
    assert "ansible_host: '{{ inventory_hostname }}.lan'" in text
    assert path.stat().st_mode & 0o777 == 0o600


def _local(**variables: object) -> dict[str, object]:
    return {"ansible_connection": "local", "ansible_become": False, **variables}


def test_a_check_run_tells_what_would_change_and_leaves_nothing_behind() -> None:
    events: list[apply.Event] = []
    secret = Secret("correct horse battery staple")
    settings = {
        "nccl_env_profile": "latency",
        "nccl_env_env": {"NCCL_P2P_LEVEL": "{{ SYS }}", "A": "off", "B": "010"},
    }
    results = apply.run(
        "provision",
        {"here": _local(ansible_become_password=secret, **settings)},
        sections={"here": ["nccl_env"]},
        on_event=events.append,
        check=True,
        diff=True,
    )
    assert results["here"].error is None
    assert results["here"].changed == ("nccl_env: Write NCCL's environment",)
    (changed,) = [event for event in events if event.status is apply.Status.CHANGED]
    lines = changed.diff.splitlines()
    assert [line for line in lines if "=" in line] == ["+A=off", "+B=010", "+NCCL_P2P_LEVEL={{ SYS }}"]
    assert not Path("/etc/glmprov/nccl.env").exists()
    assert not [*Path("/dev/shm").glob(f"{apply.left_behind.PREFIX}{os.getpid()}-*")]


def test_a_wrong_variable_is_named() -> None:
    results = apply.run(
        "provision",
        {"here": _local(nccl_env_profile="fastest")},
        sections={"here": ["nccl_env"]},
        on_event=lambda event: None,
        check=True,
    )
    error = results["here"].error
    assert error and "nccl_env_profile" in error.message and "latency" in error.message


def test_an_unreachable_host_doesnt_stop_the_others() -> None:
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 1, "nccl_env_env": {}}
    results = apply.run(
        "provision",
        {"here": _local(nccl_env_env={}), "gone": gone},
        sections={"here": ["nccl_env"], "gone": ["nccl_env"]},
        on_event=lambda event: None,
        check=True,
    )
    assert results["here"].error is None and results["here"].tasks
    assert results["gone"].unreachable and results["gone"].error
    assert "refused" in results["gone"].error.message


def test_a_playbook_that_isnt_there_is_an_error_with_ansibles_words() -> None:
    with pytest.raises(ApplyError, match="could not be found"):
        apply.run("no-such", {"here": _local()}, sections={}, on_event=lambda event: None)


def test_playbooks_and_roles_are_found() -> None:
    home = apply.ansible_home()
    assert yaml.safe_load((home / "playbooks/provision.yml").read_text())
    assert (home / "roles/gpu_driver/tasks/main.yml").exists()
