"""Chunks as rows of document_chunk: the columns, and what is refused before PostgreSQL sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from confluence_sync.embed import Matrix
from confluence_sync.errors import Rejected
from confluence_sync.jsontext import dumps
from confluence_sync.model import Chunk, Metadata, MetadataValue
from confluence_sync.stores.pgvector_search import tsvector
from confluence_sync.stores.stored_metadata import metadata_from

UPSERT = """
    INSERT INTO document_chunk (collection_name, id, text, vector, vmetadata, space, page, modified, labels, words)
    VALUES (%s, %s, %s, %s::vector, %s::jsonb, %s, %s, %s, %s, %s::tsvector)
    ON CONFLICT (collection_name, id) DO UPDATE SET text = excluded.text, vector = coalesce(excluded.vector, document_chunk.vector),
        vmetadata = excluded.vmetadata, space = excluded.space, page = excluded.page, modified = excluded.modified,
        labels = excluded.labels, words = excluded.words"""
RETAG = """
    UPDATE document_chunk SET (vmetadata, space, page, modified, labels, words) = (%s::jsonb, %s, %s, %s, %s, %s::tsvector)
    WHERE collection_name = %s AND id = %s"""


def check(chunks: Sequence[Chunk]) -> None:
    """Before anything is sent: one refused row would spoil the transaction for its neighbours."""
    for chunk in chunks:
        try:
            chunk.text.encode()
        except UnicodeEncodeError as error:
            raise Rejected(
                f"chunk {chunk.id} of page {chunk.page_id} holds half a character at {error.start}, which no store can keep"
            ) from error
        if "\0" in chunk.text:
            raise Rejected(f"chunk {chunk.id} of page {chunk.page_id} holds a NUL character, which PostgreSQL cannot keep")


def tags(chunk: Chunk) -> tuple[object, ...]:
    """vmetadata, space, page, modified, labels and words, as UPSERT and RETAG order them."""
    m = chunk.metadata
    columns = (m.space_key, m.page_id, m.last_modified, list(m.labels), tsvector(f"{m.title} {m.heading_path}", chunk.text))
    return (_as_jsonb({**m.as_dict(), "name": m.title}), *columns)  # Open WebUI shows `name`


def _as_jsonb(values: dict[str, MetadataValue]) -> str:
    """JSON that jsonb takes: it knows neither half characters nor NUL."""
    text = dumps(values)
    return (dumps(_clean(values)) if b"\\ud" in text or b"\\u0000" in text else text).decode()


def _clean(values: dict[str, MetadataValue]) -> dict[str, MetadataValue]:
    return {k: v.encode("utf-8", "replace").decode().replace("\0", "") if isinstance(v, str) else v for k, v in values.items()}


def metadata_of(value: object) -> Metadata | None:
    return metadata_from(cast("dict[str, MetadataValue]", value)) if isinstance(value, dict) else None


def mean(windows: Matrix | None) -> str | None:
    """One vector for readers that know only one a chunk."""
    if windows is None:
        return None
    mean = windows.mean(axis=0)
    return dumps((mean / float((mean @ mean) ** 0.5)).tolist()).decode()
