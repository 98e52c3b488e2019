"""PostgreSQL with pgvector: a page in one transaction, keyword and vector search, tables that Open WebUI reads as they are."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from confluence_sync.config import Settings
from confluence_sync.embed import Embedder, Facts, Matrix, open_embedder
from confluence_sync.embed.base import facts_from
from confluence_sync.embed.settled import settle, vector_of, windows_of
from confluence_sync.errors import Rejected
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Metadata, MetadataValue, Stored, metadata_from
from confluence_sync.search import fuse, reach
from confluence_sync.search_words import scaled
from confluence_sync.stores.base import Feature, Identity
from confluence_sync.stores.pgvector_schema import WINDOWS, Connections, address_of
from confluence_sync.stores.pgvector_search import Scored, by_meaning, by_words, tsvector

if TYPE_CHECKING:
    from confluence_sync.stores.pgvector_schema import Connection

ALL = Feature.UPSERT | Feature.DELETE | Feature.LIST | Feature.QUERY | Feature.RETAG

UPSERT = """
    INSERT INTO document_chunk (collection_name, id, text, vector, vmetadata, space, page, modified, labels, words)
    VALUES (%s, %s, %s, %s::vector, %s::jsonb, %s, %s, %s, %s, %s::tsvector)
    ON CONFLICT (collection_name, id) DO UPDATE SET text = excluded.text, vector = coalesce(excluded.vector, document_chunk.vector),
        vmetadata = excluded.vmetadata, space = excluded.space, page = excluded.page, modified = excluded.modified,
        labels = excluded.labels, words = excluded.words"""
RETAG = """
    UPDATE document_chunk SET (vmetadata, space, page, modified, labels, words) = (%s::jsonb, %s, %s, %s, %s, %s::tsvector)
    WHERE collection_name = %s AND id = %s"""


@dataclass
class PgvectorStore:
    """One collection. Safe to use from several threads, each with its own connection."""

    connections: Connections
    collection: str
    number: int
    id: str
    facts: Facts | None = None
    embedder: Embedder | None = None
    features: Feature = ALL

    def write(self, chunks: Sequence[Chunk]) -> None:
        if not chunks:
            return
        _check(chunks)
        windows = windows_of(self.embedder, self.facts, self._without_vectors(chunks))
        rows = [(self.collection, c.id, c.text, _mean(windows.get(c.id)), *_tags(c)) for c in chunks]
        with self.connections.transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(UPSERT, rows)
            if windows:
                self._put(connection, windows)

    def _put(self, connection: Connection, windows: dict[str, Matrix]) -> None:
        of = "collection_name = %s AND id = ANY(%s)"
        found = connection.execute(
            f"SELECT id, number FROM document_chunk WHERE {of}".encode(), (self.collection, list(windows))
        ).fetchall()
        connection.execute(f"DELETE FROM document_window_{self.number} WHERE chunk = ANY(%s)".encode(), ([n for _, n in found],))
        with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY document_window_{self.number} (chunk, part, vector) FROM STDIN".encode()) as copy,
        ):
            for chunk_id, chunk in found:
                for part, vector in enumerate(windows[str(chunk_id)]):
                    copy.write_row((chunk, part, json.dumps(vector.tolist())))

    def _without_vectors(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those whose text is not yet embedded: after a crash a page is written again, and embedding is what costs."""
        sql = "SELECT id, text FROM document_chunk WHERE collection_name = %s AND id = ANY(%s) AND vector IS NOT NULL"
        held = set(self._read(sql, self.collection, [chunk.id for chunk in chunks])) if self.facts else set()
        return [chunk for chunk in chunks if (chunk.id, chunk.text) not in held]

    def delete(self, chunk_ids: Sequence[str]) -> None:
        with self.connections.transaction() as connection:
            connection.execute("DELETE FROM document_chunk WHERE collection_name = %s AND id = ANY(%s)", (self.collection, list(chunk_ids)))

    def retag(self, chunks: Sequence[Chunk]) -> None:
        rows = [(*_tags(chunk), self.collection, chunk.id) for chunk in chunks]
        with self.connections.transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(RETAG, rows)

    def ids(self) -> Iterator[Stored]:
        """Read a part at a time, so that the caller may write and delete in between."""
        after = 0
        sql = "SELECT number, id, vmetadata FROM document_chunk WHERE collection_name = %s AND number > %s ORDER BY number LIMIT 1000"
        while rows := self._read(sql, self.collection, after):
            for number, chunk_id, metadata in rows:
                after = cast(int, number)
                yield Stored(str(chunk_id), _metadata(metadata))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.connections.transaction():
            yield

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        vector = vector_of(self.embedder, self.facts, text)
        with self.connections.transaction() as connection:
            words = by_words(connection, self.collection, text, top_k if vector is None else reach(top_k), where)
            if vector is None:
                return self._hits(connection, [(number, scaled(score)) for number, score in words])
            version = self.connections.version
            meaning = by_meaning(connection, self.number, self.collection, vector, reach(top_k), where, version)
            return self._hits(connection, fuse(words, meaning)[:top_k])

    def _hits(self, connection: Connection, found: Scored) -> list[Hit]:
        sql = "SELECT number, id, text, vmetadata FROM document_chunk WHERE number = ANY(%s)"
        rows = {row[0]: row[1:] for row in connection.execute(sql, ([number for number, _ in found],))}
        shown = [(score, rows[number]) for number, score in found if number in rows]
        return [Hit(str(chunk_id), score, str(text), _metadata(metadata)) for score, (chunk_id, text, metadata) in shown]

    def identity(self) -> Identity:
        return Identity(
            self.id, cast(int, self._read("SELECT count(*) FROM document_chunk WHERE collection_name = %s", self.collection)[0][0])
        )

    def drop(self) -> None:
        with self.connections.transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS document_window_{self.number}".encode())
            connection.execute("DELETE FROM document_chunk WHERE collection_name = %s", (self.collection,))
            connection.execute("DELETE FROM confluence_sync_collection WHERE number = %s", (self.number,))

    def close(self) -> None:
        """The connections are the backend's."""

    def _read(self, sql: str, *values: str | int | list[str]) -> list[tuple[object, ...]]:
        with self.connections.transaction() as connection:
            return connection.execute(sql.encode(), values).fetchall()


