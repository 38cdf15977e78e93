"""One host on its way: what may be done while an instance serves, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from unit.summary import observation

from glmprov.actions.changing.orders import Orders, parse_allowed
from glmprov.actions.observe import against_plan
from glmprov.actions.provision.outcome import outcome
from glmprov.actions.provision.work import Work, grown
from glmprov.drift import Difference, Verdict, compare
from glmprov.errors import UsageError
from glmprov.inventory import Host
from glmprov.plan import HostPlan
from glmprov.receipt import Receipt
from glmprov.results.provision import Mended
from glmprov.results.review import HostReview
from glmprov.state import (
    ContainerEngine,
    Disruption,
    GpuDriver,
    HostState,
    HostTuning,
    Manage,
    Modes,
    NcclEnv,
    Setting,
    Unit,
)

HOST = Host("gpu-1", {})
WANTED = HostState(
    container_engine=ContainerEngine(
        package="docker.io", service=Unit(True, True), toolkit=True, daemon={"live-restore": True}
    ),
    host_tuning=HostTuning(
        kernel_arguments={"iommu": Setting("pt", "pt")}, sysctl={"vm.swappiness": Setting("0", "0")}
    ),
    nccl_env=NcclEnv(profile="latency", env={"NCCL_P2P_LEVEL": "SYS"}),
)
FOUND = HostState(
    container_engine=ContainerEngine(
        package="docker.io", service=Unit(True, True), toolkit=True, daemon={"live-restore": False}
    ),
    host_tuning=HostTuning(
        kernel_arguments={"iommu": Setting("off", "off")}, sysctl={"vm.swappiness": Setting("60", "60")}
    ),
    nccl_env=NcclEnv(profile="latency", env={}),
)
DAEMON = "container_engine.daemon[live-restore]"
IOMMU = "host_tuning.kernel_arguments[iommu].declared"
RUNNING_IOMMU = "host_tuning.kernel_arguments[iommu].effective"


def review(found: HostState, *serving: str, receipt: Receipt | None = None) -> HostReview:
    seen = replace(observation({}), state=found, serving=serving, receipt=receipt)
    return HostReview("gpu-1", seen, HostPlan("gpu-1", WANTED), compare("gpu-1", WANTED, found))


def keys(found: tuple[Difference, ...]) -> set[str]:
    return {each.key for each in found}


@pytest.mark.parametrize(
    ("has_module", "configured", "said"),
    [
        (False, True, "not rebooted: no module"),
        (True, False, "not rebooted: no initramfs"),
        (True, True, ""),
    ],
)
def test_a_host_is_not_rebooted_into_a_kernel_that_is_not_ready(
    has_module: bool, configured: bool, said: str
) -> None:
    wanted = HostState(gpu_driver=GpuDriver(next_kernel_module=True, next_kernel_configured=True))
    found = HostState(gpu_driver=GpuDriver(next_kernel_module=has_module, next_kernel_configured=configured))
    reasons = {
        "gpu_driver.next_kernel_module": "no module",
        "gpu_driver.next_kernel_configured": "no initramfs",
    }
    differences = compare("gpu-1", wanted, found, reasons)
    work = Work(HOST, HostReview("gpu-1", observation({}), HostPlan("gpu-1", wanted), differences))
    assert work.must_not_boot == said


def test_on_an_idle_host_nothing_waits() -> None:
    work = Work(HOST, review(FOUND))
    assert not work.waiting and {DAEMON, IOMMU} <= keys(work.actionable)
    assert work.given == WANTED


def test_while_an_instance_serves_only_what_interrupts_nothing_is_done() -> None:
    work = Work(HOST, review(FOUND, "container glm"))
    assert keys(work.waiting) == {DAEMON, IOMMU, RUNNING_IOMMU}
    assert keys(work.actionable) == {
        "host_tuning.sysctl[vm.swappiness].declared",
        "host_tuning.sysctl[vm.swappiness].effective",
        "nccl_env.env[NCCL_P2P_LEVEL]",
    }
    assert work.sections == ("host_tuning", "nccl_env")


@pytest.mark.parametrize(
    ("allowed", "waiting"),
    [
        ("docker", {IOMMU, RUNNING_IOMMU}),
        ("reboot", {DAEMON}),
        ("docker,reboot", set()),
        ("all", set()),
        ("service,driver", {DAEMON, IOMMU, RUNNING_IOMMU}),
    ],
)
def test_what_is_allowed_by_name_does_not_wait(allowed: str, waiting: set[str]) -> None:
    assert keys(Work(HOST, review(FOUND, "glm.service"), parse_allowed((allowed,))).waiting) == waiting


def test_a_word_that_is_no_class_is_refused() -> None:
    with pytest.raises(UsageError, match="none"):
        parse_allowed(("docker", "none"))


def test_roles_are_given_what_the_host_has_in_place_of_what_waits() -> None:
    given = Work(HOST, review(FOUND, "container glm")).given
    assert given.host_tuning and given.host_tuning.sysctl == {"vm.swappiness": Setting("0", "0")}
    assert (given.host_tuning.kernel_arguments or {}).get("iommu") != Setting("pt", "pt")
    assert given.container_engine is None or not (given.container_engine.daemon or {}).get("live-restore")


def test_the_receipt_keeps_what_was_applied_before_of_what_waits() -> None:
    """Else an audit would take the drift for what was applied, and a later plan for what is wanted."""
    before = Receipt("2026-11-22T00:00:00Z", "ops", "controller", "0.1.0", WANTED)
    recorded = Work(HOST, review(FOUND, "container glm", receipt=before)).recorded
    assert recorded.container_engine and recorded.container_engine.daemon == {"live-restore": True}
    assert recorded.host_tuning and recorded.host_tuning.kernel_arguments == {"iommu": Setting("pt", "pt")}


def test_the_receipt_of_a_host_that_was_never_provisioned_does_not_claim_what_waits() -> None:
    recorded = Work(HOST, review(FOUND, "container glm")).recorded
    assert recorded.nccl_env == WANTED.nccl_env
    assert not (recorded.container_engine and recorded.container_engine.daemon)
    assert not (recorded.host_tuning and recorded.host_tuning.kernel_arguments)


def test_what_waited_when_the_plan_was_shown_waits_to_the_end() -> None:
    work = Work(HOST, review(FOUND, "container glm"))
    work.take(review(FOUND))
    assert keys(work.waiting) == {DAEMON, IOMMU, RUNNING_IOMMU}


def test_an_instance_that_begins_to_serve_on_the_way_is_left_alone() -> None:
    work = Work(HOST, review(FOUND))
    work.take(review(FOUND, "container glm"))
    assert DAEMON in keys(work.waiting) and DAEMON not in keys(work.actionable)


def test_what_waits_is_listed_with_the_command_that_does_it() -> None:
    work = Work(HOST, review(FOUND, "container glm"))
    result = outcome(work, Orders(again="glmprov provision -i lab.ini"))
    waiting = {key.key: key for key in result.keys if key.result is Mended.WAITS}
    assert set(waiting) == {DAEMON, IOMMU, RUNNING_IOMMU}
    assert "container glm" in waiting[DAEMON].reason and waiting[DAEMON].disruption is Disruption.DOCKER
    assert result.waiting and result.waiting.command == (
        "glmprov provision -i lab.ini -l gpu-1 --allow docker,reboot --reboot"
    )


@pytest.mark.parametrize(
    ("ordered", "serving", "result", "words"),
    [
        (False, (), Mended.PENDING_REBOOT, "takes effect at the next boot"),
        (False, ("glm.service",), Mended.PENDING_REBOOT, "--reboot --allow reboot"),
        (True, ("glm.service",), Mended.WAITS, "glm.service"),
    ],
)
def test_a_reboot_waits_for_an_instance(
    ordered: bool, serving: tuple[str, ...], result: Mended, words: str
) -> None:
    tuning = HostTuning(
        kernel_arguments={"iommu": Setting("pt", "off")}, sysctl={"vm.swappiness": Setting("0", "0")}
    )
    found = replace(WANTED, host_tuning=tuning)
    work = Work(HOST, review(found, *serving))
    became = {key.key: key for key in outcome(work, Orders(reboot=ordered)).keys}
    assert (became[RUNNING_IOMMU].result, words in became[RUNNING_IOMMU].reason) == (result, True)
    assert bool(work.changes(reboot=True)) is not bool(serving)


def test_what_comes_with_a_driver_that_must_wait_waits_too() -> None:
    """Somebody else's driver runs an instance: pinning it would come with installing ours."""
    wanted = HostState(gpu_driver=GpuDriver("nvidia", "595", Setting("595.58.03", "595.58.03"), pinned=True))
    theirs = HostState(gpu_driver=GpuDriver(None, "580", Setting("580.95.05", "580.95.05"), pinned=False))
    seen = replace(observation({}), state=theirs, serving=("glm.service",))
    work = Work(HOST, HostReview("gpu-1", seen, HostPlan("gpu-1", wanted), compare("gpu-1", wanted, theirs)))
    assert "gpu_driver.pinned" in keys(work.waiting)
    assert (work.actionable, work.sections) == ((), ())
    (pinned,) = [key for key in outcome(work, Orders()).keys if key.key == "gpu_driver.pinned"]
    assert (pinned.result, pinned.reason) == (
        Mended.WAITS,
        "glm.service serves; this comes with what interrupts it",
    )


