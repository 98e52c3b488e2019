"""The tables in PostgreSQL: made, checked and migrated; what PostgreSQL says becomes what a person can act on."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from confluence_sync.config import Settings
from confluence_sync.database import watched
from confluence_sync.errors import ConfluenceSyncError, NotFound, Refused, Rejected, ServerFailed, SettingsError

if TYPE_CHECKING:
    import psycopg

    Connection: TypeAlias = psycopg.Connection[tuple[object, ...]]

LAYOUT = 2
LEAST = (0, 5)  # pgvector from here on has HNSW
ITERATIVE = (0, 8)  # and from here on scans on until a filter is satisfied
MIGRATING = 0x43465359  # key of the advisory lock, so that two first runs do not make the tables twice

# The first five columns of document_chunk are those that Open WebUI's external knowledge reads, by its default names.
# `vector` there is the mean of a chunk's windows, for readers that know one vector a chunk; we search the windows.
MIGRATIONS = (
    """
    CREATE TABLE confluence_sync_layout (version int NOT NULL);
    INSERT INTO confluence_sync_layout VALUES (0);
    CREATE TABLE confluence_sync_collection (
        number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, id text NOT NULL, vectors text
    );
    CREATE TABLE document_chunk (
        id text NOT NULL, collection_name text NOT NULL, text text NOT NULL, vmetadata jsonb NOT NULL, vector vector,
        number bigint GENERATED ALWAYS AS IDENTITY UNIQUE, space text NOT NULL, page text NOT NULL, modified text NOT NULL,
        labels text[] NOT NULL, words tsvector NOT NULL,
        PRIMARY KEY (collection_name, id)
    );
    CREATE INDEX document_chunk_page ON document_chunk (collection_name, page);
    CREATE INDEX document_chunk_labels ON document_chunk USING gin (labels);
    CREATE INDEX document_chunk_words ON document_chunk USING gin (words);
    """,
    "ALTER TABLE confluence_sync_collection ADD COLUMN stamp text NOT NULL DEFAULT ''",  # another one after every write
)
WINDOWS = """
    CREATE TABLE document_window_{n} (
        chunk bigint NOT NULL REFERENCES document_chunk (number) ON DELETE CASCADE, part int NOT NULL, vector vector({dimension}) NOT NULL,
        PRIMARY KEY (chunk, part)
    );
    CREATE INDEX ON document_window_{n} USING hnsw (vector vector_cosine_ops)
"""


@dataclass
class Connections:
    """The database, and one connection to it for each thread that asks; a connection that broke is made anew."""

    address: str
    version: tuple[int, ...] = ()
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _opened: list[Connection] = field(default_factory=list, repr=False)

    def mine(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self._local.connection = self._connect()
            self._opened.append(connection)
        return connection

    def _connect(self) -> Connection:
        import psycopg

        with said_plainly():
            connection = psycopg.connect(
                watched(self.address), autocommit=True, connect_timeout=10, application_name="confluence-sync", client_encoding="utf8"
            )
            connection.execute("SET client_min_messages = warning")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """What happens inside is one transaction; inside another one it is a part of it that can be taken back alone."""
        with said_plainly(), self.mine().transaction():
            yield self.mine()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the database for everything read inside, so that what is replaced meanwhile is seen whole, the old or the new."""
        import psycopg

        alone = self.mine().info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with self.transaction() as connection:
            if alone:
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield connection

    def prepare(self) -> None:
        """Makes or migrates the tables. Raises SettingsError without the extension or the rights, Refused for foreign tables."""
        if self.version:
            return
        with self.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATING,))
            self.version = _extension(connection)
            done = _layout(connection)
            for number, statements in list(enumerate(MIGRATIONS, 1))[done:]:
                for statement in statements.split(";\n"):
                    connection.execute(statement)
                connection.execute("UPDATE confluence_sync_layout SET version = %s", (number,))

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()


def _extension(connection: Connection) -> tuple[int, ...]:
    """Makes sure of pgvector and gives its version."""
    sql = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    found = connection.execute(sql).fetchone()
    if found is None:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        found = connection.execute(sql).fetchone()
    version = tuple(int(part) for part in re.findall(r"\d+", str(found and found[0])))
    if version < LEAST:
        raise SettingsError(f"DATABASE_URL: pgvector there is {'.'.join(map(str, version))}, which has no HNSW; upgrade it to 0.8 or newer")
    return version


def _layout(connection: Connection) -> int:
    """The version of the tables, 0 when there are none yet."""
    row = connection.execute("SELECT to_regclass('confluence_sync_layout'), to_regclass('document_chunk')").fetchone() or (None, None)
    if row[0] is None and row[1] is not None:
        raise Refused(
            "DATABASE_URL: a table document_chunk of another program (Open WebUI's own?) is in the way and was left alone; "
            "give us a database or schema of our own (?options=-csearch_path%3Dconfluence,public)"
        )
    if row[0] is None:
        return 0
    (version,) = connection.execute("SELECT version FROM confluence_sync_layout").fetchone() or (0,)
    if int(str(version)) > LAYOUT:
        raise SettingsError(
            f"DATABASE_URL: the tables were made by a newer confluence-sync (layout {version}, this one knows {LAYOUT}); upgrade"
        )
    return int(str(version))


@contextmanager
def said_plainly() -> Iterator[None]:
    """Turns what psycopg raises inside into our failures."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise _translated(error) from error


def _translated(error: Exception) -> ConfluenceSyncError:
    state = getattr(error, "sqlstate", None) or ""
    said = " ".join(str(error).split())[:300]
    if state == "42501":
        return SettingsError(
            f"DATABASE_URL: the account lacks rights ({said}); let the owner run CREATE EXTENSION vector and GRANT CREATE on the schema"
        )
    if state in ("0A000", "58P01") and "extension" in said:
        return SettingsError(
            f"DATABASE_URL: this PostgreSQL has no pgvector ({said}); install the package pgvector on the server, or use another"
        )
    if state in ("28000", "28P01", "3D000") or "authentication failed" in said or ("database" in said and "does not exist" in said):
        return SettingsError(f"DATABASE_URL: the server does not let us in ({said}); check user, password and database")
    if state == "42P01":
        return NotFound(f"the collection was dropped while it was in use ({said}); open it again")
    if state.startswith("22"):
        return Rejected(f"PostgreSQL does not take the data ({said})")
    if state.startswith("53"):
        return ServerFailed(
            f"PostgreSQL is out of disk, memory or connections ({said}); the page being written was taken back. Make room, run again"
        )
    return ServerFailed(
        f"PostgreSQL: {said or type(error).__name__} ({state or 'connection'}); what was being written was taken back, run again"
    )


def address_of(settings: Settings) -> str:
    """DATABASE_URL, which psycopg takes as it is."""
    if not settings.database_url:
        raise SettingsError("DATABASE_URL: VECTOR_BACKEND=pgvector needs postgresql://user:password@host/database")
    return settings.database_url.reveal()
