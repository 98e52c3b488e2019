"""The embedded store: one SQLite file, no server, keyword search and exact vector search, a page in one transaction."""

from __future__ import annotations

import json
import logging
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluence_sync.config import Settings
from confluence_sync.embed import Embedder, Facts, Matrix, open_embedder
from confluence_sync.embed.base import facts_from
from confluence_sync.embed.settled import Settled, settle, vector_of, windows_of
from confluence_sync.errors import Refused
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored, batched
from confluence_sync.search import fuse, reach
from confluence_sync.search_words import scaled
from confluence_sync.stores.base import COMING, Feature, Identity, Store, changed_meanwhile
from confluence_sync.stores.sqlite_file import TABLES, Connections, said_plainly, statements
from confluence_sync.stores.sqlite_rows import condition, row, tags
from confluence_sync.stores.sqlite_vectors import Scored, Vectors
from confluence_sync.stores.sqlite_words import by_words, delete_with_words, index_since, newest
from confluence_sync.stores.stored_metadata import metadata_from

log = logging.getLogger(__name__)

ALL = Feature.UPSERT | Feature.DELETE | Feature.LIST | Feature.QUERY | Feature.RETAG
SENSIBLE = 100_000  # chunks; beyond that a query takes longer than people like
SOME = 500  # values in one statement: old SQLites take 999

Row = tuple[str | int | float, ...]


