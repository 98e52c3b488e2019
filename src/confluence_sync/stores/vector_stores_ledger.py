"""Remembers in STATE_DIR which file holds which chunk, because listing a store's files costs the server minutes of CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluence_sync.database import open_file, said_of

SCHEMA = """
create table if not exists file (store text, chunk_id text, file_id text, content text, attached integer, primary key (store, chunk_id));
create table if not exists fact (store text, name text, value text, primary key (store, name));
"""

REPLACED = "replaced-"  # before a chunk's id: its older file, until the newer one is in the store


@dataclass(frozen=True, slots=True)
class Held:
    """A chunk's file. `content` is a digest of text and metadata; `attached` is False while nobody knows whether the store has it."""

    file_id: str
    content: str
    attached: bool


def is_held(content: str, held: Held | None) -> bool:
    """Whether the store surely has a chunk just so."""
    return held is not None and held.attached and held.content == content


def every_name(chunk_ids: Sequence[str]) -> list[str]:
    """The names under which files of these chunks may be known: the chunk's own, and that of an older file set aside."""
    return [*chunk_ids, *(REPLACED + chunk_id for chunk_id in chunk_ids)]


class Ledger:
    """One SQLite file for all stores, which may be lost: then the store's own list is read once. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._db = open_file(path, SCHEMA)

    def held(self, store: str, chunk_ids: Iterable[str]) -> dict[str, Held]:
        """What is known of these chunks; unknown ones are missing."""
        found = {}
        for chunk_id in chunk_ids:
            rows = self._run("select file_id, content, attached from file where store = ? and chunk_id = ?", store, chunk_id)
            if rows:
                found[chunk_id] = Held(str(rows[0][0]), str(rows[0][1]), bool(rows[0][2]))
        return found

    def in_doubt(self, store: str) -> dict[str, Held]:
        """Chunks whose file was uploaded and of which nobody knows whether the store has them."""
        rows = self._run("select chunk_id, file_id, content from file where store = ? and attached = 0 order by chunk_id", store)
        return {str(row[0]): Held(str(row[1]), str(row[2]), attached=False) for row in rows}

    def note(self, store: str, chunk_id: str, held: Held) -> None:
        self._run("insert or replace into file values (?, ?, ?, ?, ?)", store, chunk_id, held.file_id, held.content, int(held.attached))

    def forget(self, store: str, chunk_id: str) -> None:
        self._run("delete from file where store = ? and chunk_id = ?", store, chunk_id)

    def forget_store(self, store: str) -> None:
        self._run("delete from file where store = ?", store)
        self._run("delete from fact where store = ?", store)

    def put_aside(self, store: str, older: Mapping[str, Held]) -> None:
        """Remembers the files of chunks that are about to get newer ones."""
        for chunk_id, one in older.items():
            self.note(store, REPLACED + chunk_id, one)

    def replaced(self, store: str) -> list[str]:
        """Names of files whose chunk has a newer one in the store. Where that did not get there, the older is the chunk's again."""
        names = []
        for name, older in self.held(store, self.like(store, REPLACED)).items():
            chunk_id = name.removeprefix(REPLACED)
            newer = self.held(store, [chunk_id]).get(chunk_id)
            if newer and newer.attached and newer.file_id != older.file_id:
                names.append(name)
            elif newer is None or newer.attached:
                self.note(store, chunk_id, older)
                self.forget(store, name)
        return names

    def like(self, store: str, prefix: str) -> list[str]:
        """The chunk ids that begin so."""
        return [str(row[0]) for row in self._run("select chunk_id from file where store = ? and chunk_id glob ?", store, f"{prefix}*")]

    def fact(self, store: str, name: str) -> str:
        """What was noted of a store under that name, "" when nothing was."""
        rows = self._run("select value from fact where store = ? and name = ?", store, name)
        return str(rows[0][0]) if rows else ""

    def note_fact(self, store: str, name: str, value: str) -> None:
        self._run("insert or replace into fact values (?, ?, ?)", store, name, value)

    def close(self) -> None:
        self._db.close()

    def _run(self, statement: str, *values: str | int) -> list[tuple[object, ...]]:
        with self._lock, said_of(self._path):
            return self._db.execute(statement, values).fetchall()
