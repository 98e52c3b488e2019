"""PostgreSQL with pgvector as a ground: a cell gets a database of its own by CREATE DATABASE ... TEMPLATE, state and chunks together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluence_sync.config import Settings
from confluence_sync.http import Patience
from confluence_sync.stores.base import Backend
from confluence_sync.stores.pgvector import PgvectorBackend
from tests.integration.postgres import data_folder, new_database
from tests.torture.grounds import HASTY, Fault, Fill, Standing, Steps
from tests.torture.oracle import Contents
from tests.torture.servers import Servers
from tests.torture.tcp_proxy import FAULTS, TcpProxy, tcp_proxied

STEPS = tuple((word, word) for word in ("connect", "select", "insert", "update", "delete", "copy", "begin", "commit", "set", "create"))
SESSIONS = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
SECONDS_TO_END = 10.0


@dataclass
class PgvectorStanding:
    """One database; DATABASE_URL leads through the proxy, and so the state is in it, too."""

    folder: Path
    admin: str
    database: str
    proxy: TcpProxy

    @property
    def settings(self) -> Mapping[str, str]:
        return {"DATABASE_URL": f"postgresql://postgres:@127.0.0.1:{self.proxy.port}/{name_of(self.database)}?sslmode=disable"}

    @property
    def lines(self) -> list[str]:
        return self.proxy.lines

    def strike(self, fault: Fault | None) -> None:
        """Without a fault the sessions of a run that was cut end first, as they would before the next night."""
        if fault is None:
            ended(self.admin, self.database)
        self.proxy.strike(fault)

    def backend(self, settings: Settings, patience: Patience) -> Backend:
        return PgvectorBackend(settings.database_url.reveal())

    def contents(self, settings: Settings) -> Contents:
        import psycopg

        with closing(PgvectorBackend(self.database)) as backend, psycopg.connect(self.database) as reader:
            listed = [(one.chunk_id, one.metadata.as_dict() if one.metadata else {}) for one in backend.open("confluence").ids()]
            texts = dict(reader.execute("SELECT id, text FROM document_chunk WHERE collection_name = 'confluence'").fetchall())
        assert len(listed) == len(dict(listed)), "a chunk is there twice"
        return {chunk_id: (str(texts[chunk_id]), metadata) for chunk_id, metadata in listed}

    def leftover(self, settings: Settings) -> str:
        return ""


@dataclass
class PgvectorGround:
    """`folder` is where the states' lock files go; the first day is kept as the database `first`."""

    servers: Servers
    folder: Path
    faults: Sequence[str] = FAULTS
    steps: Steps = (*STEPS, ("bound", "."))
    hasty: Patience = HASTY
    stale: frozenset[str] = frozenset()
    cuts: Mapping[str, str] = field(default_factory=dict)
    rotated: bool = False
    first: str = field(default="")

    @contextmanager
    def standing(self, folder: Path, fill: Fill) -> Iterator[Standing]:
        admin = self.servers.postgres
        if not self.first:
            first = new_database(admin)
            with self._opened(folder, first) as one:
                fill(one)
            ended(admin, first)
            self.first = first
        copy = new_database(admin, name_of(self.first))
        try:
            with self._opened(folder, copy) as one:
                yield one
        finally:
            _run(admin, f"DROP DATABASE {name_of(copy)} WITH (FORCE)")

    @contextmanager
    def _opened(self, folder: Path, database: str) -> Iterator[PgvectorStanding]:
        admin = self.servers.postgres
        socket = data_folder(admin) / ".s.PGSQL.5432"
        with tcp_proxied(socket, lambda: _terminate(admin, name_of(database))) as proxy:
            yield PgvectorStanding(folder, admin, database, proxy)


def name_of(address: str) -> str:
    """The database's name."""
    return address.partition("?")[0].rpartition("/")[2]


def ended(admin: str, database: str) -> None:
    """Returns when the server has noticed that nobody is connected to the database any more."""
    import psycopg

    until = time.monotonic() + SECONDS_TO_END
    with psycopg.connect(admin, autocommit=True) as connection:
        while connection.execute(f"SELECT 1 {SESSIONS}".encode(), (name_of(database),)).fetchone():
            assert time.monotonic() < until, f"sessions of {name_of(database)} live on after {SECONDS_TO_END} s"
            time.sleep(0.01)


def _terminate(admin: str, database: str) -> None:
    _run(admin, f"SELECT pg_terminate_backend(pid) {SESSIONS}", database)


def _run(admin: str, sql: str, *values: str) -> None:
    import psycopg

    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.encode(), values or None)
