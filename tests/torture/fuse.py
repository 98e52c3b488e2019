"""Stops a run at its n-th effect on state or store, as a kill would: before it, in the middle of it, or after it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch as replaced

from confluence_sync import run as run_module
from confluence_sync.database import Database, PostgresDatabase, SqliteDatabase, Value
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored
from confluence_sync.stores.base import Backend, Feature, Identity, Replaceable, Store

WHEN = ("before", "halfway", "after")


class Stop(BaseException):
    """The process ends here. Not an Exception, so that nothing in the program can handle it."""


@dataclass
class Fuse:
    """Counts effects; at the `at`-th it stops the run, and nothing has an effect any more. 0 never stops."""

    at: int = 0
    when: str = "before"
    effects: list[str] = field(default_factory=list)
    blown: bool = False
    kill: bool = False  # end the process with SIGKILL instead of raising

    def around(self, name: str, effect: Callable[[], object], half: Callable[[], object] | None = None) -> object:
        """`half` is what may already have happened when the process dies in the middle; without it an effect is all or nothing."""
        if self.blown:
            raise Stop
        self.effects.append(name)
        if len(self.effects) != self.at:
            return effect()
        if self.when == "after":
            effect()
        elif self.when == "halfway" and half:
            half()
        if self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        self.blown = True
        raise Stop


@dataclass
class FusedStore:
    """A store whose every write is an effect. Half of a write is in when it is cut in the middle."""

    inner: Store
    fuse: Fuse

    @property
    def features(self) -> Feature:
        return self.inner.features

    def write(self, chunks: Sequence[Chunk]) -> None:
        if chunks:
            half = chunks[: len(chunks) // 2]
            self.fuse.around(f"store writes {len(chunks)}", lambda: self.inner.write(chunks), lambda: self.inner.write(half))

    def delete(self, chunk_ids: Sequence[str]) -> None:
        if chunk_ids:
            half = chunk_ids[: len(chunk_ids) // 2]
            self.fuse.around(f"store deletes {len(chunk_ids)}", lambda: self.inner.delete(chunk_ids), lambda: self.inner.delete(half))

    def retag(self, chunks: Sequence[Chunk]) -> None:
        half = chunks[: len(chunks) // 2]
        self.fuse.around(f"store retags {len(chunks)}", lambda: self.inner.retag(chunks), lambda: self.inner.retag(half))

    def ids(self) -> Iterator[Stored]:
        return self.inner.ids()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A commit is an effect of its own where the store has transactions."""
        if isinstance(self.inner.transaction(), nullcontext):
            yield
            return
        with self.inner.transaction():
            yield
            if self.fuse.when != "after":
                self.fuse.around("store commits", lambda: None)
        if self.fuse.when == "after":
            self.fuse.around("store commits", lambda: None)

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        return self.inner.query(text, top_k, where)

    def identity(self) -> Identity:
        return self.inner.identity()

    def drop(self) -> None:
        self.fuse.around("store drops", self.inner.drop)

    def close(self) -> None:
        self.inner.close()


@dataclass
class FusedReplaceable(FusedStore):
    """One that can give way to another collection: all at once, or not."""

    inner: Replaceable

    @property
    def outdated(self) -> str:
        return self.inner.outdated

    @property
    def anew(self) -> str:
        return self.inner.anew

    def give_way_to(self, new: Store, seen: Identity) -> None:
        assert isinstance(new, FusedStore)
        self.fuse.around("store gives way", lambda: self.inner.give_way_to(new.inner, seen))


@dataclass
class FusedBackend:
    """Opens fused stores; a run must not close what the test goes on using."""

    inner: Backend
    fuse: Fuse

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def features(self) -> Feature:
        return self.inner.features

    def open(self, collection: str) -> FusedStore:
        store = self.inner.open(collection)
        return FusedReplaceable(store, self.fuse) if isinstance(store, Replaceable) else FusedStore(store, self.fuse)

    def collections(self) -> list[str]:
        return self.inner.collections()

    def close(self) -> None:
        """The test closes it."""


class Fusing:
    """Put before a kind of database: every commit is an effect, all or nothing, as SQLite and PostgreSQL promise."""

    fuse = Fuse()
    inside = False

    def run(self, sql: str, values: Sequence[Value] = ()) -> int:
        run = super().run  # type: ignore[misc]  # of the database that stands behind this class
        done = run(sql, values) if self.inside else self.fuse.around(f"state: {sql[:40]}", lambda: run(sql, values))
        assert isinstance(done, int)
        return done

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        run_many = super().run_many  # type: ignore[misc]
        if self.inside:
            run_many(sql, rows)
        else:
            self.fuse.around(f"state: {sql[:40]}", lambda: run_many(sql, rows))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self.fuse.when == "after":
            with self._within():
                yield
            self.fuse.around("state commits", lambda: None)
            return
        with self._within():
            yield
            self.fuse.around("state commits", lambda: None)

    @contextmanager
    def _within(self) -> Iterator[None]:
        with super().transaction():  # type: ignore[misc]
            self.inside = True
            try:
                yield
            finally:
                self.inside = False


class FusedSqlite(Fusing, SqliteDatabase):
    """The state in a file."""


class FusedPostgres(Fusing, PostgresDatabase):
    """The state in PostgreSQL."""


@contextmanager
def fused(fuse: Fuse) -> Iterator[None]:
    """While this holds, runs of this process open their state with the fuse in it; a stopped one leaves no connection, as the dead do."""
    databases: list[FusedPostgres | FusedSqlite] = []

    def opened(folder: Path, address: str) -> Database:
        made = FusedPostgres(address) if address else FusedSqlite(folder / "state.db")
        made.fuse = fuse
        databases.append(made)
        return made

    with replaced.object(run_module, "open_database", opened):
        try:
            yield
        finally:
            for database in databases:
                database.close()
