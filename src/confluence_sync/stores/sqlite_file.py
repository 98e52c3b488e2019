"""The file of the embedded store: opened, checked and laid out; what SQLite says becomes what a person can act on."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluence_sync.errors import ConfluenceSyncError, NotFound, Refused, ServerFailed, SettingsError
from confluence_sync.volumes import made, on_network

log = logging.getLogger(__name__)

APPLICATION_ID = 0x43465359  # "CFSY", in the header of every file we make
SCHEMA = 4
PATIENCE = 60.0  # seconds that a statement waits for another program's transaction

LAYOUT = """
CREATE TABLE collection (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, so tables of a dropped collection cannot come back
    name TEXT NOT NULL UNIQUE,
    id TEXT NOT NULL,                         -- another one each time a collection of this name is made
    vectors TEXT,                             -- facts of the model that fills it, as JSON; NULL: keyword search only
    generation INTEGER NOT NULL DEFAULT 0,    -- grows with every change of vectors
    stamp TEXT NOT NULL DEFAULT ''            -- another one after every write, so that a restored older copy is noticed
);
"""

COLLECTION = """
CREATE TABLE chunks_{n} (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    space TEXT NOT NULL, page TEXT NOT NULL, modified TEXT NOT NULL,
    labels TEXT NOT NULL,                     -- each label between line feeds
    metadata TEXT NOT NULL,
    heading TEXT NOT NULL, pairs TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX chunks_{n}_filter ON chunks_{n} (page, space, modified, labels);
CREATE TABLE vectors_{n} (chunk INTEGER PRIMARY KEY, generation INTEGER NOT NULL, windows BLOB NOT NULL);
CREATE INDEX vectors_{n}_generation ON vectors_{n} (generation);
CREATE VIRTUAL TABLE words_{n} USING fts5 (
    heading, pairs, text, content='chunks_{n}', content_rowid='number', tokenize='unicode61 remove_diacritics 2'
);
INSERT INTO words_{n} (words_{n}, rank) VALUES ('automerge', 0); -- merging rarely and then more takes a fifth off a first sync
INSERT INTO words_{n} (words_{n}, rank) VALUES ('crisismerge', 32);
INSERT INTO words_{n} (words_{n}, rank) VALUES ('hashsize', 8388608); -- one segment a transaction, not one a megabyte
CREATE TRIGGER chunks_{n}_new AFTER UPDATE OF heading, pairs, text ON chunks_{n}
WHEN (old.heading, old.pairs, old.text) IS NOT (new.heading, new.pairs, new.text) BEGIN
    INSERT INTO words_{n} (words_{n}, rowid, heading, pairs, text) VALUES ('delete', old.number, old.heading, old.pairs, old.text);
    INSERT INTO words_{n} (rowid, heading, pairs, text) VALUES (new.number, new.heading, new.pairs, new.text);
END;
"""
TABLES = ("words", "vectors", "chunks")


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
            with connection:  # which commits, and takes back what a failure left open
                yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for everything read inside."""
        connection = self.mine()
        with said_plainly(self.path):
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the file, which is made when it is not there. Raises SettingsError or Refused for a file that must not be touched."""
    with said_plainly(path):
        made(path)
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        with ExitStack() as unless_it_serves:
            unless_it_serves.callback(connection.close)
            _prepare(connection, path)
            unless_it_serves.pop_all()
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    _check(connection, path)
    if on_network(path):
        log.warning("%s is on a network volume, where readers wait for the writer; a local disk or a server (pgvector) is faster", path)
        connection.execute("PRAGMA journal_mode = DELETE")
    else:
        _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -2048")
    if _version(connection) < SCHEMA:
        _lay_out(connection, path)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Sets the journal for good. SQLite does not wait for another that is about to, or reads just now: then it is set, or is next time."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Before anything is written: a file of another program or of a newer version of this one is left alone."""
    connection.execute("BEGIN")  # one state of a file that another process may be laying out
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    filled = connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    version = _version(connection)
    connection.execute("COMMIT")
    if owner not in (0, APPLICATION_ID) or (owner == 0 and filled):
        raise Refused(f"{path} is a SQLite file of another program; it was left alone. Set STATE_DIR to another folder")
    _refuse_newer(version, path)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_newer(version: int, path: Path) -> None:
    if version > SCHEMA:
        raise SettingsError(
            f"{path} was written by a newer confluence-sync (layout {version}, this one knows {SCHEMA}); upgrade, or set another STATE_DIR"
        )


def _lay_out(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    found = _version(connection)  # another thread or process may have been quicker
    _refuse_newer(found, path)
    if found == 0:
        for statement in LAYOUT.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    elif found < SCHEMA:
        _bring_up(connection, found)
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _bring_up(connection: sqlite3.Connection, found: int) -> None:
    """From an earlier layout.

    Up to layout 2, triggers brought chunks into the index and out of it: `sqlite_words` does that since, many with one statement. A process
    of an earlier version that has the file open would go on without them, and its chunks would never be found. So its writes fail, because
    what they all touch is a view now; its reads go on.
    """
    if found == 1:
        connection.execute("ALTER TABLE collections ADD COLUMN stamp TEXT NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE collections RENAME TO collection")
    connection.execute("CREATE VIEW collections AS SELECT * FROM collection")
    for (number,) in connection.execute("SELECT number FROM collection").fetchall():
        connection.execute(f"DROP TRIGGER IF EXISTS chunks_{number}_in")
        connection.execute(f"DROP TRIGGER IF EXISTS chunks_{number}_out")
        if found == 3:  # which had no view, so that an earlier version may have written past the index
            connection.execute(f"DELETE FROM vectors_{number} WHERE chunk NOT IN (SELECT number FROM chunks_{number})")
            connection.execute(f"INSERT INTO words_{number} (words_{number}) VALUES ('rebuild')")


def statements(number: int) -> Iterator[str]:
    """What makes the tables of a collection, one statement at a time so that it can be part of a transaction."""
    pending = ""
    for line in COLLECTION.format(n=number).splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def said_plainly(path: Path) -> Iterator[None]:
    """Turns what SQLite and the file system raise inside into our failures."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be used: {error.strerror or error}; set STATE_DIR to a folder that this account may write to"
        ) from error


def _translated(error: sqlite3.Error, path: Path) -> ConfluenceSyncError:
    code = getattr(error, "sqlite_errorname", "")
    family = "_".join(code.split("_")[:2])
    if family in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        return SettingsError(
            f"{path} is damaged ({error}); it was left as it is. Move it and its -wal and -shm files aside and run a sync, "
            "which fills a new one from Confluence, or put a backup back"
        )
    if family in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return ServerFailed(f"{path} was in use by another program for more than {PATIENCE:.0f} s; let the other run end, then run again")
    if family == "SQLITE_FULL":
        return ServerFailed(f"{path}: the disk is full; the page being written was taken back. Free some space and run again")
    if family in ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"):
        return SettingsError(f"{path} cannot be used ({error}); set STATE_DIR to a folder that this account may write to")
    if "no such table" in str(error):
        return NotFound(f"{path}: the collection was dropped while it was in use; open it again")
    if "fts5" in str(error):
        return SettingsError(f"this Python's SQLite ({sqlite3.sqlite_version}) cannot search text ({error}); use a build with FTS5")
    return ServerFailed(f"{path}: {error} ({code or 'no code'}); run again, and check the disk if it comes back")
