"""What the engine counts, under the engine's own names, as Prometheus reads it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from engine_simulator.settings import Settings


class Metrics:
    """Counters of one engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.running = 0
        self.prompt_tokens = 0
        self.generated_tokens = 0
        self.requests = 0

    @contextmanager
    def request(self, prompt_tokens: int) -> Iterator[None]:
        """Count a request while it runs."""
        with self._lock:
            self.running += 1
            self.requests += 1
            self.prompt_tokens += prompt_tokens
        try:
            yield
        finally:
            with self._lock:
                self.running -= 1

    def generated(self, tokens: int) -> None:
        with self._lock:
            self.generated_tokens += tokens

    def text(self) -> str:
        """Return all of it in Prometheus' text form."""
        if self._settings.identity.is_vllm:
            rows = [
                ("vllm:num_requests_running", "gauge", self.running),
                ("vllm:num_requests_waiting", "gauge", 0),
                ("vllm:kv_cache_usage_perc", "gauge", 0.01 * self.running),
                ("vllm:prompt_tokens_total", "counter", self.prompt_tokens),
                ("vllm:generation_tokens_total", "counter", self.generated_tokens),
                ("vllm:request_success_total", "counter", self.requests - self.running),
            ]
        else:
            rows = [
                ("sglang:num_running_reqs", "gauge", self.running),
                ("sglang:num_queue_reqs", "gauge", 0),
                ("sglang:token_usage", "gauge", 0.01 * self.running),
                ("sglang:gen_throughput", "gauge", 0.0),
                ("sglang:prompt_tokens_total", "counter", self.prompt_tokens),
                ("sglang:generation_tokens_total", "counter", self.generated_tokens),
                ("sglang:num_requests_total", "counter", self.requests),
            ]
        label = f'{{model_name="{self._settings.served_name}"}}'
        lines = [
            f"# HELP glmprov_simulated {self._settings.identity.notice}",
            "# TYPE glmprov_simulated gauge",
            "glmprov_simulated 1",
        ]
        for name, kind, value in rows:
            lines += [f"# HELP {name} Simulated.", f"# TYPE {name} {kind}", f"{name}{label} {float(value)}"]
        return "\n".join(lines) + "\n"