def test_what_comes_with_a_driver_that_is_left_to_others_waits_for_nobody() -> None:
    wanted = HostState(gpu_driver=GpuDriver("nvidia", "595", Setting("595.58.03", "595.58.03"), pinned=True))
    theirs = HostState(gpu_driver=GpuDriver(None, "580", Setting("580.95.05", "580.95.05"), pinned=False))
    modes = Modes({"gpu_driver.branch": Manage.IGNORE, "gpu_driver.version": Manage.IGNORE})
    plan, seen = HostPlan("gpu-1", wanted, modes=modes), replace(observation({}), state=theirs)
    work = Work(HOST, HostReview("gpu-1", seen, plan, against_plan(seen, plan)))
    result = outcome(work, Orders())
    (pinned,) = [key for key in result.keys if key.key == "gpu_driver.pinned"]
    assert (pinned.result, pinned.reason) == (
        Mended.SKIPPED,
        "it can't be done without what is left to others (manage)",
    )
    assert result.waiting is None


@pytest.mark.parametrize("word", [Manage.AUDIT, Manage.IGNORE])
def test_what_is_not_enforced_is_nobodys_work(word: Manage) -> None:
    """An ignored key is no difference; one that is only reported is, and waits for nothing."""
    modes = Modes({"host_tuning.sysctl": word, "container_engine": word})
    plan = HostPlan("gpu-1", WANTED, modes=modes)
    before = Receipt("2026-11-22T00:00:00Z", "ops", "controller", "0.1.0", WANTED)
    seen = replace(observation({}), state=FOUND, receipt=before, serving=("glm.service",))
    work = Work(HOST, HostReview("gpu-1", seen, plan, against_plan(seen, plan)))
    assert work.sections == ("nccl_env",)
    assert keys(work.waiting) == {IOMMU, RUNNING_IOMMU}
    assert {key.key for key in outcome(work, Orders()).keys} == keys(work.waiting) | keys(work.actionable)
    assert work.given.container_engine is None
    assert work.recorded.container_engine == WANTED.container_engine, "ours before: not forgotten"