@dataclass
class SqliteStore:
    """One collection of the file. Safe to use from several threads; writers wait for one another."""

    connections: Connections
    number: int
    id: str
    settled: Settled
    features: Feature = ALL
    _vectors: Vectors | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.facts:
            path = self.connections.path
            self._vectors = Vectors(self.number, path.with_name(f"{path.name}-{self.id}.f32"), self.facts.dimension)

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
        rows = [row(chunk) for chunk in chunks]
        windows = windows_of(self.settled, self._without_vectors(chunks))
        with self.connections.writing() as connection:
            last = newest(connection, self.number)
            connection.executemany(
                f"""INSERT INTO chunks_{self.number} (id, space, page, modified, labels, metadata, heading, pairs, text)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET (space, page, modified, labels, metadata, heading,
                    pairs, text) = (excluded.space, excluded.page, excluded.modified, excluded.labels, excluded.metadata,
                    excluded.heading, excluded.pairs, excluded.text)""",
                rows,
            )
            index_since(connection, self.number, last)
            if self._vectors and windows:
                self._vectors.put(connection, windows)
            self._stamp(connection)

    def _stamp(self, connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE collection SET stamp = hex(randomblob(8)) WHERE number = ?", (self.number,))

    def _without_vectors(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those whose text is not yet embedded: after a crash a page is written again, and embedding is what costs."""
        if not self._vectors:
            return list(chunks)
        n, held = self.number, set()
        for some in batched([chunk.id for chunk in chunks], SOME):
            marks = ", ".join("?" * len(some))
            sql = f"SELECT id, text FROM chunks_{n} JOIN vectors_{n} ON chunk = number WHERE id IN ({marks})"
            held.update(self._read(sql, *some))
        return [chunk for chunk in chunks if (chunk.id, chunk.text) not in held]

    def delete(self, chunk_ids: Sequence[str]) -> None:
        with self.connections.writing() as connection:
            for some in batched(list(chunk_ids), SOME):
                delete_with_words(connection, self.number, some)
            self._stamp(connection)

    def retag(self, chunks: Sequence[Chunk]) -> None:
        rows = [(*tags(chunk.metadata), chunk.id) for chunk in chunks]
        with self.connections.writing() as connection:
            connection.executemany(
                f"UPDATE chunks_{self.number} SET (space, page, modified, labels, metadata, heading) = (?, ?, ?, ?, ?, ?) WHERE id = ?",
                rows,
            )
            self._stamp(connection)

    def ids(self) -> Iterator[Stored]:
        """Read a part at a time, so that the caller may write and delete in between."""
        after = 0
        while rows := self._read(
            f"SELECT number, id, metadata FROM chunks_{self.number} WHERE number > ? ORDER BY number LIMIT 1000", after
        ):
            for number, chunk_id, metadata in rows:
                after = int(number)
                yield Stored(str(chunk_id), metadata_from(json.loads(str(metadata))))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.connections.writing():
            yield

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        vector = vector_of(self.settled, text)
        with self.connections.reading() as connection:
            found = by_words(connection, self.number, text, top_k if vector is None else reach(top_k), where)
            if vector is None:
                return self._hits(connection, [(number, scaled(score)) for number, score in found])
            return self._hits(connection, fuse(found, self._by_meaning(connection, vector, reach(top_k), where))[:top_k])

    def nearest(self, vector: Matrix, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        """Hits by meaning alone, for a vector of length 1 made by this collection's own model; none where it keeps no vectors."""
        with self.connections.reading() as connection:
            return self._hits(connection, self._by_meaning(connection, vector, top_k, where))

    def _by_meaning(self, connection: sqlite3.Connection, vector: Matrix, limit: int, where: Filter) -> Scored:
        if not self._vectors:
            return []
        wanted, values = condition(where)
        sql = f"SELECT number FROM chunks_{self.number} WHERE {wanted}"
        allowed = [number for (number,) in connection.execute(sql, values)] if wanted else None
        return self._vectors.best(connection, vector, limit, allowed)

    def _hits(self, connection: sqlite3.Connection, found: Scored) -> list[Hit]:
        marks = ", ".join("?" * len(found))
        sql = f"SELECT number, id, text, metadata FROM chunks_{self.number} WHERE number IN ({marks})"
        rows = {number: rest for number, *rest in connection.execute(sql, [number for number, _ in found])}
        shown = [(score, rows[number]) for number, score in found if number in rows]
        return [Hit(chunk_id, score, text, metadata_from(json.loads(metadata))) for score, (chunk_id, text, metadata) in shown]

    def identity(self) -> Identity:
        count = int(self._read(f"SELECT count(*) FROM chunks_{self.number}")[0][0])
        if count > SENSIBLE:
            log.warning(
                "%d chunks are more than the embedded store is good for (%d): set DATABASE_URL (pgvector) or use Milvus", count, SENSIBLE
            )
        stamp = self._read("SELECT stamp FROM collection WHERE number = ?", self.number)
        return Identity(self.id, count, str(stamp[0][0]) if stamp else "")

    def drop(self) -> None:
        with self.connections.writing() as connection:
            for table in TABLES:
                connection.execute(f"DROP TABLE IF EXISTS {table}_{self.number}")
            connection.execute("DELETE FROM collection WHERE number = ?", (self.number,))
        if self._vectors:
            self._vectors.file.unlink(missing_ok=True)

    def give_way_to(self, new: Store, seen: Identity) -> None:
        """In one transaction. A reader in the middle of a query sees the old one to its end; later ones are told to open it again."""
        if not isinstance(new, SqliteStore):
            raise TypeError(f"{new!r} is no collection of an embedded store")
        with self.connections.writing() as connection:
            row = connection.execute("SELECT name, stamp FROM collection WHERE number = ?", (self.number,)).fetchone()
            if row is None or row[1] != seen.stamp:
                raise Refused(changed_meanwhile(row and row[0]))
            self.drop()
            connection.execute("UPDATE collection SET name = ? WHERE number = ?", (row[0], new.number))

    def close(self) -> None:
        """The connections are the backend's."""

    def _read(self, sql: str, *values: str | int) -> list[Row]:
        with said_plainly(self.connections.path):
            return self.connections.mine().execute(sql, values).fetchall()


@dataclass
class SqliteBackend:
    """A file that holds collections; it is made, with its folder, when the first collection is opened."""

    path: Path
    embedder: Embedder | None = None
    name: str = "sqlite"
    features: Feature = ALL

    def __post_init__(self) -> None:
        self.connections = Connections(self.path)

    def open(self, collection: str) -> SqliteStore:
        if self.embedder:
            self.embedder.facts()  # may ask an endpoint, which must not happen inside the transaction
        with self.connections.writing() as connection:
            made = connection.execute("SELECT number, id, vectors, generation FROM collection WHERE name = ?", (collection,)).fetchone()
            number, made_id, recorded, generation = made or self._make(connection, collection)
            before = facts_from(recorded) if recorded else None
            empty = connection.execute(f"SELECT 1 FROM chunks_{number} LIMIT 1").fetchone() is None
            settled = settle(collection, before, self.embedder, empty)
            if settled.facts != before:
                connection.execute("UPDATE collection SET vectors = ? WHERE number = ?", (_json(settled.facts), number))
        store = SqliteStore(self.connections, number, made_id, settled)
        if store._vectors:
            store._vectors.forget_newer(generation)
        return store

    def _make(self, connection: sqlite3.Connection, collection: str) -> tuple[int, str, None, int]:
        made = uuid.uuid4().hex
        number = int(connection.execute("INSERT INTO collection (name, id) VALUES (?, ?)", (collection, made)).lastrowid or 0)
        for statement in statements(number):
            connection.execute(statement)
        return number, made, None, 0

    def collections(self) -> list[str]:
        if not self.path.exists():
            return []
        with said_plainly(self.path):
            names = [str(name) for (name,) in self.connections.mine().execute("SELECT name FROM collection ORDER BY name")]
        return [name for name in names if not name.endswith(COMING)]

    def close(self) -> None:
        self.connections.close()
        if self.embedder:
            self.embedder.close()


def open_backend(settings: Settings) -> SqliteBackend:
    """The store in STATE_DIR, with the embedder that the settings ask for."""
    return SqliteBackend(settings.state_dir / "store.db", open_embedder(settings))


def _json(facts: Facts | None) -> str | None:
    return facts.as_json() if facts else None
