"""A connection to the state's database, SQLite or PostgreSQL, speaking the SQL that both understand."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from confluence_sync.errors import RemoteError, SettingsError
from confluence_sync.model import digest
from confluence_sync.volumes import made, on_network

Value: TypeAlias = str | int | float | None
Row: TypeAlias = tuple[Value, ...]

SILENCE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""A server that vanished without a word (a dead node, a firewall that forgot) is given up after a minute; Linux waits two hours."""


class Database(Protocol):
    """Placeholders are `?`. Outside transaction() every statement is durable by itself."""

    def run(self, sql: str, values: Sequence[Value] = ()) -> int:
        """Runs one statement and gives the number of rows it changed."""

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None: ...

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]: ...

    def transaction(self) -> AbstractContextManager[None]: ...

    def migration(self) -> AbstractContextManager[None]:
        """A transaction that one process at a time is in: two that make the same table at once would break each other."""

    def lock(self, name: str) -> bool:
        """Takes a lock that dies with this process; False when another process holds it."""

    def close(self) -> None: ...


class SqliteDatabase:
    """One file, which a lock keeps to one process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._locks: list[int] = []
        try:
            made(file)
            self._connection = sqlite3.connect(file, isolation_level=None, timeout=10)
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(_unusable(file, error)) from error
        try:
            _journalled(self._connection, file)
            self._connection.execute("pragma temp_store=memory")
            self._connection.execute("pragma cache_size=-512")  # the kernel has the file, too; 2 MB more made nothing faster
        except sqlite3.Error as error:
            self._connection.close()
            raise SettingsError(_unusable(file, error)) from error

    def run(self, sql: str, values: Sequence[Value] = ()) -> int:
        with self._mapped():
            return self._connection.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        with self._mapped():
            self._connection.executemany(sql, rows)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        with self._mapped():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._mapped():
            self._connection.execute("begin immediate")
        with self._connection:  # which takes back what a failure left open
            yield
            with self._mapped():
                self._connection.execute("commit")

    def migration(self) -> AbstractContextManager[None]:
        return self.transaction()

    def lock(self, name: str) -> bool:
        handle = os.open(self._file.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o660)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._locks.append(handle)
        return True

    def close(self) -> None:
        self._connection.close()
        while self._locks:
            os.close(self._locks.pop())

    def _mapped(self) -> AbstractContextManager[None]:
        return said_of(self._file)


@contextmanager
def said_of(file: Path) -> Iterator[None]:
    """Turns what SQLite and the file system raise inside into a RemoteError that names `file` and the way out."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise RemoteError(_unusable(file, error)) from error


def open_file(file: Path, schema: str) -> sqlite3.Connection:
    """A small file of its own beside the state, with these tables; any thread may use it. Raises RemoteError naming the file."""
    with said_of(file):
        made(file)
        connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=30)
        try:
            _journalled(connection, file)
            connection.executescript(schema)
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def _journalled(connection: sqlite3.Connection, file: Path) -> None:
    """WAL on a local disk, where a commit is one write; a rollback journal on a network volume, where WAL's shared memory does not work."""
    connection.execute(f"pragma journal_mode={'delete' if on_network(file) else 'wal'}")
    connection.execute("pragma synchronous=full")


class PostgresDatabase:
    """The same over psycopg, for jobs without a volume and for several at once."""

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ModuleNotFoundError as error:
            raise SettingsError("a state in PostgreSQL needs a package: pip install 'confluence-sync[pgvector]'") from error
        self._psycopg = psycopg
        try:
            self._connection = psycopg.connect(watched(address), autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            raise RemoteError(f"the state's PostgreSQL cannot be opened: {str(error).strip()}") from error

    def run(self, sql: str, values: Sequence[Value] = ()) -> int:
        with self._mapped():
            return self._connection.execute(_dollars(sql), values).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        with self._mapped(), self._connection.cursor() as cursor:
            cursor.executemany(_dollars(sql), rows)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        with self._mapped():
            return self._connection.execute(_dollars(sql), values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._mapped(), self._connection.transaction():
            yield

    @contextmanager
    def migration(self) -> Iterator[None]:
        with self.transaction():
            self.rows("select pg_advisory_xact_lock(?)", [_number("confluence-sync schema")])
            yield

    def lock(self, name: str) -> bool:
        return bool(self.rows("select pg_try_advisory_lock(?)", [_number(name)])[0][0])

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            raise RemoteError(f"the state's PostgreSQL failed: {str(error).strip()}") from error


def watched(address: str) -> str:
    """The address of a PostgreSQL with SILENCE added where it does not say otherwise itself. Raises psycopg.Error when it is none."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    said = conninfo_to_dict(address)
    return make_conninfo(address, **{name: value for name, value in SILENCE.items() if name not in said})


def _number(name: str) -> int:
    """The key of an advisory lock, which is a number."""
    return int(digest(name, size=7), 16)


def open_database(state_dir: Path, address: str) -> Database:
    """PostgreSQL when `address` names one, else STATE_DIR/state.db (or the file of a sqlite:/// address)."""
    if address.startswith("postgres"):
        return PostgresDatabase(address)
    return SqliteDatabase(Path(address.removeprefix("sqlite://")) if address else state_dir / "state.db")


def one_of(values: Sequence[str]) -> tuple[str, list[str]]:
    """Marks for `in (...)`, and the values for them, of which there must be one at least. The last is repeated up to a multiple of 64:
    SQLite keeps a statement for each number of marks, and one with hundreds of them takes 30 KB."""
    filled = [*values, *[values[-1]] * (-len(values) % 64)]
    return ",".join("?" * len(filled)), filled


def _dollars(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def _unusable(file: Path, error: Exception) -> str:
    said = str(error)
    ways = {
        "locked": "another program holds it; wait for it, or give this job its own STATE_DIR",
        "full": "the disk is full; make room and run again, the next run goes on where this one stopped",
        "malformed": "the file is damaged; move it away (the run then rebuilds the state from the store) or restore it",
        "not a database": "the file is no SQLite database; move it away or set another STATE_DIR",
        "readonly": "it is read-only; STATE_DIR must be writable",
        "Permission": "STATE_DIR must be writable by this user",
        "Read-only": "STATE_DIR must be on a writable disk (in a cluster: a volume)",
        "unable to open": "STATE_DIR must be a writable folder",
    }
    way = next((way for sign, way in ways.items() if sign in said), "see the message of the system")
    return f"{file} cannot be used ({said}): {way}"