def difference(key: str, expected: Any) -> Difference:
    (found,) = [each for each in compare("gpu-1", WANTED, FOUND) if each.key == key]
    return replace(found, expected=expected)


@pytest.mark.parametrize(
    ("before", "now", "more"),
    [
        ({DAEMON: True, IOMMU: "pt"}, {DAEMON: True}, ()),
        ({DAEMON: True}, {DAEMON: True, IOMMU: "pt"}, (IOMMU,)),
        ({DAEMON: True}, {DAEMON: False}, (DAEMON,)),
        ({}, {}, ()),
    ],
)
def test_only_what_was_shown_is_done(
    before: Mapping[str, Any], now: Mapping[str, Any], more: tuple[str, ...]
) -> None:
    shown, found = ([difference(*each) for each in side.items()] for side in (before, now))
    assert grown(shown, found) == more


def test_a_later_stage_is_foreseen_from_what_can_be_known_only_later() -> None:
    def found(key: str, verdict: Verdict, manage: Manage = Manage.ENFORCE) -> Difference:
        return Difference("gpu-1", key, None, None, verdict, manage=manage)

    work = Work(
        HOST,
        HostReview(
            "gpu-1",
            differences=(
                found("gpu_power.limit_watts", Verdict.LATER),
                found("gpu_driver.cards", Verdict.LATER),
                found("nccl_env.env[A]", Verdict.DRIFT),
                found("host_tuning.cpu_governor", Verdict.LATER, Manage.AUDIT),
            ),
        ),
    )
    assert set(work.later_sections) == {"gpu_driver", "gpu_power"}
