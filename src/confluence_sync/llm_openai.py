"""A model behind an OpenAI-compatible endpoint: /chat/completions as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from confluence_sync.errors import BadAnswer, NotFound, RateLimited, Rejected, RemoteError, ServerFailed
from confluence_sync.jsonvalue import as_object, child, objects, text
from confluence_sync.llm import Endpoint, Message
from confluence_sync.llm_wire import Wire


@dataclass
class OpenAI:
    """`endpoint.model` may carry a provider's prefix (mistral/codestral-latest), which endpoints other than litellm's do not know."""

    endpoint: Endpoint
    wire: Wire
    name: str = field(init=False)
    _known: bool = False

    def __post_init__(self) -> None:
        self.name = self.endpoint.model

    async def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        await self._settle_name()
        ended = False
        async for line in self.wire.lines("/chat/completions", {"model": self.name, "messages": list(messages), "stream": True}):
            if line.startswith((":", "event:", "id:", "retry:")):
                continue
            if not line.startswith("data:"):
                raise BadAnswer(f"{self.endpoint.base} sent {line[:80]!r} where an event was expected")
            data = line[5:].strip()
            if data == "[DONE]":
                return
            piece, finished = _delta(data, self.endpoint.base)
            ended = ended or finished
            if piece:
                yield piece
        if not ended:
            raise ServerFailed(f"{self.endpoint.base} broke off in the middle of an answer")

    async def models(self) -> list[str]:
        answer = as_object(await self.wire.json("GET", "/models"), "models")
        return [text(one, "id", "models.data") for one in objects(answer, "data", "models")]

    async def _settle_name(self) -> None:
        """Once: the name with or without its prefix, whichever the endpoint lists. An endpoint that lists nothing is asked as it is."""
        if self._known:
            return
        try:
            there = await self.models()
        except (NotFound, BadAnswer, Rejected):
            there = []
        bare = self.endpoint.model.partition("/")[2]
        if there and self.endpoint.model not in there and bare not in there:
            offered = ", ".join(there[:12])
            raise NotFound(f"there is no model {self.name!r} at {self.endpoint.base}; it has {offered}. Set LITELLM_MODEL to one of them")
        if bare and self.endpoint.model not in there:
            self.name = bare
        self._known = True


def _delta(data: str, who: str) -> tuple[str, bool]:
    """The text of one event, and whether it was the last."""
    try:
        event = as_object(json.loads(data), "event")
    except ValueError as error:
        raise BadAnswer(f"{who} sent an event that is no JSON: {data[:80]!r}") from error
    if event.get("error"):
        raise _told(event["error"], who)
    choices = event.get("choices")
    if not isinstance(choices, list) or not choices:
        return "", False  # usage and keep-alive events have no choice
    choice = as_object(choices[0], "event.choices[0]")
    piece = child(choice, "delta", "event.choices[0]").get("content")
    return piece if isinstance(piece, str) else "", bool(choice.get("finish_reason"))


def _told(error: object, who: str) -> RemoteError:
    """An error in the middle of a stream, where the status was 200."""
    said = error.get("message") if isinstance(error, dict) else error
    kind = RateLimited if isinstance(error, dict) and "rate" in str(error.get("code") or error.get("type")) else ServerFailed
    return kind(f"{who} stopped with an error: {str(said)[:300]}")
