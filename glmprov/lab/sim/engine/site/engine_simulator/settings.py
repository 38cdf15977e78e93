"""What a launch says, in one form for both engines: the few arguments that change what the simulator does."""

import os
from dataclasses import dataclass
from typing import Any

from engine_simulator.identity import Identity

# What both call by different names; SGLang changed some of its own in 0.5.14.
_NAMES = {
    "vllm": {
        "model": ("model",),
        "tensor_parallel": ("tensor-parallel-size",),
        "pipeline_parallel": ("pipeline-parallel-size",),
        "data_parallel": ("data-parallel-size",),
        "context_tokens": ("max-model-len",),
        "memory_fraction": ("gpu-memory-utilization",),
        "max_requests": ("max-num-seqs",),
        "expert_parallel": ("enable-expert-parallel",),
    },
    "sglang": {
        "model": ("model-path",),
        "tensor_parallel": ("tp-size", "tensor-parallel-size"),
        "pipeline_parallel": ("pp-size", "pipeline-parallel-size"),
        "data_parallel": ("dp-size", "data-parallel-size"),
        "context_tokens": ("context-length",),
        "memory_fraction": ("mem-fraction-static",),
        "max_requests": ("max-running-requests",),
        "expert_parallel": ("ep-size", "expert-parallel-size"),
    },
}
_DEFAULT_PORTS = {"vllm": 8000, "sglang": 30000}


@dataclass(frozen=True)
class Settings:
    """given are all arguments by their full names without dashes, as far as the command line has them."""

    identity: Identity
    given: dict[str, Any]
    model: str
    served_name: str
    host: str
    port: int
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    context_tokens: int | None
    memory_fraction: float | None
    max_requests: int | None
    expert_parallel: bool
    kv_cache_dtype: str
    quantization: str | None
    tool_parser: str | None
    reasoning_parser: str | None
    api_keys: tuple[str, ...]

    @property
    def ranks(self) -> int:
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @property
    def speculates_with_mtp(self) -> bool:
        """Whether the model's own draft layer is loaded."""
        if self.identity.is_vllm:
            return "mtp" in str(self.given.get("speculative-config", ""))
        return str(self.given.get("speculative-algorithm", "")).upper() in ("EAGLE", "NEXTN")

    @property
    def kv_element_bytes(self) -> int:
        return 1 if self.kv_cache_dtype.startswith("fp8") else 2


def of(identity: Identity, given: dict[str, Any]) -> Settings:
    """Return the settings of parsed arguments. Raise ValueError where a number is none."""
    names = _NAMES[identity.engine]

    def value(meaning: str) -> Any:
        return next((given[name] for name in names[meaning] if name in given), None)

    def number(meaning: str, default: int = 1) -> int:
        found = value(meaning)
        return default if found in (None, True) else int(str(found))

    model = str(value("model") or "")
    served = given.get("served-model-name") or model
    keys = _words(given.get("api-key"))
    if identity.is_vllm and not keys and os.environ.get("VLLM_API_KEY"):
        keys = (os.environ["VLLM_API_KEY"],)
    fraction, context = value("memory_fraction"), value("context_tokens")
    return Settings(
        identity=identity,
        given=given,
        model=model,
        served_name=_words(served)[0] if served else "",
        host=str(given.get("host") or ("0.0.0.0" if identity.is_vllm else "127.0.0.1")),
        port=int(given.get("port") or _DEFAULT_PORTS[identity.engine]),
        tensor_parallel=number("tensor_parallel"),
        pipeline_parallel=number("pipeline_parallel"),
        data_parallel=number("data_parallel"),
        context_tokens=_tokens(context),
        memory_fraction=None if fraction is None else float(fraction),
        max_requests=None if value("max_requests") is None else int(value("max_requests")),
        expert_parallel=value("expert_parallel") is True or number("expert_parallel") > 1,
        kv_cache_dtype=str(given.get("kv-cache-dtype") or "auto"),
        quantization=given.get("quantization") or None,
        tool_parser=given.get("tool-call-parser") or None,
        reasoning_parser=given.get("reasoning-parser") or None,
        api_keys=keys,
    )


def _words(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    return tuple(str(word) for word in value) if isinstance(value, (list, tuple)) else (str(value),)


def _tokens(value: Any) -> int | None:
    """Return a number of tokens; vLLM takes 32k (32,000) and 32K (32,768), and -1 or auto for what fits."""
    if value in (None, "auto", "-1", -1):
        return None
    text = str(value)
    factors = {"k": 1000, "m": 10**6, "K": 1024, "M": 1 << 20}
    return int(float(text[:-1]) * factors[text[-1]]) if text[-1:] in factors else int(text)
