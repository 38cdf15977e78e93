"""A kernel that dpkg has only unpacked is finished once its module builds."""

from __future__ import annotations

import pytest

from tests.roles.modules import load

running = load("gpu_driver_running")

KERNEL = "6.8.0-90-generic"


class FailedError(Exception):
    """The module gave up."""


class Module:
    """An Ansible module on a host whose kernel package is in a state, and whose dpkg ends with a code."""

    def __init__(self, state: str, ends_with: int = 0, check_mode: bool = False) -> None:
        self.params = {"kernels": [KERNEL]}
        self.state, self.ends_with, self.check_mode = state, ends_with, check_mode
        self.configured = False

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        if command[0] == "dpkg-query":
            assert command[-1] == f"linux-image-{KERNEL}"
            return (0, self.state, "") if self.state else (1, "", "no packages found")
        assert command == ["dpkg", "--configure", "-a"]
        self.configured = True
        return self.ends_with, "", "run-parts: /etc/kernel/postinst.d/dkms exited with return code 11"

    def fail_json(self, msg: str) -> None:
        raise FailedError(msg)


@pytest.mark.parametrize("state", ["half-configured", "unpacked", "triggers-pending"])
def test_a_kernel_that_is_not_configured_is_finished(state: str) -> None:
    module = Module(state)
    assert running.finish(module) is not None and module.configured


@pytest.mark.parametrize("state", ["installed", "config-files", ""])
def test_a_kernel_that_is_done_or_of_no_package_is_left_alone(state: str) -> None:
    module = Module(state)
    assert running.finish(module) is None and not module.configured


def test_check_mode_only_says_so() -> None:
    module = Module("half-configured", check_mode=True)
    assert running.finish(module) is not None and not module.configured


def test_what_keeps_dpkg_from_it_is_said() -> None:
    with pytest.raises(
        FailedError, match=f"linux-image-{KERNEL} can't be configured.*\n.*postinst.d/dkms exited"
    ):
        running.finish(Module("half-configured", ends_with=1))
