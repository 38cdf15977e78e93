"""docs/fit.md, made from the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from glmprov.catalog.models import models
from glmprov.engines.flags import versions
from glmprov.fit.asked import asked_by
from glmprov.fit.cards import card_named
from glmprov.fit.constants import GIB, constants
from glmprov.fit.layout import Layout, faults
from glmprov.fit.suggesting import suggestions
from glmprov.fit.verdict import fit
from glmprov.fit.version import default
from glmprov.fit.which import model_of
from glmprov.recipe.launch import Launch

_FP8 = "zai-org/GLM-4.7-FP8"
_TENSOR = (2, 4, 8, 16)

_INTRODUCTION = """\
# Does it fit?

Made from `glmprov/catalog/` by `make docs`.

    glmprov recipe fit recipe-1 --gpus 4 --card Server      # on cards that nobody has to reach
    glmprov recipe fit recipe-1 -i rigs.ini                 # which hosts can run it, and why the others can't
    glmprov recipe fit recipe-3 --gpus 4 --context 100000   # exit 1: such a prompt wouldn't be admitted
    glmprov recipe suggest --for speed --gpus 4             # what is recommended, both sides, and what fits

Nothing is measured here: it is arithmetic on a model's shape, an engine's own rule for its KV pool, and one constant
an engine that was *fitted* to a published run. The constant is marked and has a range, which is carried through to
the tokens. `--set`, `--model` (also a folder here, with its `config.json` and shards) and `--as-published` change what
is held against the cards. Exit 0: it fits; 1: it doesn't, or with an inventory: no host can run it.

With an inventory the memory is read from the cards, and so is what others hold of it. Then the way in is told:
*start* (nothing runs), *side by side*, *one socket at a time* (one set of cards is replaced while the other serves),
or *swap*.
"""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join(
        (
            _INTRODUCTION,
            "## GLM-4.7 FP8 on four cards, FP8 KV cache\n",
            "The longest prompt that SGLang admits, tensor parallel 4; in brackets by the range of what is fitted.\n",
            _rows(("memory fraction", "without MTP", "with MTP"), _tokens()),
            "## What an engine keeps\n",
            _rows(("engine", "rule", "fitted", "range", "so that this comes out"), _kept()),
            _shares(),
            "## Models\n",
            _rows(
                ("id", "quantization", "weights", "MTP layer", "known", "KV cache for `auto`", "note"),
                _models(),
            ),
            *(f"`{each.id}`: {each.reason}.\n" for each in models().absent.values()),
            "## Splits\n",
            "What a model's own divisors refuse of tensor parallel 2, 4, 8 and 16, and of expert parallel 4 and 8.\n"
            "Pipeline and data parallel multiply what is left: `--dp 2` with tensor parallel 4 takes 8 GPUs.\n"
            "`recipe fit --gpus 8` shows all splits that fill the GPUs, and whether they fit.\n",
            _rows(("model", "refused"), _splits()),
            "## What is recommended\n",
            "By the recipe book; `recipe suggest` shows what was measured for it and against it.\n",
            _rows(("for", "scenario", "recommended", "to be avoided", "recipes"), _recommended()),
        )
    )


def _tokens() -> Iterator[Sequence[object]]:
    for thousandths in (880, 900, 920, 950, 970):
        share = thousandths / 1000
        yield share, _admitted(share, {}), _admitted(share, {"speculative-algorithm": "EAGLE"})


def _admitted(share: float, more: dict[str, str]) -> str:
    arguments = {
        "model-path": _FP8, "tp-size": "4", "kv-cache-dtype": "fp8_e4m3", "mem-fraction-static": str(share), **more
    }  # fmt: skip
    model, _ = model_of(_FP8)
    found = fit(model, asked_by(Launch("sglang", "", arguments=arguments)), card_named("Server")[1])
    if not found.fits:
        return "doesn't start"
    return f"{found.context_tokens:,} ({found.low_tokens:,} to {found.high_tokens:,})"


def _kept() -> Iterator[Sequence[object]]:
    for engine in constants().engines.values():
        kept = engine.overhead
        span = f"{kept.low_bytes / GIB:.2f} to {kept.high_bytes / GIB:.2f} GiB"
        yield (
            engine.name,
            engine.rule,
            f"{kept.what}: {kept.bytes / GIB:g} GiB",
            span,
            f"{kept.evidence} ({kept.source})",
        )


def _shares() -> str:
    shares = {version: default("vllm", version, "gpu-memory-utilization") for version in versions("vllm")}
    told = "; ".join(f"{version} {share}" for version, share in shares.items())
    return (
        f"The default share of a card's memory in vLLM: {told}. SGLang computes its own from what it keeps\n"
        "for prefill, graphs and drafting. NCCL's buffers, where the environment enlarges them, are counted as an\n"
        "upper bound; with P2P off they lie in the host's shared memory.\n"
    )


def _models() -> Iterator[Sequence[object]]:
    for model in models().known.values():
        mtp = "none" if model.mtp_bytes is None else f"{model.mtp_bytes / GIB:.1f} GiB"
        yield (
            f"`{model.id}`", model.quantization, f"{model.weight_bytes / GIB:.1f} GiB", mtp, model.how, model.kv_auto,
            model.note,
        )  # fmt: skip


def _splits() -> Iterator[Sequence[object]]:
    for model in models().known.values():
        refused = [
            fault
            for layout in (*map(Layout, _TENSOR), Layout(4, expert=4), Layout(8, expert=8))
            for fault in faults(model, layout)
        ]
        yield f"`{model.id}`", "; ".join(dict.fromkeys(refused)) or "none of them"


def _recommended() -> Iterator[Sequence[object]]:
    for purpose in suggestions().purposes.values():
        yield (
            purpose.name, purpose.scenario, f"{', '.join(purpose.recommended)}, {purpose.how}",
            ", ".join(purpose.avoid), ", ".join(purpose.recipes),
        )  # fmt: skip


def _rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)
