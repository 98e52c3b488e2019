"""The service's own small SQLite file in STATE_DIR: keys and conversations, nothing that a sync needs."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluence_sync.errors import SettingsError

LAYOUT = """
CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS turns (
    number INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, session TEXT NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL,
    sources TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS turns_session ON turns (owner, session, number);
"""


@dataclass
class ServiceFile:
    """One connection for each thread that asks; readable by its owner alone, as conversations are nobody else's."""

    folder: Path
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _opened: list[sqlite3.Connection] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, _close_all, self._opened)  # a file that nobody closed is closed when nobody has it any more

    @property
    def path(self) -> Path:
        return self.folder / "service.db"

    def mine(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            self._opened.append(connection)
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with self.mine() as connection:
            yield connection

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    def _connect(self) -> sqlite3.Connection:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
            connection = sqlite3.connect(self.path, timeout=10, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            connection.executescript(LAYOUT)
        except sqlite3.Error as error:
            connection.close()
            raise self._unusable(error) from error
        return connection

    def _unusable(self, error: Exception) -> SettingsError:
        return SettingsError(f"{self.path} cannot be used ({error}); set STATE_DIR to a folder that this account may write to")


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()
