"""The embedded store: one SQLite file with keyword search, no server, a page in one transaction."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluence_sync.config import Settings
from confluence_sync.errors import Rejected
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Metadata, Stored, metadata_from
from confluence_sync.search_words import fts5, pairs, scaled
from confluence_sync.stores.base import Feature, Identity
from confluence_sync.stores.sqlite_file import TABLES, connect, said_plainly, statements

ALL = Feature.UPSERT | Feature.DELETE | Feature.LIST | Feature.QUERY | Feature.RETAG
AT_ONCE = 500
HEADING_COUNTS = 2.0  # a word in the title or a heading counts this many times one in the text

Row = tuple[str | int | float, ...]


@dataclass
class Connections:
    """The file, and one connection to it for each thread that asks."""

    path: Path
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _opened: list[sqlite3.Connection] = field(default_factory=list, repr=False)

    def mine(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self.path)
            self._opened.append(connection)
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; inside another one, a part of that."""
        connection = self.mine()
        if connection.in_transaction:
            yield connection
            return
        with said_plainly(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite itself rolls back on a full disk
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()


@dataclass
class SqliteStore:
    """One collection of the file. Safe to use from several threads; writers wait for one another."""

    connections: Connections
    number: int
    id: str
    features: Feature = ALL

    def write(self, chunks: Sequence[Chunk]) -> None:
        if not chunks:
            return
        rows = [_row(chunk) for chunk in chunks]
        with self.connections.writing() as connection:
            connection.executemany(
                f"""INSERT INTO chunks_{self.number} (id, space, page, modified, labels, metadata, heading, pairs, text)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET (space, page, modified, labels, metadata, heading,
                    pairs, text) = (excluded.space, excluded.page, excluded.modified, excluded.labels, excluded.metadata,
                    excluded.heading, excluded.pairs, excluded.text)""",
                rows,
            )

    def delete(self, chunk_ids: Sequence[str]) -> None:
        with self.connections.writing() as connection:
            connection.executemany(f"DELETE FROM chunks_{self.number} WHERE id = ?", [(chunk_id,) for chunk_id in chunk_ids])

    def retag(self, chunks: Sequence[Chunk]) -> None:
        rows = [(*_tags(chunk.metadata), chunk.id) for chunk in chunks]
        with self.connections.writing() as connection:
            connection.executemany(
                f"UPDATE chunks_{self.number} SET (space, page, modified, labels, metadata, heading) = (?, ?, ?, ?, ?, ?) WHERE id = ?",
                rows,
            )

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
        expression = fts5(text)
        return self._by_words(expression, top_k, where) if expression else []

    def _by_words(self, expression: str, top_k: int, where: Filter) -> list[Hit]:
        n = self.number
        condition, values = _condition(where)
        among = f"AND rowid IN (SELECT number FROM chunks_{n} WHERE {condition})" if condition else ""
        rows = self._read(
            f"""SELECT id, -score, text, metadata FROM (
                    SELECT rowid, bm25(words_{n}, {HEADING_COUNTS}, 1.0, 1.0) AS score FROM words_{n} WHERE words_{n} MATCH ? {among}
                    ORDER BY score LIMIT ?) AS found JOIN chunks_{n} ON number = found.rowid ORDER BY score, number""",
            expression,
            *values,
            top_k,
        )
        return [Hit(str(i), scaled(float(score)), str(text), metadata_from(json.loads(str(metadata)))) for i, score, text, metadata in rows]

    def identity(self) -> Identity:
        return Identity(self.id, int(self._read(f"SELECT count(*) FROM chunks_{self.number}")[0][0]))

    def drop(self) -> None:
        with self.connections.writing() as connection:
            for table in TABLES:
                connection.execute(f"DROP TABLE IF EXISTS {table}_{self.number}")
            connection.execute("DELETE FROM collections WHERE number = ?", (self.number,))

    def close(self) -> None:
        """The connections are the backend's."""

    def _read(self, sql: str, *values: str | int) -> list[Row]:
        with said_plainly(self.connections.path):
            return self.connections.mine().execute(sql, values).fetchall()


@dataclass
class SqliteBackend:
    """A file that holds collections; it is made, with its folder, when the first collection is opened."""

    path: Path
    name: str = "sqlite"
    features: Feature = ALL

    def __post_init__(self) -> None:
        self.connections = Connections(self.path)

    def open(self, collection: str) -> SqliteStore:
        with self.connections.writing() as connection:
            found = connection.execute("SELECT number, id FROM collections WHERE name = ?", (collection,)).fetchone()
            number, made = found or self._make(connection, collection)
        return SqliteStore(self.connections, number, made)

    def _make(self, connection: sqlite3.Connection, collection: str) -> tuple[int, str]:
        made = uuid.uuid4().hex
        number = int(connection.execute("INSERT INTO collections (name, id) VALUES (?, ?)", (collection, made)).lastrowid or 0)
        for statement in statements(number):
            connection.execute(statement)
        return number, made

    def collections(self) -> list[str]:
        if not self.path.exists():
            return []
        with said_plainly(self.path):
            return [name for (name,) in self.connections.mine().execute("SELECT name FROM collections ORDER BY name")]

    def close(self) -> None:
        self.connections.close()


def open_backend(settings: Settings) -> SqliteBackend:
    """The store in STATE_DIR."""
    return SqliteBackend(settings.state_dir / "store.db")


def _row(chunk: Chunk) -> tuple[str, ...]:
    try:
        chunk.text.encode()
    except UnicodeEncodeError as error:
        raise Rejected(
            f"chunk {chunk.id} of page {chunk.page_id} holds half a character at {error.start}, which no store can keep"
        ) from error
    return (chunk.id, *_tags(chunk.metadata), pairs(chunk.text), chunk.text)


def _tags(metadata: Metadata) -> tuple[str, ...]:
    """Space, page, modified, labels, metadata and heading, as the columns are."""
    labels = "".join(f"\n{label}\n" for label in metadata.labels)
    heading = f"{metadata.title} > {metadata.heading_path}"
    columns = (metadata.space_key, metadata.page_id, metadata.last_modified, labels)
    return (*columns, json.dumps(metadata.as_dict()), heading.encode("utf-8", "replace").decode())


def _condition(where: Filter) -> tuple[str, tuple[str, ...]]:
    """SQL for a filter, and its values in order; empty when everything matches."""
    parts: list[str] = []
    for column, wanted in (("space", where.space_keys), ("page", where.page_ids)):
        parts += [f"{column} IN ({', '.join('?' * len(wanted))})"] if wanted else []
    parts += ["(" + " OR ".join(["instr(labels, ?)"] * len(where.labels)) + ")"] if where.labels else []
    parts += ["modified >= ?"] if where.modified_since else []
    parts += ["modified <= ?"] if where.modified_before else []
    dates = tuple(date for date in (where.modified_since, where.modified_before) if date)
    return " AND ".join(parts), (*where.space_keys, *where.page_ids, *(f"\n{label}\n" for label in where.labels), *dates)
