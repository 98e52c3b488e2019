"""The OpenAI-compatible API: Open WebUI and every other client of that protocol sees one model, which answers from Confluence."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from confluence_sync.answer import Found, Piece, Question, Source, Written
from confluence_sync.answer_citations import as_list
from confluence_sync.answer_words import words_for
from confluence_sync.jsonvalue import JsonObject
from confluence_sync.service.asking import Asking, asked, content_text, turns
from confluence_sync.service.calls import MEGABYTE, Call, Reply, as_response, endpoint
from confluence_sync.service.fields import flag_field, shown, text_field, whole_field
from confluence_sync.service.problems import invalid
from confluence_sync.service.streams import async_endpoint, event_stream, while_connected

Pieces = AsyncGenerator[str | list[object], None]
MODEL_ID = "confluence"
TASK = "### Task:"  # how Open WebUI's requests for titles, tags and follow-ups begin: they are about the chat, not about Confluence


@dataclass(frozen=True, slots=True)
class OpenAiApi:
    """`title` is the name under which clients show the model."""

    asking: Asking
    title: str

    def models(self, call: Call) -> Reply:
        one = {"id": MODEL_ID, "name": self.title, "object": "model", "created": 0, "owned_by": "confluence-sync"}
        return Reply({"object": "list", "data": [one]})

    async def completions(self, call: Call, request: Request) -> Response:
        messages = messages_of(call.body)
        stream = flag_field(call.body, "stream", default=False)
        pieces = await self.pieces(call, messages)
        if stream:
            return event_stream(_chunks(pieces), lambda problem: f"data: {json.dumps(problem.body())}\n\ndata: [DONE]\n\n")
        text, annotations = await while_connected(request, _joined(pieces))
        return as_response(Reply(_completion(text, annotations)))

    async def pieces(self, call: Call, messages: Sequence[JsonObject]) -> Pieces:
        """Texts of the answer, then one list of annotations. Raises a Problem for what cannot be asked, before anything is sent."""
        last = content_text(messages[-1].get("content"))
        if last.lstrip().startswith(TASK):
            return self._task(messages)
        space = await asyncio.to_thread(self.asking.space, text_field(call.body, "space", "", 255))
        question = Question(asked(last), whole_field(call.body, "top_k", 6, 1, 50), space, turns(messages[:-1]))
        return self._answer(question, call.caller)

    async def _answer(self, question: Question, caller: str) -> Pieces:
        found: tuple[Source, ...] = ()
        async with aclosing(self.asking.events(question, caller)) as events:
            async for event in events:
                if isinstance(event, Found):
                    found = event.sources
                elif isinstance(event, Piece):
                    yield event.text
                elif isinstance(event, Written):
                    yield as_list(found, event.cited, words_for(question.text).sources)
                    yield citation_notes(found, event.cited)

    async def _task(self, messages: Sequence[JsonObject]) -> Pieces:
        """Passed to the model as it is; without one there is nothing to say."""
        model = self.asking.answering.model
        if model:
            plain = [{"role": str(m.get("role")), "content": content_text(m.get("content"))} for m in messages]
            async with aclosing(model.stream(plain)) as pieces:
                async for piece in pieces:
                    yield piece
        yield []

    def routes(self) -> list[HttpRoute]:
        return [
            HttpRoute("/v1/models", endpoint(self.models), methods=["GET"]),
            HttpRoute("/v1/chat/completions", async_endpoint(self.completions, 4 * MEGABYTE), methods=["POST"]),
        ]


def messages_of(body: JsonObject) -> list[JsonObject]:
    """The messages, the last of which is the user's."""
    given = body.get("messages")
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise invalid(f"messages must be a list of messages, but is {shown(given)}", field="messages")
    if given[-1].get("role") != "user":
        raise invalid(f"the last message must be the user's, but is {shown(given[-1].get('role'))}", field="messages")
    return given


def citation_notes(found: Sequence[Source], cited: Sequence[int]) -> list[object]:
    """url_citation annotations by number; clients put the n-th in place of [n], so none before the last cited one is left out."""
    shown_ones = [source for source in found if source.number <= max(cited, default=len(found))]
    return [{"type": "url_citation", "url_citation": {"url": s.url, "title": _title(s)}} for s in shown_ones if s.url]


def _title(source: Source) -> str:
    return f"{source.title} › {source.heading}" if source.heading else source.title


async def _joined(pieces: Pieces) -> tuple[str, list[object]]:
    texts: list[str] = []
    notes: list[object] = []
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, str):
                texts.append(piece)
            else:
                notes = piece
    return "".join(texts), notes


async def _chunks(pieces: Pieces) -> AsyncGenerator[str, None]:
    """Server-sent events as OpenAI's: role first, text as it comes, annotations with the last delta."""
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk", "created": int(time.time()), "model": MODEL_ID}

    def chunk(delta: dict[str, object], reason: str | None = None) -> str:
        return f"data: {json.dumps({**head, 'choices': [{'index': 0, 'delta': delta, 'finish_reason': reason}]})}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, str):
                yield chunk({"content": piece}) if piece else ""
            elif piece:
                yield chunk({"annotations": piece})
    yield chunk({}, "stop")
    yield "data: [DONE]\n\n"


def _completion(text: str, notes: list[object]) -> dict[str, object]:
    message = {"role": "assistant", "content": text, "annotations": notes}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL_ID,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
