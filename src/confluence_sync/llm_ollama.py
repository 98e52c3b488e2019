"""A model served by Ollama in its own protocol: /api/chat as JSON lines, /api/tags, /api/pull."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from confluence_sync.errors import BadAnswer, NotFound, ServerFailed
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, text
from confluence_sync.llm import Endpoint, Message
from confluence_sync.llm_wire import Wire


@dataclass
class Ollama:
    """One model of one Ollama."""

    endpoint: Endpoint
    wire: Wire
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.endpoint.model.removeprefix("ollama/").removeprefix("ollama_chat/")

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        try:
            async for event in self._events("/api/chat", {"model": self.name, "messages": list(messages), "stream": True}):
                piece = child(event, "message", "event").get("content")
                if isinstance(piece, str) and piece:
                    yield piece
                if event.get("done"):
                    return
        except NotFound as error:
            raise NotFound(f"{error}. Load it with `ollama pull {self.name}`, or set LITELLM_MODEL to another", 404) from error
        raise ServerFailed(f"{self.endpoint.base} broke off in the middle of an answer")

    async def models(self) -> list[str]:
        return [name for name, _ in await self.sizes()]

    async def sizes(self) -> list[tuple[str, int]]:
        """Each model with its size in bytes."""
        answer = as_object(await self.wire.json("GET", "/api/tags"), "tags")
        return [(text(one, "name", "tags.models"), _bytes(one.get("size"))) for one in objects(answer, "models", "tags")]

    async def pull(self, name: str) -> str:
        """Has Ollama load a model; its last word ("success") when it did. Raises NotFound or ServerFailed with what it says."""
        last = ""
        async for event in self._events("/api/pull", {"model": name, "stream": True}):
            last = text(event, "status", "event", last)
        return last

    async def _events(self, path: str, payload: object) -> AsyncGenerator[JsonObject, None]:
        """Its JSON lines; an error among them is raised, although the status was 200."""
        async for line in self.wire.lines(path, payload):
            try:
                event = as_object(json.loads(line), "event")
            except ValueError as error:
                raise BadAnswer(f"{self.endpoint.base} sent {line[:80]!r} where a JSON line was expected") from error
            if event.get("error"):
                kind = NotFound if "not found" in str(event["error"]) or "does not exist" in str(event["error"]) else ServerFailed
                raise kind(f"{self.endpoint.base} stopped with an error: {str(event['error'])[:300]}")
            yield event


def _bytes(size: object) -> int:
    return size if isinstance(size, int) else 0
