"""What a person reads."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from glmprov.drift import Difference, Verdict
from glmprov.errors import HostKeyError
from glmprov.plan import HostPlan
from glmprov.report import table
from glmprov.report.values import plain, short
from glmprov.results import HostProvision, HostReview, KeyResult, Mended
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
    assert "rig: its key is unknown" in text
    assert "next: glmprov host trust rig" in text


def test_provision_says_fixed_failed_and_pending() -> None:
    keys = (
        KeyResult("nccl_env.env[NCCL_P2P_LEVEL]", None, "SYS", "SYS", Mended.FIXED),
        KeyResult("host_tuning.sysctl[vm.swappiness].effective", "60", "0", "60", Mended.FAILED, "read-only"),
        KeyResult("host_tuning.kernel_arguments[iommu].effective", None, "pt", None, Mended.PENDING_REBOOT),
    )
    text = printed(table.provision([HostProvision("rig", keys)]))
    assert "FIXED" in text and "absent → SYS" in text
    assert "60, wanted 0" in text and "read-only" in text
    assert "PENDING REBOOT" in text and "glmprov provision --reboot" in text


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
