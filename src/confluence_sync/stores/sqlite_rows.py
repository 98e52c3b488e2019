"""Chunks and filters as the embedded store's columns have them."""

from __future__ import annotations

from confluence_sync.errors import Rejected
from confluence_sync.jsontext import dumps
from confluence_sync.model import Chunk, Filter, Metadata
from confluence_sync.search_words import pairs


def row(chunk: Chunk) -> tuple[str, ...]:
    try:
        encoded = chunk.text.encode()
    except UnicodeEncodeError as error:
        raise Rejected(
            f"chunk {chunk.id} of page {chunk.page_id} holds half a character at {error.start}, which no store can keep"
        ) from error
    return (chunk.id, *tags(chunk.metadata), pairs(chunk.text, encoded), chunk.text)


def tags(metadata: Metadata) -> tuple[str, ...]:
    """Space, page, modified, labels, metadata and heading, as the columns are."""
    labels = "".join(f"\n{label}\n" for label in metadata.labels)
    heading = f"{metadata.title} > {metadata.heading_path}"
    columns = (metadata.space_key, metadata.page_id, metadata.last_modified, labels)
    return (*columns, dumps(metadata.as_dict()).decode(), heading.encode("utf-8", "replace").decode())


def condition(where: Filter) -> tuple[str, tuple[str, ...]]:
    """SQL for a filter, and its values in order; empty when everything matches."""
    parts: list[str] = []
    for column, wanted in (("space", where.space_keys), ("page", where.page_ids)):
        parts += [f"{column} IN ({', '.join('?' * len(wanted))})"] if wanted else []
    parts += ["(" + " OR ".join(["instr(labels, ?)"] * len(where.labels)) + ")"] if where.labels else []
    parts += ["modified >= ?"] if where.modified_since else []
    parts += ["modified <= ?"] if where.modified_before else []
    dates = tuple(date for date in (where.modified_since, where.modified_before) if date)
    return " AND ".join(parts), (*where.space_keys, *where.page_ids, *(f"\n{label}\n" for label in where.labels), *dates)
