"""The log that an operator of SGLang or vLLM knows: the same stages, in the same form, in the same order."""

import json
import logging.config
import os
import sys
import threading
import time
from pathlib import Path

from engine_simulator.cards import GIB, Card
from engine_simulator.identity import Identity
from engine_simulator.memory import Demand
from engine_simulator.model import Model
from engine_simulator.settings import Settings


class Log:
    """Writes lines as the engine does: vLLM to standard output, SGLang to standard error."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._lock = threading.Lock()
        # SGLang's own format goes with its rank, a configuration takes the place of both.
        self._configured = os.environ.get("SGLANG_LOGGING_CONFIG_PATH") if not identity.is_vllm else None
        if self._configured:
            logging.config.dictConfig(json.loads(Path(self._configured).read_text(encoding="utf-8")))

    def line(self, text: str) -> None:
        """Write a line as it is."""
        stream = sys.stdout if self.identity.is_vllm else sys.stderr
        with self._lock:
            stream.write(text + "\n")
            stream.flush()

    def say(self, text: str, who: str = "", level: str = "INFO", logger: str = "sglang.srt") -> None:
        """Write a line of the engine's logger. who: the process that says it ("Worker_TP0", "TP0")."""
        if self._configured:
            logging.getLogger(logger).log(logging.getLevelName(level), text)
        elif self.identity.is_vllm:
            prefix = f"({who or 'APIServer'} pid={os.getpid()}) "
            self.line(f"{prefix}{level} {time.strftime('%m-%d %H:%M:%S')} [simulator.py:1] {text}")
        else:
            rank = f" {who}" if who else ""
            noted = "" if level == "INFO" else f"{level}: "
            self.line(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}{rank}] {noted}{text}")

    def traceback(self, text: str, who: str = "") -> None:
        """Write an error as the engine leaves it: the cause up in the log, and less at its end."""
        if self.identity.is_vllm:
            process = who or "EngineCore_DP0"
            for part in (
                "EngineCore failed to start.",
                "Traceback (most recent call last):",
                *text.splitlines(),
            ):
                self.say(part, process, "ERROR")
            last = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
            self.line(f"(APIServer pid={os.getpid()}) Traceback (most recent call last):")
            self.line(f"(APIServer pid={os.getpid()}) {last}")
        else:
            self.say("Scheduler hit an exception: Traceback (most recent call last):", who or "TP0")
            self.line(f"{text}\n")
            self.say("Received sigquit from a child process. It usually means the child failed.")

    def bar(self, what: str, part: int, whole: int, who: str) -> None:
        """Write one step of a progress bar."""
        percent = 100 * part // whole
        self.line(
            f"{f'({who} pid={os.getpid()}) ' if self.identity.is_vllm else ''}{what}: {percent:3}% Completed | {part}/{whole} [00:00<00:00,  9.99it/s]"
        )

    # --- stages ---

    def begin(self, settings: Settings) -> None:
        self.say(self.identity.notice)
        if self.identity.is_vllm:
            self.say(f"vLLM API server version {self.identity.version}")
            hidden = {"api-key": "***"} if self.identity.at_least("0.32.0") else {}
            shown = {
                name.replace("-", "_"): hidden.get(name, value) for name, value in settings.given.items()
            }
            self.say(f"non-default args: {shown}")
        else:
            # With the key, in every release: srt/entrypoints/engine.py.
            told = {name.replace("-", "_"): value for name, value in settings.given.items()}
            listed = ", ".join(f"{name}={value!r}" for name, value in told.items())
            said = told if self.identity.at_least("0.5.23") else f"ServerArgs({listed})"
            self.say(f"server_args={said}", logger="sglang.srt.entrypoints.engine")

    def device(self, settings: Settings, model: Model, card: Card, tuned: str | None) -> None:
        if self.identity.is_vllm:
            self.say(f"Resolved architecture: {model.architecture}")
            self.say(
                f"Initializing a V1 LLM engine (v{self.identity.version}) with config: model={settings.model!r}",
                "EngineCore_DP0",
            )
            self.say("vLLM is using nccl==2.28.9", "Worker_TP0")
            if tuned:
                self.say(
                    f"Using default MoE config. Performance might be sub-optimal! Config file not found at {tuned}",
                    "Worker_TP0",
                    "WARNING",
                )
        else:
            self.say("Init torch distributed begin.", "TP0")
            self.say("sglang is using nccl==2.28.9", "TP0")
            self.say(
                f"Init torch distributed ends. mem usage=0.60 GB, avail mem={card.free_bytes() / GIB:.2f} GB",
                "TP0",
            )
            if tuned:
                self.say(
                    f"Using default MoE kernel config. Performance might be sub-optimal! Config file not found at {tuned}",
                    "TP0",
                    "WARNING",
                )

    def begin_loading(self, card: Card, model: Model) -> None:
        if self.identity.is_vllm:
            self.say(f"Starting to load model {model.folder}...", "Worker_TP0")
        else:
            self.say(f"Load weight begin. avail mem={card.free_bytes() / GIB:.2f} GB", "TP0")

    def shard(self, part: int, whole: int) -> None:
        self.bar("Loading safetensors checkpoint shards", part, whole, "Worker_TP0")

    def end_loading(self, card: Card, model: Model, demand: Demand, seconds: float) -> None:
        size = demand.weight_bytes / GIB
        if self.identity.is_vllm:
            self.say(f"Loading weights took {seconds:.2f} seconds", "Worker_TP0")
            self.say(f"Model loading took {size:.4f} GiB and {seconds:.6f} seconds", "Worker_TP0")
        else:
            free = card.free_bytes() / GIB
            self.say(
                f"Load weight end. type={model.architecture}, dtype=torch.bfloat16, avail mem={free:.2f} GB, mem usage={size:.2f} GB.",
                "TP0",
            )

    def cache(self, settings: Settings, card: Card, demand: Demand) -> None:
        size, dtype = demand.cache_bytes / GIB, settings.kv_cache_dtype
        if self.identity.is_vllm:
            self.say("torch.compile takes 0.10 s in total", "Worker_TP0")
            self.say(f"Available KV cache memory: {size:.2f} GiB", "Worker_TP0")
            self.say(f"GPU KV cache size: {demand.tokens:,} tokens", "EngineCore_DP0")
            ratio = demand.tokens / demand.context_tokens
            self.say(
                f"Maximum concurrency for {demand.context_tokens:,} tokens per request: {ratio:.2f}x",
                "EngineCore_DP0",
            )
        else:
            self.say(f"Using KV cache dtype: {dtype}", "TP0")
            self.say(
                f"KV Cache is allocated. #tokens: {demand.tokens}, K size: {size / 2:.2f} GB, V size: {size / 2:.2f} GB",
                "TP0",
            )
            self.say(f"Memory pool end. avail mem={card.free_bytes() / GIB:.2f} GB", "TP0")

    def begin_capture(self, card: Card) -> None:
        if not self.identity.is_vllm:
            self.say(
                f"Capture cuda graph begin. This can take up to several minutes. avail mem={card.free_bytes() / GIB:.2f} GB",
                "TP0",
            )

    def capture(self, part: int, whole: int) -> None:
        what = (
            "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE)"
            if self.identity.is_vllm
            else "Capturing batches (bs=8)"
        )
        self.bar(what, part, whole, "Worker_TP0")

    def end_capture(self, card: Card, settings: Settings, demand: Demand, seconds: float) -> None:
        if self.identity.is_vllm:
            self.say(f"Graph capturing finished in {seconds:.0f} secs, took 0.51 GiB", "Worker_TP0")
            self.say(
                f"init engine (profile, create kv cache, warmup model) took {seconds:.2f} seconds",
                "EngineCore_DP0",
            )
        else:
            self.say(
                f"Capture cuda graph end. Time elapsed: {seconds:.2f} s. mem usage=0.51 GB. avail mem={card.free_bytes() / GIB:.2f} GB.",
                "TP0",
            )
            running = settings.max_requests or 2048
            self.say(
                f"max_total_num_tokens={demand.tokens}, chunked_prefill_size={settings.given.get('chunked-prefill-size', 8192)}, "
                f"max_prefill_tokens=16384, max_running_requests={running}, context_len={demand.context_tokens}, "
                f"available_gpu_mem={card.free_bytes() / GIB:.2f} GB",
                "TP0",
            )

    def serving(self, settings: Settings) -> None:
        if self.identity.is_vllm:
            self.say(f"Starting vLLM API server 0 on http://{settings.host}:{settings.port}")
        for text in (
            f"Started server process [{os.getpid()}]",
            "Waiting for application startup.",
            "Application startup complete.",
        ):
            self.line(f"{f'(APIServer pid={os.getpid()}) ' if self.identity.is_vllm else ''}INFO:     {text}")
        if not self.identity.is_vllm:
            self.line(
                f"INFO:     Uvicorn running on http://{settings.host}:{settings.port} (Press CTRL+C to quit)"
            )

    def warm(self) -> None:
        if not self.identity.is_vllm:
            self.say("The server is fired up and ready to roll!")

    def request(self, client: str, method: str, path: str, status: int) -> None:
        self.line(f'INFO:     {client} - "{method} {path} HTTP/1.1" {status} OK')
