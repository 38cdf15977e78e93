"""What the engines refuse before they load anything, in their words. Each rule returns what is said, or None.

Sources: the engines' own packages (vllm 0.11.2 to 0.33.0, sglang 0.5.5.post3 to 0.5.23), and operators' logs for the tile.
"""

import os
from pathlib import Path

from engine_simulator.cards import Card
from engine_simulator.identity import Identity
from engine_simulator.model import Model
from engine_simulator.settings import Settings

_TILE_BYTES = (
    147456  # (128 · 128 + 128 · 256) · 3 stages that are in flight: the default tile for FP8 without blocks
)
_SM120_BYTES = 101376
OUT_OF_SHARED_MEMORY = (
    f"triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: {_TILE_BYTES}, "
    f"Hardware limit: {_SM120_BYTES}. Reducing block sizes or `num_stages` may help."
)


class RefusedError(Exception):
    """The engine ends, with these words as the last line of its traceback."""


def check(settings: Settings, model: Model, cards: list[Card]) -> None:
    """Raise RefusedError with the first thing that is wrong."""
    rules = (_architecture, _ranks, _quantization, _kv_cache, _blocks, _heads, _draft, _context)
    for rule in rules:
        if said := rule(settings, model, cards):
            raise RefusedError(said)


def _architecture(settings: Settings, model: Model, _: list[Card]) -> str | None:
    known = settings.identity.catalogue().get("architectures", [model.architecture])
    if model.architecture in known:
        return None
    return f"ValueError: Model architectures ['{model.architecture}'] are not supported for now. Supported architectures: {known}"


def _ranks(settings: Settings, _: Model, cards: list[Card]) -> str | None:
    if not cards:
        return "RuntimeError: No CUDA GPUs are available"
    if settings.ranks <= len(cards):
        return None
    if settings.identity.is_vllm:
        return (
            f"ValueError: World size ({settings.ranks}) is larger than the number of available GPUs ({len(cards)}) in "
            "this node. If this is intentional and you are using: - ray, set '--distributed-executor-backend ray'."
        )
    return (
        "torch.AcceleratorError: CUDA error: invalid device ordinal\nGPU device may be out of range, do you have enough "
        f"GPUs? (tp_size={settings.tensor_parallel}, dp_size={settings.data_parallel}, visible GPUs: {len(cards)})"
    )


def _quantization(settings: Settings, model: Model, _: list[Card]) -> str | None:
    asked, has = settings.quantization, model.quant_method
    if not asked or not has or asked == has:
        return None
    if not settings.identity.is_vllm and has == "compressed-tensors" and asked in ("w8a8_fp8", "w8a8_int8"):
        return None
    return (
        f"ValueError: Quantization method specified in the model config ({has}) does not match the quantization method "
        f"specified in the `quantization` argument ({asked})."
    )


def _kv_cache(settings: Settings, model: Model, _: list[Card]) -> str | None:
    """vLLM's FP8 layers take no e5m2; since 0.32 a model converted at its start, or without scales of its own, does."""
    if not settings.identity.is_vllm or settings.kv_cache_dtype != "fp8_e5m2":
        return None
    by_argument = settings.quantization == "fp8" and not settings.identity.at_least("0.32.0")
    has_scales = model.quantization.get("kv_cache_scheme") is not None
    by_checkpoint = model.quant_method == "fp8" or (model.is_fp8 and has_scales)
    by_checkpoint |= model.is_fp8 and not settings.identity.at_least("0.32.0")
    return (
        "ValueError: fp8_e5m2 kv-cache is not supported with fp8 checkpoints."
        if by_argument or by_checkpoint
        else None
    )


def _blocks(settings: Settings, model: Model, _: list[Card]) -> str | None:
    if not model.block or settings.expert_parallel:
        return None
    part = model.number("moe_intermediate_size") // settings.tensor_parallel
    if part % model.block[0] == 0:
        return None
    return (
        f"ValueError: The output_size of gate's and up's weight = {part} is not divisible by weight quantization "
        f"block_n = {model.block[0]}."
    )


