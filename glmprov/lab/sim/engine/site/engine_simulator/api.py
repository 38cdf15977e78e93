"""The engine's HTTP server: the OpenAI API, health and metrics."""

import json
import socketserver
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engine_simulator import answers, faults
from engine_simulator.forms import Chat, Completion, Form
from engine_simulator.log import Log
from engine_simulator.metrics import Metrics
from engine_simulator.settings import Settings


@dataclass
class Engine:
    """What requests need to know. is_ready: the warm-up is done. described: what a fault's word is looked for in."""

    settings: Settings
    log: Log
    context_tokens: int
    described: str
    is_ready: bool = False
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.settings)

    def fault(self) -> faults.Fault:
        return faults.now(self.described)


class Server(ThreadingHTTPServer):
    """Bound at once, so that a port that is taken is known before anything is loaded; listens when told to."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        super().__init__((engine.settings.host, engine.settings.port), _Handler, bind_and_activate=False)
        self.server_bind()

    def server_bind(self) -> None:
        # The name of the address isn't asked for: a host without DNS answers that late.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no error."""


class _RefusalError(Exception):
    def __init__(self, status: int, kind: str, text: str) -> None:
        super().__init__(text)
        self.status, self.kind = status, kind


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        settings, path = self._settings, self.path.partition("?")[0]
        pages: dict[str, Callable[[], None]] = {
            "/health": self._health,
            "/v1/models": self._models,
            "/version": lambda: self._json(
                {"version": settings.identity.version, "simulated": settings.identity.notice}
            ),
            "/metrics": self._metrics,
            "/ping": self._health,
        }
        if not settings.identity.is_vllm:
            about = {
                "model_path": settings.model,
                "is_generation": True,
                "version": settings.identity.version,
            }
            about["simulated"] = settings.identity.notice
            for name in ("/model_info", "/get_model_info", "/server_info", "/get_server_info"):
                pages[name] = lambda: self._json(about)
            pages["/health_generate"] = self._health
        self._answer(path, pages)

    def do_POST(self) -> None:
        pages = {"/v1/chat/completions": self._chat, "/v1/completions": self._complete}
        self._answer(self.path.partition("?")[0], pages)

    def _answer(self, path: str, pages: dict[str, Callable[[], None]]) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._body = self.rfile.read(length)
        self._status = 200
        try:
            if not self._is_admitted(path):
                self._json({"error": "Unauthorized"}, 401)
            elif path not in pages:
                self._json({"detail": "Not Found"}, 404)
            else:
                pages[path]()
        except _RefusalError as refusal:
            error = {"message": str(refusal), "type": refusal.kind, "param": None, "code": refusal.status}
            is_vllm = self._settings.identity.is_vllm
            self._json({"error": error} if is_vllm else {"object": "error", **error}, refusal.status)
        self._engine.log.request(self.address_string(), self.command, path, self._status)

    def _is_admitted(self, path: str) -> bool:
        """vLLM guards what begins with /v1 and nothing else; SGLang all but health and metrics."""
        keys = self._settings.api_keys
        is_guarded = (
            path.startswith("/v1")
            if self._settings.identity.is_vllm
            else not path.startswith(("/health", "/metrics"))
        )
        return (
            not keys
            or not is_guarded
            or self.headers.get("Authorization") in {f"Bearer {key}" for key in keys}
        )

    # --- pages ---

    def _health(self) -> None:
        self._send(b"", "text/plain", 200 if self._engine.is_ready else 503)

    def _metrics(self) -> None:
        if not self._settings.identity.is_vllm and "enable-metrics" not in self._settings.given:
            self._json({"detail": "Not Found"}, 404)
        else:
            self._send(self._engine.metrics.text().encode(), "text/plain; version=0.0.4; charset=utf-8")

    def _models(self) -> None:
        settings = self._settings
        model = {
            "id": settings.served_name,
            "object": "model",
            "created": int(time.time()),
            "root": settings.model,
        }
        model |= {
            "owned_by": "glmprov engine simulator",
            "parent": None,
            "max_model_len": self._engine.context_tokens,
        }
        self._json({"object": "list", "data": [model]})

    def _complete(self) -> None:
        asked = self._asked()
        prompt = asked.get("prompt", "")
        question = prompt if isinstance(prompt, str) else str(prompt[0])
        said = answers.answer(question, [], None, thinks=False, fault=self._engine.fault())
        text = said.text if not said.text or said.text == answers.GARBAGE else f" {said.text}"
        self._generate(asked, question, text, Completion(self._settings.served_name))

    def _chat(self) -> None:
        asked = self._asked()
        question = _last_words(asked.get("messages", []))
        tools, choice = asked.get("tools") or [], asked.get("tool_choice")
        self._check_tools(tools, choice)
        thinks = asked.get("chat_template_kwargs", {}).get("enable_thinking", True)
        was_answered = any(message.get("role") == "tool" for message in asked.get("messages", []))
        said = answers.answer(
            question, [] if was_answered else tools, choice, thinks=thinks, fault=self._engine.fault()
        )
        form = Chat(self._settings, said)
        self._generate(asked, question, form.content, form)

    def _check_tools(self, tools: list[Any], choice: Any) -> None:
        if not tools or not self._settings.identity.is_vllm or choice not in (None, "auto"):
            return
        if "enable-auto-tool-choice" not in self._settings.given or not self._settings.tool_parser:
            text = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            raise _RefusalError(400, "BadRequestError", text)

    def _asked(self) -> dict[str, Any]:
        """Return a request's JSON. Refuse what the engine refuses: no JSON, another model, too many tokens."""
        try:
            asked = json.loads(self._body)
        except ValueError:
            raise _RefusalError(400, "BadRequestError", "the body is not valid JSON") from None
        model = asked.get("model")
        if self._settings.identity.is_vllm and model not in (None, self._settings.served_name):
            raise _RefusalError(404, "NotFoundError", f"The model `{model}` does not exist.")
        return dict(asked)

    def _generate(self, asked: dict[str, Any], question: str, text: str, form: Form) -> None:
        """Send the answer, at once or piece by piece, and count what was generated."""
        while not self._engine.is_ready:
            time.sleep(0.05)  # as a request that waits for an engine that hangs
        prompt = len(answers.tokens(question)) + 8
        limit = asked.get("max_completion_tokens") or asked.get("max_tokens") or 4096
        if prompt + (limit if limit != 4096 else 0) > self._engine.context_tokens:
            self._refuse_length(prompt, limit)
        pieces = answers.tokens(text)
        hidden = len(answers.tokens(form.hidden))
        if asked.get("ignore_eos") and pieces:
            pieces *= limit // len(pieces) + 1
        finish = "length" if len(pieces) > limit else form.finish
        pieces = pieces[:limit]
        used = {
            "prompt_tokens": prompt,
            "completion_tokens": len(pieces) + hidden,
            "total_tokens": prompt + len(pieces) + hidden,
        }
        with self._engine.metrics.request(prompt):
            self._engine.metrics.generated(hidden)
            if asked.get("stream"):
                self._stream(form, self._slowly(pieces), finish, used, asked)
            else:
                whole = "".join(self._slowly(pieces))
                self._json(form.whole(whole, finish, used))

    def _slowly(self, pieces: list[str]) -> Iterator[str]:
        for piece in pieces:
            fault = self._engine.fault()
            if fault.kind == "slow-tokens":
                time.sleep(fault.seconds)
            self._engine.metrics.generated(1)
            yield piece

    def _refuse_length(self, prompt: int, limit: int) -> None:
        longest = self._engine.context_tokens
        if self._settings.identity.is_vllm:
            text = f"max_tokens={limit} cannot be greater than max_model_len={longest} less {prompt} tokens of input."
        else:
            text = f"Requested token count exceeds the model's maximum context length of {longest} tokens."
        raise _RefusalError(400, "BadRequestError", text)

    def _stream(
        self, form: Form, pieces: Iterator[str], finish: str, used: dict[str, int], asked: dict[str, Any]
    ) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in form.before():
            self._event(event)
        for piece in pieces:
            self._event(form.piece(piece))
        self._event(form.last(finish))
        if (asked.get("stream_options") or {}).get("include_usage"):
            self._event(form.usage(used))
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        self._status = status
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @property
    def _engine(self) -> Engine:
        return self.server.engine

    @property
    def _settings(self) -> Settings:
        return self.server.engine.settings

    def log_message(self, *_: Any) -> None:
        """Said by Log instead."""


def _last_words(messages: list[dict[str, Any]]) -> str:
    """Return the last thing that a person or a tool said, as text."""
    said = [message for message in messages if message.get("role") in ("user", "tool")]
    content = said[-1].get("content", "") if said else ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