@dataclass
class PgvectorBackend:
    """A database (or the schema that its search_path names) that holds collections; the tables are made at the first open()."""

    address: str
    embedder: Embedder | None = None
    name: str = "pgvector"
    features: Feature = ALL

    def __post_init__(self) -> None:
        self.connections = Connections(self.address)

    def open(self, collection: str) -> PgvectorStore:
        if self.embedder:
            self.embedder.facts()  # may ask an endpoint, which must not happen inside the transaction
        self.connections.prepare()
        with self.connections.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"confluence-sync {collection}",))
            number, made, recorded = _found_or_made(connection, collection)
            before = facts_from(recorded) if recorded else None
            empty = connection.execute("SELECT 1 FROM document_chunk WHERE collection_name = %s LIMIT 1", (collection,)).fetchone() is None
            facts = settle(collection, before, self.embedder, empty)
            if facts and not before:
                for statement in WINDOWS.format(n=number, dimension=facts.dimension).split(";\n"):
                    connection.execute(statement.encode())
                connection.execute("UPDATE confluence_sync_collection SET vectors = %s WHERE number = %s", (facts.as_json(), number))
        return PgvectorStore(self.connections, collection, number, made, facts, self.embedder if facts else None)

    def collections(self) -> list[str]:
        self.connections.prepare()
        with self.connections.transaction() as connection:
            return [str(name) for (name,) in connection.execute("SELECT name FROM confluence_sync_collection ORDER BY name")]

    def close(self) -> None:
        self.connections.close()
        if self.embedder:
            self.embedder.close()


def open_backend(settings: Settings) -> PgvectorBackend:
    """The database of DATABASE_URL, with the embedder that the settings ask for."""
    import psycopg  # noqa: F401  # missing, it must be told here, where the variant knows its pip line

    return PgvectorBackend(address_of(settings), open_embedder(settings))


def _found_or_made(connection: Connection, collection: str) -> tuple[int, str, str]:
    """Number, id and recorded facts (empty: none)."""
    found = connection.execute("SELECT number, id, vectors FROM confluence_sync_collection WHERE name = %s", (collection,)).fetchone()
    if found is None:
        sql = "INSERT INTO confluence_sync_collection (name, id) VALUES (%s, %s) RETURNING number, id, vectors"
        found = connection.execute(sql, (collection, uuid.uuid4().hex)).fetchone()
    number, made, recorded = found or (0, "", "")
    return cast(int, number), str(made), str(recorded or "")


def _check(chunks: Sequence[Chunk]) -> None:
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


def _tags(chunk: Chunk) -> tuple[object, ...]:
    """vmetadata, space, page, modified, labels and words, as UPSERT and RETAG order them."""
    m = chunk.metadata
    columns = (m.space_key, m.page_id, m.last_modified, list(m.labels), tsvector(f"{m.title} {m.heading_path}", chunk.text))
    return (_as_jsonb({**m.as_dict(), "name": m.title}), *columns)  # Open WebUI shows `name`


def _as_jsonb(values: dict[str, MetadataValue]) -> str:
    """JSON that jsonb takes: it knows neither half characters nor NUL."""
    text = json.dumps(values)
    return json.dumps(_clean(values)) if "\\ud" in text or "\\u0000" in text else text


def _clean(values: dict[str, MetadataValue]) -> dict[str, MetadataValue]:
    return {k: v.encode("utf-8", "replace").decode().replace("\0", "") if isinstance(v, str) else v for k, v in values.items()}


def _metadata(value: object) -> Metadata | None:
    return metadata_from(cast("dict[str, MetadataValue]", value)) if isinstance(value, dict) else None


def _mean(windows: Matrix | None) -> str | None:
    """One vector for readers that know only one a chunk."""
    if windows is None:
        return None
    mean = windows.mean(axis=0)
    return json.dumps((mean / float((mean @ mean) ** 0.5)).tolist())
