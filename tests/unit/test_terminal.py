"""What a person sees while Ansible runs."""

from __future__ import annotations

import pytest

from glmprov.apply import Event, Status
from glmprov.terminal import Terminal, step


def event(task: str, status: Status = Status.OK, message: str = "") -> Event:
    return Event("rig", task, "gpu_driver", status, message)


def test_ansibles_own_book_keeping_is_only_its_section() -> None:
    assert step(event("Validating arguments against arg spec 'main' - Install a driver")) == "gpu_driver"
    assert step(event("Install the driver")) == "gpu_driver: Install the driver"


def test_a_failed_task_is_said_in_a_line_and_its_reason_left_to_the_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = Terminal(as_json=False, verbose=0)
    terminal.event(event("Install the driver", Status.FAILED, "E: no such package\nE: and more"))
    assert capsys.readouterr().err == "rig  failed  gpu_driver: Install the driver\n"


def test_a_check_says_what_would_change(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=False, verbose=0, check=True).event(event("Install the driver", Status.CHANGED))
    assert capsys.readouterr().err == "rig  would change  gpu_driver: Install the driver\n"


def test_an_interrupt_says_where_each_host_is(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=False, verbose=0)
    with pytest.raises(KeyboardInterrupt), terminal.progress("provisioning") as said:
        said("rig", "probed")
        said("other", "probed")
        terminal.event(event("Install the driver", Status.STARTED))
        said("third", "rebooting")
        raise KeyboardInterrupt
    err = capsys.readouterr().err
    assert "third: interrupted; last seen: rebooting\n" in err
    assert "rig: interrupted; last seen: gpu_driver: Install the driver\n" in err
    assert "other" not in err and "Run the same again" in err


def test_a_second_interrupt_says_of_every_host_that_is_changed_what_it_was_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = Terminal(as_json=False, verbose=0)
    with pytest.raises(KeyboardInterrupt), terminal.progress("deploying") as said:
        said("later", "probed")
        terminal.finishing()
        said("rig", "loading weights 20 %")
        raise KeyboardInterrupt
    err = capsys.readouterr().err
    assert "rig: interrupted; last seen: loading weights 20 %\n" in err and "later" not in err
    assert "Run the same again" in err


def test_an_interrupt_while_only_looking_says_nothing_of_hosts(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=False, verbose=0)
    with pytest.raises(KeyboardInterrupt), terminal.progress("probing") as said:
        said("rig", "probed")
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


def test_without_a_terminal_what_only_counts_on_is_printed_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("glmprov.terminal.time.monotonic", lambda: now)
    with Terminal(as_json=False, verbose=0).progress("deploying") as said:
        for done in range(61):
            said("rig", f"pulling: {done}.5 GB of 60 GB, {done // 10} of 6 layers")
            said("other", "capturing graphs 5 %")
            now += 1
        said("rig", "starting")
        said("rig", "starting")
    err = capsys.readouterr().err.splitlines()
    assert [line for line in err if line.startswith("rig: pulling")] == [
        f"rig: pulling: {done}.5 GB of 60 GB, {done // 10} of 6 layers" for done in (0, 30, 60)
    ]
    assert err.count("rig: starting") == 1 and err.count("other: capturing graphs 5 %") == 3
