"""A recipe's own tuned fused-MoE file: under the engine's name on the host, mounted, and named to the engine."""

from __future__ import annotations

from dataclasses import replace

from unit.instance.hosts import GENOA, SGLANG, TURIN, VLLM, host, instance, locked, recipe

from glmprov.actions.deploy.records import expected_of, instance_of, receipt_of
from glmprov.catalog.models import models
from glmprov.instance import HostSide, Instance, Tuning, Wanted, build, docker_argv, texts_of, unit_text
from glmprov.recipe import Change, Recipe
from tests.roles.modules import load

TEXT = '{"1": {"BLOCK_SIZE_M": 16}}\n'


def with_file(one: Recipe, summary: dict[str, object] = TURIN, wanted: Wanted | None = None) -> Instance:
    tuning = Tuning(TEXT, models().known.get(one.model))
    return build(one, locked(one), HostSide(host(summary)), wanted or Wanted(), tuning)


def test_vllm_finds_it_in_the_folder_that_its_variable_names() -> None:
    found = with_file(VLLM)
    assert found.environment["VLLM_TUNED_CONFIG_FOLDER"].value == "/etc/glmprov/moe"
    assert "/etc/glmprov/instances/glm/moe:/etc/glmprov/moe:ro" in docker_argv(found)
    (path,) = [path for path in texts_of(found) if "/moe/" in path]
    folder, _, name = path.rpartition("/")
    assert folder == "/etc/glmprov/instances/glm/moe"
    assert name.startswith("E=160,N=384,device_name=NVIDIA_RTX_PRO_6000_Blackwell_")
    assert texts_of(found)[path] == TEXT


def test_sglang_looks_below_a_folder_of_its_triton() -> None:
    (path,) = [path for path in texts_of(with_file(SGLANG)) if "/moe/" in path]
    assert path.startswith("/etc/glmprov/instances/glm/moe/configs/triton_3_4_0/E=161,N=384,")
    assert with_file(SGLANG).environment["SGLANG_MOE_CONFIG_DIR"].value == "/etc/glmprov/moe"


def test_the_role_knows_every_file_of_an_instance_as_ours() -> None:
    role = load("engine_service_instance")
    for one in (VLLM, SGLANG):
        found = with_file(one)
        home = f"{role.HOME}/{found.name}/"
        ours = [path.removeprefix(home) for path in texts_of(found) if path.startswith(home)]
        assert len(ours) >= 3 and not [path for path in ours if not role.OURS.fullmatch(path)]


def test_a_virtual_environment_reads_it_on_the_host() -> None:
    found = with_file(VLLM, wanted=Wanted(venv="/opt/vllm"))
    assert found.environment["VLLM_TUNED_CONFIG_FOLDER"].value == "/etc/glmprov/instances/glm/moe"
    assert "moe:ro" not in unit_text(found)


def test_each_edition_has_a_copy_under_its_own_name() -> None:
    mixed = {**GENOA, "cards": [{"node": 0, "edition": edition} for edition in ("workstation", "server") * 2]}
    files = with_file(VLLM, mixed).moe
    assert files is not None
    assert {file.partition("device_name=")[2].partition(",")[0] for file in files.files} == {
        "NVIDIA_RTX_PRO_6000_Blackwell_Workstation_Edition",
        "NVIDIA_RTX_PRO_6000_Blackwell_Server_Edition",
    }


def test_what_somebody_sets_wins_and_a_note_says_so() -> None:
    own = Wanted(sets=Change(environment={"VLLM_TUNED_CONFIG_FOLDER": "/mine"}))
    found = with_file(VLLM, wanted=own)
    assert found.moe is None
    assert found.environment["VLLM_TUNED_CONFIG_FOLDER"].value == "/mine"
    assert any("VLLM_TUNED_CONFIG_FOLDER is set (--set)" in note for note in found.notes)


def test_it_is_not_used_where_its_name_cannot_be_known() -> None:
    unknown = recipe(replace(VLLM.published, version="nightly"))
    found = with_file(unknown)
    assert found.moe is None
    assert any("nobody knows the engine's release" in note for note in found.notes)
    assert any("in the catalogue" in note for note in with_file(replace(VLLM, model="a/b")).notes)


def test_without_a_file_nothing_is_mounted_or_set() -> None:
    found = instance()
    assert found.moe is None
    assert "VLLM_TUNED_CONFIG_FOLDER" not in found.environment
    assert not any("moe" in word for word in docker_argv(found))


def test_a_receipt_brings_it_back() -> None:
    found = with_file(VLLM)
    receipt = receipt_of(found, expected_of(found, None, {}), None)
    assert instance_of(receipt) == found
    assert any("/moe/" in path for path in receipt.texts)


def test_the_observation_of_a_host_sums_it() -> None:
    from fnmatch import fnmatch

    from glmprov.probe.wanted import OUR_FILES

    for one in (VLLM, SGLANG):
        (path,) = [path for path in texts_of(with_file(one)) if "/moe/" in path]
        assert any(fnmatch(path, pattern) for pattern in OUR_FILES)
