"""How sources and passages look in JSON; every API of the service uses these."""

from __future__ import annotations

from confluence_sync.answer import Passage, Source


def source_body(source: Source) -> dict[str, object]:
    return {
        "number": source.number,
        "title": source.title,
        "url": source.url,
        "heading": source.heading,
        "space": source.space_key,
        "updated_at": source.updated_at,
        "excerpt": source.excerpt,
    }


def context_body(passage: Passage) -> dict[str, object]:
    """A passage as an item of `contexts`: with its whole text."""
    metadata = {"title": passage.title, "heading": passage.heading, "space_key": passage.space_key, "url": passage.url}
    dated = {**metadata, "updated_at": passage.updated_at, "score": passage.score, "number": passage.number}
    return {"id": passage.chunk_id, "source": passage.url or passage.title, "content": passage.text, "metadata": dated}
