"""What is enforced, only reported, or ignored: the most specific word counts, in every comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.summary import observation

from glmprov.actions.observe import against_plan
from glmprov.drift import Difference, Verdict, audit
from glmprov.errors import ExitCode
from glmprov.observation import Observation
from glmprov.plan import HostPlan, build
from glmprov.receipt import Receipt
from glmprov.results.review import HostReview, audit_code, plan_code
from glmprov.settings import from_variables
from glmprov.state import HostState, HostTuning, Manage, Modes, NcclEnv, Setting, Unknown

HOST = observation(
    {"cards": [{"node": 0}, {"node": 0}, {"node": 1}], "driver": "580.95.05", "engine": "docker.io"}
)
SWAP = "host_tuning.sysctl[vm.swappiness]"
SYSCTL_FILE = "/etc/sysctl.d/90-glmprov.conf"
ENFORCE, AUDIT, IGNORE = Manage.ENFORCE, Manage.AUDIT, Manage.IGNORE


def planned(seen: Observation = HOST, **words: Any) -> HostPlan:
    """Return the plan of a host; words are by section."""
    return build(
        from_variables("gpu-1", {f"{section}_manage": said for section, said in words.items()}), seen
    )


def provisioned(plan: HostPlan, **changes: Any) -> Observation:
    """Return the host as it is after that plan, then with other values of host_tuning."""
    tuning = replace(plan.expected.host_tuning or HostTuning(), **changes)
    files = {SYSCTL_FILE: "a" * 64}
    receipt = Receipt("2026-11-22T19:00:00Z", "op", "desk", "0.1.0", plan.expected, files=files)
    state = replace(plan.expected, host_tuning=tuning)
    return replace(HOST, state=state, receipt=receipt, files=files)


def sysctl(**values: Any) -> dict[str, Setting]:
    return {"vm.swappiness": Setting("0", "0"), "kernel.numa_balancing": Setting("0", "0")} | {
        name.replace("__", "."): value for name, value in values.items()
    }


def told(found: tuple[Difference, ...]) -> dict[str, tuple[Verdict, Manage]]:
    return {each.key: (each.verdict, each.manage) for each in found}


@pytest.mark.parametrize(
    ("words", "key", "mode"),
    [
        ({}, f"{SWAP}.declared", ENFORCE),
        ({"host_tuning": AUDIT}, f"{SWAP}.declared", AUDIT),
        ({"host_tuning": AUDIT}, f"host_tuning.files[{SYSCTL_FILE}]", AUDIT),
        ({"host_tuning": AUDIT, "host_tuning.sysctl": ENFORCE}, f"{SWAP}.effective", ENFORCE),
        ({"host_tuning.sysctl": AUDIT, SWAP: IGNORE}, f"{SWAP}.declared", IGNORE),
        ({"host_tuning.sysctl": AUDIT, SWAP: IGNORE}, "host_tuning.sysctl[vm.swappiness2].declared", AUDIT),
        ({"gpu_driver": IGNORE}, "gpu_drivers.x", ENFORCE),
    ],
)
def test_the_most_specific_word_counts(words: dict[str, Manage], key: str, mode: Manage) -> None:
    assert Modes(words).of(key) is mode


def test_branch_and_version_are_left_together() -> None:
    modes = from_variables("gpu-1", {"gpu_driver_manage": {"branch": "ignore"}}).modes
    assert modes.of("gpu_driver.version.declared") is IGNORE


@pytest.mark.parametrize("value", [Setting("60", "60"), Setting("0", "60"), Setting(None, "60")])
def test_what_is_only_reported_is_drift_whoever_changed_it(value: Setting) -> None:
    plan = planned(host_tuning={"sysctl": "audit"})
    for seen in (
        provisioned(plan, sysctl=sysctl(vm__swappiness=value)),
        replace(provisioned(plan, sysctl=sysctl(vm__swappiness=value)), receipt=None),
    ):
        found = [each for each in audit(seen, plan) if each.key.startswith(SWAP)]
        assert {(each.verdict, each.manage) for each in found} == {(Verdict.DRIFT, AUDIT)}
        assert all(each.reason.startswith("manage: audit; an engine's host memory") for each in found)


def test_what_is_only_reported_is_not_pending_when_the_wish_changes() -> None:
    seen = provisioned(planned())
    wish = {"host_tuning_sysctl": {"vm.swappiness": 10}, "host_tuning_manage": {"sysctl": "audit"}}
    found = audit(seen, build(from_variables("gpu-1", wish), seen))
    assert told(found) == {
        f"{SWAP}.declared": (Verdict.DRIFT, AUDIT),
        f"{SWAP}.effective": (Verdict.DRIFT, AUDIT),
    }


def test_what_is_ignored_is_no_difference() -> None:
    plan = planned(host_tuning={"sysctl[vm.swappiness]": "ignore"}, nccl_env="ignore")
    seen = provisioned(
        plan, sysctl=sysctl(vm__swappiness=Unknown("no"), kernel__numa_balancing=Setting("1", "1"))
    )
    seen = replace(seen, state=replace(seen.state, nccl_env=NcclEnv(env={"NCCL_DEBUG": "INFO"})))
    keys = [f"host_tuning.sysctl[kernel.numa_balancing].{part}" for part in ("declared", "effective")]
    assert [each.key for each in audit(seen, plan)] == keys
    assert [each.key for each in against_plan(seen, plan)] == keys


def test_a_value_that_cannot_be_read_stays_unknown_where_it_is_only_reported() -> None:
    plan = planned(host_tuning="audit")
    (found,) = audit(provisioned(plan, cpu_governor=Unknown("no")), plan)
    assert (found.verdict, found.manage, found.reason) == (Verdict.UNKNOWN, AUDIT, "no")


EDITED = {SYSCTL_FILE: "b" * 64}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, {f"host_tuning.files[{SYSCTL_FILE}]": (Verdict.DRIFT, ENFORCE)}),
        ({"sysctl": "audit"}, {f"host_tuning.files[{SYSCTL_FILE}]": (Verdict.DRIFT, AUDIT)}),
        ({"sysctl": "ignore"}, {}),
        ({"default": "ignore", "limits": "enforce"}, {}),
    ],
)
def test_a_file_goes_with_what_is_in_it(words: dict[str, str], expected: dict[str, Any]) -> None:
    plan = planned(host_tuning=words)
    assert told(audit(replace(provisioned(plan), files=EDITED), plan)) == expected


@pytest.mark.parametrize("word", ["audit", "ignore"])
def test_an_edited_value_that_is_not_ours_to_mend_is_not_told_again_by_its_file(word: str) -> None:
    plan = planned(host_tuning={"sysctl[vm.swappiness]": word})
    seen = replace(provisioned(plan, sysctl=sysctl(vm__swappiness=Setting("60", "60"))), files=EDITED)
    assert not [each for each in audit(seen, plan) if "files[" in each.key]


def test_only_enforced_keys_count_for_a_plan_and_reported_ones_for_an_audit() -> None:
    plan = planned(host_tuning="audit")
    seen = provisioned(plan, cpu_governor=Setting("performance", "powersave"))
    review = HostReview("gpu-1", seen, plan, audit(seen, plan))
    assert audit_code([review]) is ExitCode.DRIFT
    assert plan_code([review], exit_code=True) is ExitCode.DONE


def test_roles_get_what_is_not_enforced_as_the_host_has_it() -> None:
    plan = planned(
        host_tuning={"sysctl[vm.swappiness]": "audit", "cpu_governor": "ignore"}, gpu_power="audit"
    )
    seen = provisioned(
        plan, sysctl=sysctl(vm__swappiness=Setting("0", "60")), cpu_governor=Setting(None, "powersave")
    )
    given_to_roles = plan.given(seen)
    assert given_to_roles.gpu_power is None
    assert given_to_roles.host_tuning
    assert given_to_roles.host_tuning.sysctl == {"kernel.numa_balancing": Setting("0", "0")}
    assert given_to_roles.host_tuning.cpu_governor is None


WORDS = st.sampled_from(["enforce", "audit", "ignore"])
TUNING = st.dictionaries(
    st.sampled_from(["default", "sysctl", "sysctl[vm.swappiness]", "limits", "cpu_governor", "acs_disabled"]),
    WORDS,
)


@given(TUNING)
def test_every_difference_is_marked_as_the_inventory_says(words: dict[str, str]) -> None:
    plan = planned(host_tuning=words)
    bare = replace(HOST, state=HostState(*(type(part)() for part in vars(planned().expected).values())))
    asked = from_variables("gpu-1", {"host_tuning_manage": words}).modes
    every = told(against_plan(bare, planned()))
    found = told(against_plan(bare, plan))
    assert set(found) == {key for key in every if asked.of(key) is not IGNORE}
    for key, (verdict, mode) in found.items():
        assert mode is asked.of(key)
        assert verdict is every[key][0]
