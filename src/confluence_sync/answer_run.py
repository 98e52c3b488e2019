"""Answers one question: find, condense, ask the model, check its citations; told piece by piece to whoever listens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from confluence_sync.answer import Found, Passage, Piece, Question, Source, Written, passages, sources
from confluence_sync.answer_citations import Citations, plain_label
from confluence_sync.answer_prompt import answer_messages, condense_messages, joined, standalone
from confluence_sync.answer_words import words_for
from confluence_sync.llm import Model
from confluence_sync.model import Filter, Hit

Search = Callable[[str, int, Filter], Awaitable[list[Hit]]]
Event = Found | Piece | Written
CONDENSED = 1500  # tokens that the request for a standalone question may take


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers: a search, a model or None, and the model's budget in tokens."""

    search: Search
    model: Model | None = None
    budget: int = 6000

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        """First Found, then Pieces, then Written. Raises RemoteError when the store or the model fails, also in the middle."""
        searched = await self._standalone(question)
        where = Filter(space_keys=(question.space,) if question.space else ())
        found = passages(await self.search(searched, question.top_k, where))
        if self.model is None or not found:
            async for event in _without_model(question, searched, found):
                yield event
            return
        messages, used = answer_messages(question, found, self.budget)
        shown = sources(used)
        yield Found(shown, used, searched)
        async with aclosing(_written(self.model.stream(messages), shown)) as events:
            async for event in events:
                yield event

    async def _standalone(self, question: Question) -> str:
        if not question.history:
            return question.text
        if self.model is None:
            return joined(question)
        pieces = [piece async for piece in self.model.stream(condense_messages(question, min(self.budget, CONDENSED)))]
        return standalone("".join(pieces), question)


async def _written(pieces: AsyncGenerator[str, None], shown: tuple[Source, ...]) -> AsyncGenerator[Event, None]:
    """The model's text with its citations checked."""
    citations, whole = Citations(len(shown)), []
    async with aclosing(pieces):  # a listener who leaves ends the request to the model at once
        async for piece in pieces:
            if text := citations.feed(piece):
                whole.append(text)
                yield Piece(text)
    if rest := citations.end():
        whole.append(rest)
        yield Piece(rest)
    yield Written("".join(whole), tuple(citations.cited), by_model=True)


async def _without_model(question: Question, searched: str, found: tuple[Passage, ...]) -> AsyncGenerator[Event, None]:
    """Nothing found, or no model set up: said clearly, with the best passages."""
    shown = sources(found)
    text = retrieval_only(question, shown)
    yield Found(shown, found, searched)
    yield Piece(text)
    yield Written(text, tuple(source.number for source in shown), by_model=False)


def retrieval_only(question: Question, shown: tuple[Source, ...]) -> str:
    """The answer that needs no model: what was found, by title, each with its number."""
    words = words_for(question.text)
    if not shown:
        return words.not_found
    return words.no_model + "\n\n" + "\n".join(map(_entry, shown))


def _entry(source: Source) -> str:
    name = plain_label(f"{source.title} › {source.heading}" if source.heading else source.title)
    return f"- **{name}** [{source.number}]: {plain_label(source.excerpt)}"
