"""PostgreSQL with pgvector: a page in one transaction, keyword and vector search, tables that Open WebUI reads as they are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from confluence_sync.config import Settings
from confluence_sync.embed import Embedder, Facts, Matrix, open_embedder
from confluence_sync.embed.base import facts_from
from confluence_sync.embed.settled import Settled, settle, vector_of, windows_of
from confluence_sync.errors import NotFound, Refused
from confluence_sync.jsontext import dumps
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored
from confluence_sync.search import fuse, reach
from confluence_sync.search_words import scaled
from confluence_sync.stores.base import COMING, Feature, Identity, Store, changed_meanwhile
from confluence_sync.stores.pgvector_rows import RETAG, UPSERT, check, mean, metadata_of, tags
from confluence_sync.stores.pgvector_schema import WINDOWS, Connections, address_of
from confluence_sync.stores.pgvector_search import Scored, by_meaning, by_words

if TYPE_CHECKING:
    from confluence_sync.stores.pgvector_schema import Connection

ALL = Feature.UPSERT | Feature.DELETE | Feature.LIST | Feature.QUERY | Feature.RETAG


@dataclass
class PgvectorStore:
    """One collection. Safe to use from several threads, each with its own connection."""

    connections: Connections
    collection: str
    number: int
    id: str
    settled: Settled
    features: Feature = ALL

    @property
    def facts(self) -> Facts | None:
        return self.settled.facts

    @property
    def outdated(self) -> str:
        return self.settled.outdated

    @property
    def anew(self) -> str:
        return self.settled.anew

    def write(self, chunks: Sequence[Chunk]) -> None:
        if not chunks:
            return
        check(chunks)
        windows = windows_of(self.settled, self._without_vectors(chunks))
        rows = [(self.collection, c.id, c.text, mean(windows.get(c.id)), *tags(c)) for c in chunks]
        with self.connections.transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(UPSERT, rows)
            if windows:
                self._put(connection, windows)
            self._stamp(connection)

    def _stamp(self, connection: Connection) -> None:
        """Last in each change, because it locks out other writers of the collection. Raises NotFound when another one took its place."""
        sql = "UPDATE confluence_sync_collection SET stamp = %s WHERE number = %s"
        if connection.execute(sql, (uuid.uuid4().hex, self.number)).rowcount == 0:
            raise NotFound(f"collection {self.collection!r} was dropped or replaced while it was in use; open it again")

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
                    copy.write_row((chunk, part, dumps(vector.tolist()).decode()))

    def _without_vectors(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those whose text is not yet embedded: after a crash a page is written again, and embedding is what costs."""
        sql = "SELECT id, text FROM document_chunk WHERE collection_name = %s AND id = ANY(%s) AND vector IS NOT NULL"
        held = set(self._read(sql, self.collection, [chunk.id for chunk in chunks])) if self.facts else set()
        return [chunk for chunk in chunks if (chunk.id, chunk.text) not in held]

    def delete(self, chunk_ids: Sequence[str]) -> None:
        with self.connections.transaction() as connection:
            connection.execute("DELETE FROM document_chunk WHERE collection_name = %s AND id = ANY(%s)", (self.collection, list(chunk_ids)))
            self._stamp(connection)

    def retag(self, chunks: Sequence[Chunk]) -> None:
        rows = [(*tags(chunk), self.collection, chunk.id) for chunk in chunks]
        with self.connections.transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(RETAG, rows)
            self._stamp(connection)

    def ids(self) -> Iterator[Stored]:
        """Read a part at a time, so that the caller may write and delete in between."""
        after = 0
        sql = "SELECT number, id, vmetadata FROM document_chunk WHERE collection_name = %s AND number > %s ORDER BY number LIMIT 1000"
        while rows := self._read(sql, self.collection, after):
            for number, chunk_id, metadata in rows:
                after = cast(int, number)
                yield Stored(str(chunk_id), metadata_of(metadata))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.connections.transaction():
            yield

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        vector = vector_of(self.settled, text)
        with self.connections.reading() as connection:
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
        return [Hit(str(chunk_id), score, str(text), metadata_of(metadata)) for score, (chunk_id, text, metadata) in shown]

    def identity(self) -> Identity:
        count = "SELECT count(*) FROM document_chunk WHERE collection_name = %s"
        sql = f"SELECT ({count}), stamp FROM confluence_sync_collection WHERE number = %s"
        rows = self._read(sql, self.collection, self.number)
        if not rows:
            raise NotFound(f"collection {self.collection!r} was dropped or replaced while it was in use; open it again")
        return Identity(self.id, cast(int, rows[0][0]), str(rows[0][1]))

    def drop(self) -> None:
        with self.connections.transaction() as connection:
            self._drop_windows(connection)
            connection.execute("DELETE FROM document_chunk WHERE collection_name = %s", (self.collection,))
            connection.execute("DELETE FROM confluence_sync_collection WHERE number = %s", (self.number,))

    def give_way_to(self, new: Store, seen: Identity) -> None:
        """In one transaction that blocks no reader; the windows of the old one, which nobody finds any more, go in a second one.

        A crash between the two leaves an unused table behind, which costs nothing but disk.
        """
        if not isinstance(new, PgvectorStore):
            raise TypeError(f"{new!r} is no collection in PostgreSQL")
        with self.connections.transaction() as connection:
            sql = "SELECT stamp FROM confluence_sync_collection WHERE number = %s FOR UPDATE"
            if connection.execute(sql, (self.number,)).fetchone() != (seen.stamp,):
                raise Refused(changed_meanwhile(self.collection))
            connection.execute("DELETE FROM document_chunk WHERE collection_name = %s", (self.collection,))
            connection.execute("DELETE FROM confluence_sync_collection WHERE number = %s", (self.number,))
            renamed = (self.collection, new.collection)
            connection.execute("UPDATE document_chunk SET collection_name = %s WHERE collection_name = %s", renamed)
            connection.execute("UPDATE confluence_sync_collection SET name = %s WHERE number = %s", (self.collection, new.number))
        new.collection = self.collection
        with self.connections.transaction() as connection:
            self._drop_windows(connection)

    def _drop_windows(self, connection: Connection) -> None:
        """Dropping locks the table that it refers to, too; in the order of the readers, or they and we would wait for each other."""
        connection.execute("LOCK TABLE document_chunk IN ACCESS EXCLUSIVE MODE")
        connection.execute(f"DROP TABLE IF EXISTS document_window_{self.number}".encode())

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
            settled = settle(collection, before, self.embedder, empty)
            if settled.facts and not before:
                facts = settled.facts
                for statement in WINDOWS.format(n=number, dimension=facts.dimension).split(";\n"):
                    connection.execute(statement.encode())
                connection.execute("UPDATE confluence_sync_collection SET vectors = %s WHERE number = %s", (facts.as_json(), number))
        return PgvectorStore(self.connections, collection, number, made, settled)

    def collections(self) -> list[str]:
        self.connections.prepare()
        with self.connections.transaction() as connection:
            names = [str(name) for (name,) in connection.execute("SELECT name FROM confluence_sync_collection ORDER BY name")]
        return [name for name in names if not name.endswith(COMING)]

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
