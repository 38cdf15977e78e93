"""What a person reads."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from unit.summary import observation

from glmprov.drift import Difference, Verdict
from glmprov.errors import HostKeyError, UnreachableError
from glmprov.plan import HostPlan
from glmprov.receipt import LockState
from glmprov.report import table
from glmprov.report.console import console as as_written
from glmprov.report.values import plain, short
from glmprov.results.lock import HostLock
from glmprov.results.provision import HostProvision, KeyResult, Mended, Waiting
from glmprov.results.review import HostReview
from glmprov.state import Disruption, HostState, Later, Setting, Unit, Unknown

UUIDS = [f"GPU-0000000{n}-1111-2222-3333-444444444444" for n in range(4)]


def printed(blocks: object, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    table.show(console, blocks)  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined]


def limit(uuid: str, observed: int, verdict: Verdict = Verdict.DRIFT) -> Difference:
    return Difference(
        "rig", f"gpu_power.limit_watts[{uuid}].effective", 400, observed, verdict, Disruption.NONE
    )


def test_rows_that_say_the_same_of_many_cards_are_one() -> None:
    review = HostReview(
        "rig", plan=HostPlan("rig", HostState()), differences=tuple(limit(u, 600) for u in UUIDS)
    )
    text = printed(table.audit([review]))
    assert "gpu_power.limit_watts[4 cards].effective" in text
    assert text.count("expected 400, found 600") == 1
    assert "1 host: 1 with drift" in text


def test_verbose_names_each_card() -> None:
    review = HostReview(
        "rig", plan=HostPlan("rig", HostState()), differences=tuple(limit(u, 600) for u in UUIDS)
    )
    assert printed(table.audit([review], verbose=True)).count("expected 400") == 4


def test_cards_that_differ_are_named_apart() -> None:
    differences = tuple(limit(u, watts) for u, watts in zip(UUIDS, (600, 600, 300, 600), strict=True))
    text = printed(table.audit([HostReview("rig", differences=differences)]))
    assert "limit_watts[GPU-00000002].effective" in text
    assert "limit_watts[3 cards].effective" in text


def test_a_clean_host_is_said_to_be_clean() -> None:
    assert "rig  clean" in printed(table.audit([HostReview("rig", plan=HostPlan("rig", HostState()))]))


def test_an_error_shows_the_next_step() -> None:
    error = HostKeyError("its key is unknown", host="rig", next_step="glmprov host trust rig")
    text = printed(table.audit([HostReview("rig", error=error)]))
    assert "rig  not audited" in text
    assert "error its key is unknown" in text
    assert "next: glmprov host trust rig" in text


def test_provision_says_fixed_failed_and_pending() -> None:
    keys = (
        KeyResult("nccl_env.env[NCCL_P2P_LEVEL]", None, "SYS", "SYS", Mended.FIXED),
        KeyResult("host_tuning.sysctl[vm.swappiness].effective", "60", "0", "60", Mended.FAILED, "read-only"),
        KeyResult("host_tuning.kernel_arguments[iommu].effective", None, "pt", None, Mended.PENDING_REBOOT),
    )
    text = printed(table.provision([HostProvision("rig", keys)]))
    assert re.search(r"FIXED +nccl_env +1 key\n", text) and "absent → SYS" not in text
    assert "absent → SYS" in printed(table.provision([HostProvision("rig", keys)], verbose=True))
    assert "60, wanted 0" in text and "read-only" in text
    assert "PENDING REBOOT" in text and "glmprov provision --reboot" in text


def daemon(disruption: Disruption = Disruption.DOCKER) -> Difference:
    return Difference("rig", "container_engine.daemon[exec-opts]", "x", None, Verdict.DRIFT, disruption)


@pytest.mark.parametrize(
    ("serving", "allowed", "waits"),
    [
        (("container glm",), (), True),
        (("container glm",), (Disruption.DOCKER,), False),
        (("container glm",), (Disruption.REBOOT,), True),
        ((), (), False),
    ],
)
def test_plan_says_what_would_wait_and_for_whom(
    serving: tuple[str, ...], allowed: tuple[Disruption, ...], waits: bool
) -> None:
    seen = replace(observation({}), serving=serving)
    review = HostReview("rig", seen, HostPlan("rig", HostState()), (daemon(),))
    text = printed(table.plan([review], allowed=allowed))
    assert ("waiting while container glm serves" in text) is waits
    assert not waits or "docker" in text.partition("--allow")[2]


def test_provision_says_what_waits_with_the_command_that_does_it_and_what_was_not_begun() -> None:
    key = KeyResult(
        "container_engine.daemon[exec-opts]", None, "x", None, Mended.WAITS, "container glm serves"
    )
    command = "glmprov provision -l rig --allow docker"
    waiting = Waiting(("container glm",), (Disruption.DOCKER,), command)
    skipped = replace(key, result=Mended.SKIPPED, reason="not begun")
    text = printed(
        table.provision(
            [
                HostProvision("rig", (key,), waiting=waiting),
                HostProvision("other", (skipped,), not_begun="interrupted"),
            ]
        )
    )
    assert "rig  1 waits" in text and command in text
    assert "other  not begun: interrupted" in text
    assert text.endswith("2 hosts: 1 waiting while an instance serves, 1 not begun\n")


def sysctl(side: str, observed: object, host: str = "rig") -> Difference:
    return Difference(
        host,
        f"host_tuning.sysctl[vm.swappiness].{side}",
        "0",
        observed,
        Verdict.DRIFT,
        Disruption.NONE,
        reason="an engine's host memory must not be swapped out",
    )


def test_a_setting_that_differs_on_both_sides_is_one_row() -> None:
    review = HostReview("rig", differences=(sysctl("declared", None), sysctl("effective", "60")))
    text = printed(table.plan([review]))
    assert re.search(r"host_tuning.sysctl\[vm.swappiness\] +60 → 0", text) and "2 changes" in text
    assert "absent → 0" not in text and "absent → 0" in printed(table.plan([review], verbose=True))


def test_a_setting_that_differs_on_one_side_names_it() -> None:
    text = printed(table.audit([HostReview("rig", differences=(sysctl("effective", "60"),))]))
    assert "sysctl[vm.swappiness].effective" in text


def test_keys_side_by_side_that_say_the_same_are_one_row() -> None:
    unit = [
        Difference(
            "rig", f"gpu_power.boot_unit.{side}", True, None, Verdict.DRIFT, Disruption.NONE, reason="lost"
        )
        for side in ("enabled", "active")
    ]
    assert "gpu_power.boot_unit.{enabled, active}" in printed(
        table.plan([HostReview("rig", differences=tuple(unit))])
    )


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_narrow_terminal_gets_rows_of_several_lines_and_loses_no_word(width: int) -> None:
    review = HostReview("rig", differences=(sysctl("effective", "60"), sysctl("declared", None)))
    lines = printed(table.plan([review]), width).splitlines()
    assert all(len(line) <= width for line in lines)
    assert len(lines) <= 7
    assert "an engine's host memory must not be swapped out" in re.sub(r"\s+", " ", " ".join(lines))


def test_hosts_of_which_the_same_is_to_be_said_share_a_block() -> None:
    reviews = [HostReview(f"rig-{n}", differences=(sysctl("effective", "60", f"rig-{n}"),)) for n in range(3)]
    text = printed(table.plan(reviews))
    assert "rig-0, rig-1, rig-2 (3 hosts)  1 change" in text and text.count("60 → 0") == 1
    assert printed(table.plan(reviews, verbose=True)).count("60 → 0") == 3


def test_the_next_step_of_a_shared_error_names_every_host() -> None:
    errors = [
        HostKeyError("its key is unknown", host=name, next_step=f"glmprov host trust {name}")
        for name in ("rig-1", "rig-2")
    ]
    text = printed(table.plan([HostReview(str(error.host), error=error) for error in errors]))
    assert "rig-1, rig-2 (2 hosts)  cannot be planned" in text
    assert "next: glmprov host trust rig-1 rig-2\n" in text


def test_a_next_step_that_hosts_in_a_row_share_is_said_once() -> None:
    step = "check that sshd runs there"
    reviews = [
        HostReview(name, error=UnreachableError(f"192.0.2.{n} refuses", host=name, next_step=step))
        for n, name in enumerate(("rig-1", "rig-2"))
    ]
    text = printed(table.audit(reviews))
    assert "192.0.2.0 refuses" in text and text.count(step) == 1
    assert text.index("192.0.2.1 refuses") < text.index(step)


def test_a_host_that_was_never_provisioned_is_audited_in_a_line() -> None:
    bare = observation({"cards": [{}]})
    pending = replace(sysctl("effective", "60"), verdict=Verdict.PENDING, reason="never provisioned")
    text = printed(table.audit([HostReview("rig", bare, differences=(pending,))]))
    assert "rig  never provisioned, 1 pending" in text and "glmprov plan" in text and "swappiness" not in text


def test_a_failure_is_shown_above_what_was_fixed() -> None:
    keys = (
        KeyResult("nccl_env.env[A]", None, "1", "1", Mended.FIXED),
        KeyResult("nccl_env.env[B]", None, "1", None, Mended.FAILED, "read-only"),
    )
    text = printed(table.provision([HostProvision("rig", keys)]))
    assert text.index("FAILED") < text.index("FIXED")


def test_a_released_lock_is_not_taken_for_one_that_is_held() -> None:
    info = LockState("ann@desk (pid 7)", "provision", "2026-11-22T20:00:00+00:00", 80.0, "", False)
    text = printed(table.locks([HostLock("rig-1", info, released=True), HostLock("rig-2", info)]))
    assert "rig-1  released, was held by ann@desk" in text
    assert "rig-2  ann@desk" in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "absent"),
        (True, "yes"),
        ("", '""'),
        (Unknown("no NVML"), "unknown: no NVML"),
        (Later("known after the driver is installed"), "known after the driver is installed"),
        (Unit(True, False), "enabled, inactive"),
        (Setting("pt", None), "declared pt, effective absent"),
        (["native.cgroupdriver=cgroupfs"], "native.cgroupdriver=cgroupfs"),
    ],
)
def test_values_read_as_words(value: object, words: str) -> None:
    assert plain(value) == words


def test_a_uuid_is_cut_to_what_tells_cards_apart() -> None:
    assert short(f"limit_watts[{UUIDS[1]}]") == "limit_watts[GPU-00000001]"
    assert short(f"accept it with --forget-card {UUIDS[1]}").endswith(UUIDS[1]), "to be copied"


def test_packages_that_went_back_are_counted_together() -> None:
    keys = tuple(
        KeyResult(f"packages[{name}]", "brought by glmprov", None, None, Mended.FIXED)
        for name in ("docker.io", "libcuda1", "runc")
    )
    text = printed(table.revert([HostProvision("rig", keys)]))
    assert re.search(r"FIXED +packages +3 keys", text)
    waits = KeyResult(
        "host_tuning.kernel_arguments[iommu].effective", "pt", None, "pt", Mended.PENDING_REBOOT
    )
    text = printed(table.revert([HostProvision("rig", (waits,))]))
    assert "next: reboot them when it suits" in text and "glmprov provision" not in text


COMMAND = f"glmprov provision -i 'my lab.ini' --forget-card {UUIDS[0]} --before './drain --long-word'"


def waits(host: str) -> HostProvision:
    key = KeyResult("container_engine.daemon[debug]", None, True, None, Mended.WAITS, "glm serves")
    waiting = Waiting(("glm",), (Disruption.DOCKER,), f"{COMMAND} -l {host} --allow docker")
    return HostProvision(host, (key,), waiting=waiting)


@pytest.mark.parametrize("width", [60, 100, 200])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_command_can_be_copied_whole(width: int, is_terminal: bool) -> None:
    """A line that the table folds would be run without its end: on all hosts."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=is_terminal, soft_wrap=not is_terminal
    )
    table.show(console, table.provision([waits("rig")]))
    assert f"{COMMAND} -l rig --allow docker" in [line.strip() for line in file.getvalue().splitlines()]


def test_one_command_does_what_waits_on_hosts_that_are_alike() -> None:
    text = printed(table.provision([waits("rig"), waits("rag")]))
    assert f"{COMMAND} -l rig,rag --allow docker\n" in text and text.count("--allow") == 1


@pytest.mark.parametrize("words", ["many words " * 40, "x" * 400])
def test_nothing_is_cut_off_in_a_pipe(words: str) -> None:
    file = io.StringIO()
    error = UnreachableError(words.strip(), host="rig", next_step=f"next {words}".strip())
    review = HostReview("rig", plan=HostPlan("rig", HostState(), notes=(words.strip(),)), error=error)
    table.show(as_written(file), table.plan([review]))
    assert file.getvalue().count(words.strip()) == 3


def test_the_last_line_counts_hosts_on_which_something_was_skipped() -> None:
    skipped = KeyResult(
        "nccl_env.env[A]", None, "1", None, Mended.SKIPPED, "interrupted before it was applied"
    )
    text = printed(table.provision([HostProvision("rig", (skipped,))]))
    assert text.endswith("1 host: 1 with something skipped\n")
    text = printed(table.provision([HostProvision("rig", (skipped,), not_begun="interrupted")]))
    assert text.endswith("1 host: 1 not begun\n")
