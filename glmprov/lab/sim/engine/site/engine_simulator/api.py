"""The engine's HTTP server: the OpenAI API, health and metrics."""

import json
import socketserver
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engine_simulator import answers, faults
from engine_simulator.answers import Answer
from engine_simulator.log import Log
from engine_simulator.metrics import Metrics
from engine_simulator.settings import Settings

# Of these no engine of its time read GLM-4.7's calls: it leaves out the line break that glm45 waits for.
_DEAF_PARSERS = {"vllm": ("glm45", "0.33.0"), "sglang": ("glm45", "9")}


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
        self._generate(asked, question, text, _Completion(self._settings.served_name))

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
        form = _Chat(self._settings, said)
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

    def _generate(self, asked: dict[str, Any], question: str, text: str, form: Any) -> None:
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
        self, form: Any, pieces: Iterator[str], finish: str, used: dict[str, int], asked: dict[str, Any]
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


class _Completion:
    """The form of /v1/completions."""

    hidden, finish = "", "stop"

    def __init__(self, model: str) -> None:
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, text: str, finish: str, used: dict[str, int]) -> dict[str, Any]:
        return {**self._head, "choices": [self._choice(text, finish)], "usage": used}

    def before(self) -> list[dict[str, Any]]:
        return []

    def piece(self, text: str) -> dict[str, Any]:
        return {**self._head, "choices": [self._choice(text, None)]}

    def last(self, finish: str) -> dict[str, Any]:
        return {**self._head, "choices": [self._choice("", finish)]}

    def usage(self, used: dict[str, int]) -> dict[str, Any]:
        return {**self._head, "choices": [], "usage": used}

    def _choice(self, text: str, finish: str | None) -> dict[str, Any]:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}


class _Chat:
    """The form of /v1/chat/completions. hidden is what was generated and isn't content: thoughts and parsed calls."""

    def __init__(self, settings: Settings, said: Answer) -> None:
        self._settings = settings
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": settings.served_name,
        }
        self._thoughts = said.thoughts if settings.reasoning_parser else ""
        self._call = said.call if said.call and self._parses() else None
        raw = said.raw_call if said.call and not self._call and not settings.tool_parser else ""
        untold = f"<think>{said.thoughts}</think>" if said.thoughts and not settings.reasoning_parser else ""
        self.content = untold + (said.text or raw)
        self.hidden = self._thoughts + (said.raw_call if said.call and not raw else "")
        self.finish = "tool_calls" if self._call else "stop"

    def _parses(self) -> bool:
        """Tell whether the parser that was named finds the call. One for another model loses it without a word."""
        parser, identity = self._settings.tool_parser, self._settings.identity
        deaf, until = _DEAF_PARSERS[identity.engine]
        return parser in ("glm47", "auto") or (parser == deaf and identity.at_least(until))

    def _calls(self) -> list[dict[str, Any]]:
        assert self._call
        name, arguments = self._call
        function = {"name": name, "arguments": json.dumps(arguments)}
        return [{"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "index": 0, "function": function}]

    def _reasoning(self) -> dict[str, str]:
        if not self._thoughts:
            return {}
        newer = self._settings.identity.is_vllm and self._settings.identity.at_least("0.16.0")
        return {"reasoning_content": self._thoughts, **({"reasoning": self._thoughts} if newer else {})}

    def whole(self, text: str, finish: str, used: dict[str, int]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text or (None if self._call else "")}
        message |= self._reasoning()
        if self._call:
            message["tool_calls"] = self._calls()
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": used}

    def before(self) -> list[dict[str, Any]]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        if reasoning := self._reasoning():
            deltas.append(dict(reasoning))
        if self._call:
            deltas.append({"tool_calls": self._calls()})
        return [self._chunk(delta) for delta in deltas]

    def piece(self, text: str) -> dict[str, Any]:
        return self._chunk({"content": text})

    def last(self, finish: str) -> dict[str, Any]:
        return self._chunk({}, finish)

    def usage(self, used: dict[str, int]) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": used}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
