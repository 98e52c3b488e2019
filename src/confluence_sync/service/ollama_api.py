"""The routes of the Ollama bot: chat and generate answer from Confluence, models and pull are those of the Ollama behind."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from confluence_sync.llm import Model
from confluence_sync.llm_ollama import Ollama
from confluence_sync.service.calls import Call, Reply, as_response
from confluence_sync.service.fields import flag_field, text_field
from confluence_sync.service.openai_api import OpenAiApi, Pieces, messages_of
from confluence_sync.service.problems import Problem
from confluence_sync.service.streams import async_endpoint, event_stream, while_connected


@dataclass(frozen=True, slots=True)
class OllamaApi:
    """Answers come from the same place as the OpenAI-compatible ones; `model` is what writes them, or None."""

    answers: OpenAiApi
    model: Model | None

    async def chat(self, call: Call, request: Request) -> Response:
        """Without `stream` the older reply with `choices`; with `stream: true` JSON lines, as Ollama's clients read them today."""
        pieces = await self.answers.pieces(call, messages_of(call.body))
        if flag_field(call.body, "stream", default=False):
            return _lines(pieces, self._name(call), lambda text: {"message": {"role": "assistant", "content": text}})
        text = await while_connected(request, _text(pieces))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        now = datetime.now(UTC)
        head = {"id": f"chatcmpl-{int(now.timestamp() * 1000):x}", "object": "chat.completion", "created": int(now.timestamp())}
        return as_response(Reply({**head, "model": self._name(call), "choices": [choice], "message": choice["message"], "done": True}))

    async def generate(self, call: Call, request: Request) -> Response:
        prompt = text_field(call.body, "prompt")
        pieces = await self.answers.pieces(call, [{"role": "user", "content": prompt}])
        if flag_field(call.body, "stream", default=False):
            return _lines(pieces, self._name(call), lambda text: {"response": text})
        text = await while_connected(request, _text(pieces))
        return as_response(Reply({"model": self._name(call), "response": text, "done": True}))

    async def models(self, call: Call, request: Request) -> Response:
        if isinstance(self.model, Ollama):
            found = [{"name": name, "size": _size(size)} for name, size in await self.model.sizes()]
        else:
            found = [{"name": name, "size": ""} for name in (await self.model.models() if self.model else [])]
        return as_response(Reply({"models": found}))

    async def pull(self, call: Call, request: Request) -> Response:
        name = text_field({"model": call.body.get("model") or call.body.get("name")}, "model", most=200)
        if not isinstance(self.model, Ollama):
            raise Problem(422, "models are only loaded on an Ollama; set LITELLM_API_BASE to its address (http://ollama-service:11434)")
        return as_response(Reply({"status": await while_connected(request, self.model.pull(name))}))

    def _name(self, call: Call) -> str:
        asked = call.body.get("model")
        return asked if isinstance(asked, str) else self.model.name if self.model else "confluence"

    def routes(self) -> list[HttpRoute]:
        table = (
            ("POST", "/api/chat", self.chat),
            ("POST", "/api/generate", self.generate),
            ("GET", "/api/models", self.models),
            ("POST", "/api/pull", self.pull),
        )
        return [HttpRoute(path, async_endpoint(route), methods=[method]) for method, path, route in table]


async def _text(pieces: Pieces) -> str:
    async with aclosing(pieces):
        return "".join([piece async for piece in pieces if isinstance(piece, str)])


def _lines(pieces: Pieces, name: str, shape: Callable[[str], dict[str, object]]) -> Response:
    """JSON lines, the last with done."""

    def line(text: str, done: bool) -> str:
        return json.dumps({"model": name, "created_at": datetime.now(UTC).isoformat(), **shape(text), "done": done}) + "\n"

    async def told() -> AsyncGenerator[str, None]:
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, str) and piece:
                    yield line(piece, done=False)
        yield line("", done=True)

    return event_stream(told(), lambda problem: json.dumps({"error": str(problem)}) + "\n", "application/x-ndjson")


def _size(size: int) -> str:
    return f"{size / 1e9:.1f}GB"
