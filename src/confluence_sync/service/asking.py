"""One question from an API call to its answer: checked, searched, written, remembered."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from confluence_sync.answer import Found, Passage, Question, Source, Turn, Written
from confluence_sync.answer_run import Answering, Event
from confluence_sync.jsonvalue import JsonObject
from confluence_sync.service.conversations import Conversations
from confluence_sync.service.fields import shown, whole_field
from confluence_sync.service.freshness import FreshnessReader
from confluence_sync.service.problems import Problem, invalid

MOST_QUESTION = 8000  # characters; more is no question but a document
MOST_PASSAGES = 50


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer."""

    text: str
    sources: tuple[Source, ...]
    passages: tuple[Passage, ...]
    cited: tuple[int, ...]
    by_model: bool
    latency_ms: int


@dataclass(frozen=True, slots=True)
class Asking:
    """Answers for every API; `query_log` is a file or None."""

    answering: Answering
    conversations: Conversations
    freshness: FreshnessReader
    query_log: Path | None = None

    def question(self, body: JsonObject, caller: str, default_top_k: int) -> tuple[Question, str]:
        """The question of a request body and its session, which brings what was said before. Raises a Problem that names the field."""
        text = asked(body.get("question", body.get("query")))
        session = _short_text(body, "session_id", 200)
        space = self.space(_short_text(body, "space", 255))
        top_k = whole_field(body, "top_k", default_top_k, 1, MOST_PASSAGES)
        return Question(text, top_k, space, self.conversations.turns(caller, session)), session

    def space(self, key: str) -> str:
        """A space's key as it is stored; a Problem (422) with the known ones when it is none of them."""
        known = [space.key for space in self.freshness.now().spaces]
        if not key or not known:
            return key
        found = next((one for one in known if one.casefold() == key.casefold()), None)
        if found is None:
            raise invalid(f"there is no space {shown(key)} here; there are {', '.join(known[:20])}", field="space", known=known[:100])
        return found

    async def events(self, question: Question, caller: str = "", session: str = "") -> AsyncGenerator[Event, None]:
        """The events of the answer as they come; a whole answer is remembered before its last event is given."""
        found: tuple[Source, ...] = ()
        async with aclosing(self.answering.ask(question)) as events:
            async for event in events:
                if isinstance(event, Found):
                    found = event.sources
                if isinstance(event, Written):
                    self.conversations.add(caller, session, question.text, event.text, found)
                    self._log(question, event, found, caller)
                yield event

    async def whole(self, question: Question, caller: str = "", session: str = "") -> Answered:
        started = time.perf_counter()
        sources: tuple[Source, ...] = ()
        passages: tuple[Passage, ...] = ()
        written = Written("", (), by_model=False)
        async with aclosing(self.events(question, caller, session)) as events:
            async for event in events:
                if isinstance(event, Found):
                    sources, passages = event.sources, event.passages
                if isinstance(event, Written):
                    written = event
        latency = round((time.perf_counter() - started) * 1000)
        return Answered(written.text, sources, passages, written.cited, written.by_model, latency)

    def _log(self, question: Question, written: Written, sources: Sequence[Source], caller: str) -> None:
        """Only where QUERY_LOG names a file: questions and answers are nobody else's business."""
        if self.query_log is None:
            return
        at = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"at": at, "caller": caller, "question": question.text, "answer": written.text, "sources": [s.url for s in sources]}
        with self.query_log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def asked(value: object) -> str:
    """A question's text: 400 when there is none, 413 when it is a document."""
    if not isinstance(value, str) or not value.strip():
        raise Problem(400, 'Question must not be empty: send {"question": "..."}', details={"field": "question"})
    if len(value) > MOST_QUESTION:
        raise Problem(413, f"the question has {len(value)} characters; at most {MOST_QUESTION} are accepted", details={"field": "question"})
    return value.strip().replace("\0", " ").encode("utf-8", "replace").decode()


def turns(messages: Sequence[JsonObject]) -> tuple[Turn, ...]:
    """What was said before, from a chat's messages without the last; other roles than user and assistant are left out."""
    spoken = [(message.get("role"), content_text(message.get("content"))) for message in messages]
    return tuple(Turn(str(role), text) for role, text in spoken if role in ("user", "assistant") and text)


def content_text(content: object) -> str:
    """A message's text: a string, or the text parts of a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict) and part.get("type") == "text")


def _short_text(body: JsonObject, name: str, most: int) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise invalid(f"{name} must be a text of at most {most} characters, but is {shown(value)}", field=name)
    return value.strip()
