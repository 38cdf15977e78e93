"""The fused-MoE file's name as the engines make it, and the memory of the tile that is taken without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.catalog.models import models
from glmprov.engines.flags import catalogue
from glmprov.engines.moe import Experts, Mount, experts_of, file_name, listing, listing_argv, mount
from glmprov.engines.moe_tiles import Tile, outlook, tiles, tuned_tiles
from glmprov.recipe import Launch, Value

SERVER = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
MAX_Q = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"
FP8 = models().known["zai-org/GLM-4.7-FP8"]
BLOCK = models().known["AlexGS74/GLM-4.7-FP8-block"]
BF16 = models().known["zai-org/GLM-4.7"]


def sglang(version: str = "0.5.9", **arguments: Value) -> Launch:
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return Launch("sglang", version, arguments={"tp-size": "4", **named})


def vllm(version: str = "0.33.0", **arguments: Value) -> Launch:
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return Launch("vllm", version, arguments={"tensor-parallel-size": "4", **named})


def name(launch: Launch, model: object = FP8, device: str = SERVER) -> str:
    experts = experts_of(launch, model)  # type: ignore[arg-type]
    assert experts is not None
    return file_name(launch.engine, launch.version, experts, device)


def test_the_names_are_those_of_files_that_the_releases_ship() -> None:
    """Held against what each release's own package lists."""
    for version, found in (
        ("0.5.9", name(sglang("0.5.9", tp_size="8"), device=MAX_Q)),
        ("0.5.14", name(sglang("0.5.14", tp_size="8"), device=MAX_Q)),
        ("0.5.23", name(sglang("0.5.23", tp_size="8"), BF16, MAX_Q)),
    ):
        listed = catalogue("sglang", version).moe_configs
        assert any(found in names for names in listed.values()), found
    h200 = Experts(160, 384, "fp8")
    [vllm_names] = catalogue("vllm", "0.33.0").moe_configs.values()
    assert file_name("vllm", "0.33.0", h200, "NVIDIA B200") in vllm_names


def test_the_oldest_sglang_keeps_the_shared_expert_apart_and_never_says_per_channel() -> None:
    assert name(sglang("0.5.5.post3"), device=MAX_Q) == (
        "E=160,N=384,device_name=NVIDIA_RTX_PRO_6000_Blackwell_Max-Q_Workstation_Edition,dtype=fp8_w8a8.json"
    )


def test_both_ways_of_writing_a_block() -> None:
    assert name(sglang(), BLOCK).endswith(",dtype=fp8_w8a8,block_shape=[128, 128].json")
    assert name(vllm(), BLOCK).endswith(",dtype=fp8_w8a8,block_shape=[128,128].json")
    assert "per_channel_quant" not in name(vllm())


@pytest.mark.parametrize(
    ("launch", "wanted"),
    [
        (sglang(), "E=161,N=384"),
        (sglang(disable_shared_experts_fusion=True), "E=160,N=384"),
        (sglang(ep_size="4"), "E=40,N=1536"),
        (sglang(tp_size="8", ep_size="8"), "E=20,N=1536"),
        (sglang(tp_size="8", ep_size="4"), "E=40,N=768"),
        (sglang(tp_size="2"), "E=161,N=768"),
        (vllm(), "E=160,N=384"),
        (vllm(tensor_parallel_size="8"), "E=160,N=192"),
        (vllm(enable_expert_parallel=True), "E=40,N=1536"),
    ],
)
def test_experts_and_width_by_parallelism(launch: Launch, wanted: str) -> None:
    assert name(launch).startswith(wanted + ",")


def test_a_model_that_goes_through_other_kernels_has_no_file() -> None:
    assert experts_of(sglang(), models().known["nvidia/GLM-4.7-NVFP4"]) is None
    assert experts_of(sglang(), models().known["QuantTrio/GLM-4.7-AWQ"]) is None
    assert mount(Launch("image", ""), FP8, SERVER) is None


def test_the_second_gemm_has_a_file_of_its_own() -> None:
    experts = Experts(160, 384, "fp8")
    assert file_name("sglang", "0.5.23", experts, SERVER, down=True).endswith(",dtype=fp8_w8a8_down.json")


def test_the_tile_that_operators_met_wants_147456_bytes() -> None:
    assert Tile(128, 256, 128, 4).shared_memory_bytes(1) == 147_456


def test_sglang_0_5_9_crashes_on_these_cards_and_0_5_14_does_not() -> None:
    old, new = (outlook(sglang(version), FP8, SERVER, {}) for version in ("0.5.9", "0.5.14"))
    assert old is not None and old.crashes and (old.wanted, old.available) == (147_456, 101_376)
    assert old.from_tokens == 162, "from more tokens than experts on"
    assert new is not None and new.crashes is False and new.wanted == 73_728


def test_a_file_that_the_release_ships_saves_it() -> None:
    shipped = {"configs/triton_3_4_0": [name(sglang("0.5.5.post3"), device=MAX_Q)]}
    met = outlook(sglang("0.5.5.post3"), FP8, MAX_Q, shipped)
    assert met is not None and met.found == "configs/triton_3_4_0" and met.crashes is False
    other = outlook(sglang("0.5.5.post3"), FP8, SERVER, shipped)
    assert other is not None and other.found is None and other.crashes


def test_a_release_that_nobody_has_read_is_not_judged() -> None:
    met = outlook(sglang("0.5.11"), FP8, SERVER, {})
    assert met is not None and met.crashes is None


@given(
    st.sampled_from(["0.5.5.post3", "0.5.9", "0.5.14", "0.5.23"]),
    st.sampled_from(["bf16", "fp8", "fp8_block"]),
)
def test_tiles_cover_every_step_from_small_to_large(version: str, kind: str) -> None:
    limits = [tile.up_to for tile in tiles("sglang", version, Experts(161, 384, kind))]
    assert limits[-1] is None and None not in limits[:-1]
    assert limits[:-1] == sorted(limits[:-1])  # type: ignore[type-var]


def test_a_file_of_ones_own_is_mounted_where_the_engine_looks() -> None:
    assert mount(vllm(), FP8, SERVER) == Mount("VLLM_TUNED_CONFIG_FOLDER", name(vllm()))
    found = mount(sglang(), FP8, SERVER)
    assert found == Mount("SGLANG_MOE_CONFIG_DIR", f"configs/triton_3_4_0/{name(sglang())}")


def test_the_files_of_an_image_are_listed_by_a_command_that_runs_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "vllm" / "model_executor" / "layers" / "fused_moe" / "configs"
    folder.mkdir(parents=True)
    (folder / name(vllm())).write_text("{}")
    (folder / "README").write_text("")
    (tmp_path / "vllm" / "__init__.py").write_text("raise SystemExit('imported')")
    argv = [sys.executable, *listing_argv("vllm")[1:]]
    ran = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listing(ran.stdout) == {str(folder): [name(vllm())]}
    assert outlook(vllm(), FP8, SERVER, listing(ran.stdout)).found == str(folder)  # type: ignore[union-attr]
    other = subprocess.run(
        [*argv[:-1], "sglang_that_is_not_there"], capture_output=True, text=True, check=True
    )
    assert listing(other.stdout) == {}
    with pytest.raises(ValueError, match="no listing"):
        listing("[]")


@pytest.mark.parametrize("text", ["", "[]", '{"1": 2}', '{"1": {"BLOCK_SIZE_M": 1}}'])
def test_a_tuned_file_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no tuned file"):
        tuned_tiles(text)
