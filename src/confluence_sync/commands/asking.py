"""`confluence-sync ask`: one question, its answer as it is written, and the sources."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING

from confluence_sync.answer import Found, Piece, Question, Source, Written
from confluence_sync.commands.common import add_log_options, settings_for
from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.logs import json_text, shown

if TYPE_CHECKING:
    from confluence_sync.answer_run import Event


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", help="what you want to know")
    parser.add_argument("--top-k", type=int, default=6, metavar="N", help="how many passages to look at, 1 to 50 (6)")
    parser.add_argument("--in-space", default="", metavar="KEY", help="only this space")
    parser.add_argument("--json", action="store_true", help="as JSON, when the answer is whole")
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    if not options.question.strip():
        raise SettingsError('the question is empty; ask something, as in `confluence-sync ask "How do I reset a token?"`')
    question = Question(options.question.strip(), max(1, min(options.top_k, 50)), options.in_space)
    asyncio.run(_ask(settings, question, options.json))
    return 0


async def _ask(settings: Settings, question: Question, as_json: bool) -> None:
    from confluence_sync.answer_run import Answering
    from confluence_sync.llm import open_model
    from confluence_sync.service.live_name import live_name
    from confluence_sync.service.retrieval import Retrieval
    from confluence_sync.stores.detect import collection_name, open_store_backend

    backend, detection = open_store_backend(settings)
    with (
        closing(backend),
        closing(Retrieval(backend, live_name(settings, backend, collection_name(settings, detection.variant)))) as retrieval,
    ):
        await _print(Answering(retrieval.search, open_model(settings), settings.llm_context_tokens).ask(question), as_json)


async def _print(asked: AsyncGenerator[Event, None], as_json: bool) -> None:
    """The answer as it is written, then its sources; as JSON, all of it at the end."""
    found: tuple[Source, ...] = ()
    async with aclosing(asked) as events:
        async for event in events:
            if isinstance(event, Found):
                found = event.sources
            elif isinstance(event, Piece) and not as_json:
                print(shown(event.text), end="", flush=True)
            elif isinstance(event, Written):
                print(_json(event, found) if as_json else _sources(event, found))


def _sources(written: Written, found: tuple[Source, ...]) -> str:
    used = [source for source in found if source.number in written.cited] or found
    lines = [f"  [{s.number}] {s.title}{' > ' + s.heading if s.heading else ''}  {s.url}" for s in used]
    return shown("\n" + ("\n" + "\n".join(lines) if lines else ""))


def _json(written: Written, found: tuple[Source, ...]) -> str:
    sources = [{"number": s.number, "title": s.title, "url": s.url, "heading": s.heading, "excerpt": s.excerpt} for s in found]
    by = "model" if written.by_model else "retrieval"
    return json_text({"answer": written.text, "sources": sources, "cited": list(written.cited), "answered_by": by})
