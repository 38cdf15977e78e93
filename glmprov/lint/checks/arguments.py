"""Rules about arguments and what they say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from glmprov.engines.version import in_range
from glmprov.lint.finding import Answer, unknown
from glmprov.lint.situation import Situation
from glmprov.recipe import Value

PLACEHOLDERS = ("/path/to/", "<", "YOUR_")
"""How published commands say "put your own here"."""


def placeholder_left(situation: Situation) -> Iterator[Answer]:
    """No value may be what the author left for the reader to fill in."""
    launch = situation.launch
    kinds: Mapping[str, Mapping[str, Value]] = {
        "arguments": launch.arguments, "options": launch.options, "environment": launch.environment,
    }  # fmt: skip
    for kind, given in kinds.items():
        for name, value in given.items():
            texts = value if isinstance(value, tuple) else (value,)
            for text in texts:
                if isinstance(text, str) and text.startswith(PLACEHOLDERS):
                    yield Answer(True, place=f"{kind}.{name}", values={"value": text})


def kv_e5m2_on_fp8_checkpoint(situation: Situation) -> Iterator[Answer]:
    """It was refused for every model served with `--quantization fp8`, later for some checkpoints only."""
    version, model = situation.version, situation.target.model
    if version and in_range(version, ">0.23.0, <0.32.0"):
        yield unknown(f"nobody has looked whether vLLM {version} still refuses it")
        return
    by_flag = situation.argument("quantization") == "fp8"
    what = "--quantization fp8" if by_flag or model is None else f"{model.id} ({model.method})"
    yield Answer(True, values={"what": what})


def nvfp4_batch_beyond_graphs(situation: Situation) -> Iterator[Answer]:
    """No more requests at once than the largest CUDA graph holds."""
    requests, graphs = situation.count("max_requests", 0), situation.count("cuda-graph-max-bs", 0)
    if not requests or requests > graphs:
        yield Answer(True, values={"requests": requests or "any number of", "graphs": graphs})


def open_without_key(situation: Situation) -> Iterator[Answer]:
    """An engine may take its key from the environment."""
    variable = situation.engine.api_key_environment
    if variable is None or variable not in situation.environment:
        port = situation.argument("port") or situation.engine.default_port
        yield Answer(True, values={"port": port})


def kv_scales_not_loaded(situation: Situation) -> Iterator[Answer]:
    """Releases failed in one way, later in another, and then no more."""
    version = situation.version
    if in_range(version, ">=0.24, <0.32.0"):
        yield unknown(f"nobody has looked whether vLLM {version} loads them")
        return
    early = in_range(version, "<=0.16.0")
    what = (
        "KeyError: … qkv_proj.k_scale" if early else "TypeError: weight_loader() takes 2 positional arguments"
    )
    yield Answer(True, values={"what": what})


def kv_scales_one(situation: Situation) -> Iterator[Answer]:
    """A checkpoint may hold no scales, and SGLang drops those that are there."""
    model = situation.target.model
    if model is None or (model.kv_scales is None and situation.launch.engine == "vllm"):
        yield unknown(f"nobody has looked whether {situation.model} holds KV scales")
    elif model.kv_scales is False:
        yield Answer(True, values={"what": f"{model.id} holds none"})
    elif situation.launch.engine == "sglang":
        yield Answer(
            True, values={"what": f"SGLang drops those of GLM-4.7 checkpoints when it loads {model.id}"}
        )
