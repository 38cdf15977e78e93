"""What a person should know beside the verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.catalog.models import Model
from glmprov.fit.asked import Asked
from glmprov.fit.constants import GIB, constants
from glmprov.fit.memory import Pool, kv_type
from glmprov.fit.terms import drafts


def notes(model: Model, asked: Asked, left: Pool) -> Iterator[str]:
    """Yield what the numbers don't say, or say with less certainty than it looks."""
    yield from _context(model, asked, left)
    yield from _drafting(asked)
    yield from _sizes(model, asked)


def _context(model: Model, asked: Asked, left: Pool) -> Iterator[str]:
    engine = constants().engines[asked.engine]
    context = asked.context_tokens or model.shape.max_positions
    if not engine.context_must_fit and context > left.tokens > 0:
        whose = "set to" if asked.context_tokens else "the model's own"
        yield (
            f"the context is {whose} {context:,} tokens, but the pool holds {left.tokens:,}: longer prompts are "
            "refused one by one"
        )
    if left.low_tokens <= 0 < left.tokens:
        yield "by the range of what is fitted it may not start"
    if engine.context_must_fit and asked.context_tokens != 0 and left.tokens < context <= left.high_tokens:
        yield f"by the range of what is fitted it may start: the pool holds {left.high_tokens:,} tokens at best"


def _drafting(asked: Asked) -> Iterator[str]:
    engine = constants().engines[asked.engine]
    if asked.mtp and not engine.counts_draft(asked.version):
        yield (
            f"{asked.engine} {asked.version} makes the pool before it loads the layer for MTP: the layer and its cache "
            f"come out of what is kept free ({engine.draft_counted_source})"
        )
    if asked.draft_model:
        yield f"the draft model {asked.draft_model} isn't counted: its size is unknown"
    if drafts(asked) and asked.engine == "vllm":
        yield "vLLM's overhead was fitted without MTP"


def _sizes(model: Model, asked: Asked) -> Iterator[str]:
    name = kv_type(model, asked)
    if name not in constants().kv_cache_bytes:
        yield f"KV cache type {name}: its size isn't known, 16 bits an element are taken"
    if asked.not_counted:
        yield f"not counted: {', '.join(f'--{each}' for each in asked.not_counted)}"
    if model.how == "estimated":
        yield f"the weights of {model.id} are estimated" + (f": {model.note}" if model.note else "")
    if asked.buffers.on_host and asked.buffers.bytes:
        size = (asked.buffers.channels or constants().nccl["channels"]) * asked.buffers.bytes / GIB
        yield (
            f"NCCL takes up to {size:.1f} GiB of the host's memory a GPU, in a container of /dev/shm: it needs "
            "--ipc=host or --shm-size"
        )
    if asked.layout.tensor != 4:
        yield "the overhead was fitted with tensor parallel 4 on GLM-4.7"
