"""What a launch asks of the cards: its split, its share of memory, its KV cache, its context. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from glmprov.engines.meaning import Engine, engine_of
from glmprov.engines.nccl import through_host_memory
from glmprov.errors import GlmprovError
from glmprov.fit.constants import constants
from glmprov.fit.layout import Layout
from glmprov.fit.version import default
from glmprov.recipe.launch import Launch, Value


class FitError(GlmprovError):
    """What a launch asks of the cards can't be told. The message holds every reason, one a line."""


@dataclass(frozen=True)
class Buffers:
    """What the environment says of NCCL's buffers. None: NCCL's default. on_host: they lie in the host's memory."""

    channels: int | None = None
    bytes: int | None = None
    on_host: bool = False


@dataclass(frozen=True)
class Asked:
    """A launch, understood.

    fraction: share of a card's memory, None where the engine computes it. draft_model: a model of its own that
    drafts. context_tokens: None for the model's own, 0 for as much as fits. not_counted: arguments that change memory
    and are left out.
    """

    engine: str
    version: str
    model: str
    layout: Layout
    fraction: float | None
    fraction_origin: str
    kv_type: str
    mtp: bool
    draft_model: str
    context_tokens: int | None
    prefill_tokens: int | None
    graph_requests: int | None
    buffers: Buffers
    not_counted: tuple[str, ...] = ()


def asked_by(launch: Launch) -> Asked:
    """Return what a launch asks. Raise FitError with every value that can't be understood."""
    if launch.engine not in constants().engines:
        raise FitError(
            f"an engine that starts itself ({launch.engine}) takes no arguments, so what it asks can't be known",
            next_step="fit a recipe of vllm or sglang",
        )
    reader = _Reader(launch)
    method, draft_model = reader.speculation()
    asked = Asked(
        engine=launch.engine,
        version=launch.version,
        model=reader.text("model"),
        layout=reader.layout(),
        fraction=reader.fraction(),
        fraction_origin=reader.origin("memory_fraction"),
        kv_type=reader.text("kv_cache_type").lower() or "auto",
        mtp=method == "mtp",
        draft_model=draft_model,
        context_tokens=reader.tokens("context_tokens"),
        prefill_tokens=reader.count("prefill_tokens"),
        graph_requests=reader.count("graph_requests"),
        buffers=reader.buffers(),
        not_counted=tuple(
            each for each in constants().engines[launch.engine].not_counted if each in launch.arguments
        ),
    )
    if reader.faults:
        raise FitError("\n".join(reader.faults))
    return asked


class _Reader:
    """Reads values by their meaning, and collects what can't be read."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.engine: Engine = engine_of(launch)
        self.faults: list[str] = []

    def value(self, meaning: str) -> Value | None:
        given = self.engine.given(self.launch, meaning)
        return given[-1] if isinstance(given, tuple) else given

    def origin(self, meaning: str) -> str:
        name = self.engine.name_in(self.launch, meaning)
        return "the engine's default" if name is None else self.launch.origin(f"arguments.{name}")

    def text(self, meaning: str) -> str:
        value = self.value(meaning)
        return value if isinstance(value, str) else ""

    def count(self, meaning: str) -> int | None:
        text = self._number(meaning, r"-?\d+")
        return None if text is None else int(text)

    def decimal(self, meaning: str) -> float | None:
        text = self._number(meaning, r"0?\.\d+|[01](\.0*)?")
        return None if text is None else float(text)

    def fraction(self) -> float | None:
        """Return the share of memory that is given, else the release's default; None: it computes one."""
        name = self.engine.written("memory_fraction")
        if name is None or self.value("memory_fraction") is not None:
            return self.decimal("memory_fraction")
        standard = default(self.launch.engine, self.launch.version, name)
        return None if standard is None else float(standard)

    def _number(self, meaning: str, form: str) -> str | None:
        text = self.text(meaning)
        given = self.value(meaning)
        if given in (True, ""):
            self.faults.append(f"--{self.engine.name_in(self.launch, meaning)}: without a number")
            return None
        if text and not re.fullmatch(form, text):
            self.faults.append(f"--{self.engine.name_in(self.launch, meaning)} {text}: no such number")
            return None
        return text or None

    def tokens(self, meaning: str) -> int | None:
        """Return a number of tokens. vLLM reads 32k as 32,000 and 32K as 32,768; auto and -1: what fits."""
        text = self.text(meaning)
        if text.lower() == "auto" or text == "-1":
            return 0
        scaled = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM])", text)
        if scaled:
            return int(float(scaled[1]) * {"k": 1000, "K": 1024, "m": 1000**2, "M": 1024**2}[scaled[2]])
        return self.count(meaning)

    def layout(self) -> Layout:
        tensor, pipeline, data = (
            max(1, self.count(meaning) or 1)
            for meaning in ("tensor_parallel", "pipeline_parallel", "data_parallel")
        )
        vllm = self.launch.engine == "vllm"
        switched = self.value("expert_parallel") is True
        expert = (tensor * data if switched else 1) if vllm else max(1, self.count("expert_parallel") or 1)
        inside = self.value("data_parallel_attention") is True
        return Layout(tensor, pipeline, data, expert, vllm and data > 1, inside)

    def speculation(self) -> tuple[str, str]:
        """Return "mtp", "draft" or "" and the draft's id. SGLang's EAGLE without a draft model is MTP."""
        given = self.text("speculation")
        if not given:
            return "", ""
        if self.launch.engine == "sglang":
            draft = self.text("draft_model")
            drafts = given.upper() not in ("NGRAM", "LOOKAHEAD")
            return ("draft" if draft else "mtp" if drafts else ""), draft
        try:
            configuration: Mapping[str, object] = json.loads(given)
        except ValueError:
            self.faults.append(f"--speculative-config {given}: no JSON")
            return "", ""
        method, draft = str(configuration.get("method", "")), str(configuration.get("model", ""))
        return ("mtp" if method.endswith("mtp") else "draft" if draft else ""), draft

    def buffers(self) -> Buffers:
        return Buffers(
            self._variable("NCCL_MAX_NCHANNELS") or self._variable("NCCL_MIN_NCHANNELS"),
            self._variable("NCCL_BUFFSIZE"),
            through_host_memory(self.launch.environment),
        )

    def _variable(self, name: str) -> int | None:
        text = self.launch.environment.get(name)
        if text is None:
            return None
        if not text.isdecimal():
            self.faults.append(f"{name}={text}: no such number")
            return None
        return int(text)
