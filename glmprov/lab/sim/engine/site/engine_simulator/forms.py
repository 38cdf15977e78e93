"""The forms in which the OpenAI API gives an answer: whole, or event by event."""

import json
import time
import uuid
from typing import Any, Protocol

from engine_simulator.answers import Answer
from engine_simulator.settings import Settings

# Of these no engine of its time read GLM-4.7's calls: it leaves out the line break that glm45 waits for.
_DEAF_PARSERS = {"vllm": ("glm45", "0.33.0"), "sglang": ("glm45", "9")}


class Form(Protocol):
    """How an answer is given. hidden is what was generated and isn't content, finish why it ends."""

    hidden: str
    finish: str

    def whole(self, text: str, finish: str, used: dict[str, int]) -> dict[str, Any]: ...

    def before(self) -> list[dict[str, Any]]: ...

    def piece(self, text: str) -> dict[str, Any]: ...

    def last(self, finish: str) -> dict[str, Any]: ...

    def usage(self, used: dict[str, int]) -> dict[str, Any]: ...


class Completion:
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


class Chat:
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
