"""How much memory of each card a launch takes, and how many tokens its cache holds: the engines' own arithmetic.

Overheads were fitted to operators' logs of GLM-4.7-FP8 on four cards: 0.6 GiB of context in SGLang (a pool of 139,303 tokens
at 0.95 with MTP), 3.8 GiB of activations, graphs and NCCL in vLLM (88,560 tokens at 0.95).
"""

from dataclasses import dataclass

from engine_simulator.cards import GIB, Card
from engine_simulator.model import Model
from engine_simulator.refusals import RefusedError
from engine_simulator.settings import Settings

CONTEXT_BYTES = 0.6 * GIB
_VLLM_OVERHEAD_BYTES = 3.817 * GIB
_DEFAULT_FRACTION = {"vllm": (("0.23.0", 0.92), ("0", 0.9)), "sglang": (("0", 0.88),)}


@dataclass(frozen=True)
class Demand:
    """Bytes on each card: after the weights, and in the end. tokens is the cache's size."""

    fraction: float
    weight_bytes: float
    cache_bytes: float
    final_bytes: float
    tokens: int
    context_tokens: int


def demand(settings: Settings, model: Model, card: Card) -> Demand:
    """Return what a launch takes of a card. Raise RefusedError, in the engine's words, where it isn't enough."""
    versions = _DEFAULT_FRACTION[settings.identity.engine]
    default = next(value for version, value in versions if settings.identity.at_least(version))
    fraction = settings.memory_fraction or default
    # A dense shape would divide by pipeline stages as well; replicas have all of it each.
    parts = settings.tensor_parallel * settings.pipeline_parallel
    with_mtp = settings.speculates_with_mtp
    quantized = model.is_fp8 or settings.quantization is not None
    weights = model.weight_bytes(parts, is_quantized=quantized, with_mtp=with_mtp)
    token = model.kv_bytes_per_token(settings.tensor_parallel, settings.kv_element_bytes, with_mtp=with_mtp)
    token /= settings.pipeline_parallel
    if CONTEXT_BYTES + weights > card.free_bytes():
        raise RefusedError(out_of_memory(card, weights))
    plan = _vllm if settings.identity.is_vllm else _sglang
    return plan(settings, model, card, fraction, weights, token)


def out_of_memory(card: Card, wanted: float, rank: int = 0) -> str:
    """Return what torch says when a card is full."""
    held = card.usable_bytes - card.free_bytes()
    return (
        f"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {min(wanted / GIB, 2.0):.2f} GiB. GPU {rank} has a "
        f"total capacity of {card.usable_bytes / GIB:.2f} GiB of which {max(card.free_bytes(), 0) / (1 << 20):.2f} MiB is "
        f"free. Including non-PyTorch memory, this process has {held / GIB:.2f} GiB memory in use."
    )


def _sglang(
    settings: Settings, model: Model, card: Card, fraction: float, weights: float, token: float
) -> Demand:
    after_load = card.free_bytes() - CONTEXT_BYTES - weights
    cache = after_load - (1 - fraction) * card.usable_bytes
    if cache / token < 1:
        raise RefusedError(
            "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static. "
            f"Current value: self.server_args.mem_fraction_static={fraction}"
        )
    tokens = int(cache / token)
    context = settings.context_tokens or model.context_tokens
    return Demand(fraction, weights, cache, CONTEXT_BYTES + weights + cache, tokens, context)


def _vllm(
    settings: Settings, model: Model, card: Card, fraction: float, weights: float, token: float
) -> Demand:
    allowed = fraction * card.usable_bytes
    if card.free_bytes() < allowed:
        raise RefusedError(
            f"ValueError: Free memory on device cuda:0 ({card.free_bytes() / GIB:.2f}/{card.usable_bytes / GIB:.2f} GiB) on "
            f"startup is less than desired GPU memory utilization ({fraction}, {allowed / GIB:.2f} GiB). Decrease GPU memory "
            "utilization or reduce GPU memory used by other processes."
        )
    cache = allowed - weights - _VLLM_OVERHEAD_BYTES
    if cache <= 0:
        raise RefusedError(
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
            "initializing the engine."
        )
    tokens = int(cache / token) // 16 * 16
    context = settings.context_tokens or model.context_tokens
    if context > tokens:
        raise RefusedError(
            f"ValueError: To serve at least one request with the models's max seq len ({context}), "
            f"({context * token / GIB:.2f} GiB KV cache is needed, which is larger than the available KV cache memory "
            f"({cache / GIB:.2f} GiB). Based on the available memory, the estimated maximum model length is {tokens}. "
            "Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine."
        )
    return Demand(fraction, weights, cache, allowed, tokens, context)