def _heads(settings: Settings, model: Model, _: list[Card]) -> str | None:
    heads = model.number("num_attention_heads")
    if heads % settings.tensor_parallel == 0:
        return None
    return (
        f"ValueError: Total number of attention heads ({heads}) must be divisible by tensor parallel size "
        f"({settings.tensor_parallel})."
    )


def _draft(settings: Settings, model: Model, _: list[Card]) -> str | None:
    if not settings.speculates_with_mtp or model.has_mtp_weights:
        return None
    return f"ValueError: MTP speculative decoding layer {model.number('num_hidden_layers')} weights missing from checkpoint."


def _context(settings: Settings, model: Model, _: list[Card]) -> str | None:
    if not settings.context_tokens or settings.context_tokens <= model.context_tokens:
        return None
    allowed = (
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
        if settings.identity.is_vllm
        else "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN"
    )
    if os.environ.get(allowed, "0").lower() in ("1", "true"):
        return None
    return (
        f"ValueError: User-specified {'max_model_len' if settings.identity.is_vllm else 'context_length'} "
        f"({settings.context_tokens}) is greater than the derived {'max_model_len' if settings.identity.is_vllm else 'context_length'} "
        f"(max_position_embeddings={model.context_tokens}). To allow this, set {allowed}=1."
    )


def tile(settings: Settings, model: Model, card: Card) -> str | None:
    """Return what Triton says of the default tile of the experts' kernel where the card hasn't the shared memory."""
    if settings.identity.is_vllm or not model.is_fp8 or model.block or settings.identity.at_least("0.5.14"):
        return None
    if card.capability != (12, 0) or has_tuned_file(settings, model, card):
        return None
    return OUT_OF_SHARED_MEMORY


def has_tuned_file(settings: Settings, model: Model, card: Card) -> bool:
    """Tell whether the experts' kernel finds its tuned file: in the folder, or in one of any Triton below it."""
    folder, name = tuned_folder(settings.identity), tuned_name(settings, model, card)
    return any((place / name).is_file() for place in (folder, *folder.glob("triton_*")))


def tuned_folder(identity: Identity) -> Path:
    """Return where the engine looks for tuned files."""
    override = os.environ.get("VLLM_TUNED_CONFIG_FOLDER" if identity.is_vllm else "SGLANG_MOE_CONFIG_DIR")
    if override:
        return Path(override) if identity.is_vllm else Path(override) / "configs"
    shipped = next(iter(identity.catalogue().get("moe_configs", {})), "configs")
    folder = Path(__file__).parents[1] / shipped
    return folder.parent if folder.name.startswith("triton_") else folder


def tuned_name(settings: Settings, model: Model, card: Card) -> str:
    """Return the file's name: experts and width that a rank has, the card's own name, the weights' type."""
    experts, width = model.number("n_routed_experts"), model.number("moe_intermediate_size")
    is_vllm = settings.identity.is_vllm
    if settings.expert_parallel:
        experts //= settings.tensor_parallel
    else:
        width //= settings.tensor_parallel
        # GLM's shared expert is one of the others since 0.5.9.
        fuses = (
            not is_vllm
            and settings.identity.at_least("0.5.9")
            and "disable-shared-experts-fusion" not in settings.given
        )
        experts += 1 if fuses else 0
    name = f"E={experts},N={width},device_name={card.name.replace(' ', '_')}"
    if model.is_fp8:
        name += ",dtype=fp8_w8a8"
    if model.block:
        name += f",block_shape=[{model.block[0]},{'' if is_vllm else ' '}{model.block[1]}]"
    elif model.is_fp8 and not is_vllm and settings.identity.at_least("0.5.9"):
        name += ",per_channel_quant=True"
    return name + ".json"
