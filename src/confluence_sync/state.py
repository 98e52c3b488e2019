"""What earlier runs did: which chunks may be in the store for which page; every change is one transaction.

Invariant: an entry names every chunk that may be in the store before the store has it, and forgets it only after the store lost it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluence_sync.database import Database, Row, Value, one_of
from confluence_sync.errors import ConfluenceSyncError, SettingsError
from confluence_sync.model import Entry, plain_text

SCHEMA_VERSION = 1
SCHEMA = """
create table if not exists meta (name text primary key, value text not null);
create table if not exists collection (
  target text primary key, identity text not null, count integer, stamp text not null, clean integer not null);
create table if not exists binding (
  scope text primary key, target text not null, wish text not null, space_id text not null, space_key text not null,
  described text not null, selection text not null);
create table if not exists entry (
  scope text not null, page_id text not null, version integer not null, fingerprint text not null, recipe text not null,
  title text not null, parent_id text not null, labels text not null, chunk_ids text not null, reader_hash text not null,
  settled integer not null, missing integer not null default 0, primary key (scope, page_id));
create table if not exists listing (
  scope text not null, page_id text not null, version integer not null, title text not null, parent_id text not null,
  updated_at text not null, fingerprint text not null, labels text, inside integer not null, primary key (scope, page_id));
create table if not exists step (
  scope text not null, kind text not null, page_id text not null, why text not null, primary key (scope, kind, page_id));
create temporary table if not exists held (
  space_key text not null, page_id text not null, chunk_id text not null, version integer not null, fingerprint text not null,
  recipe text not null, chunk_index integer not null, chunk_count integer not null, title text not null, labels text not null,
  reader_hash text not null, primary key (space_key, page_id, chunk_id));
create table if not exists run (started text primary key, report text not null);
create table if not exists unnamed (
  scope text not null, page_id text not null, user_id text not null, primary key (scope, page_id));
create table if not exists username (source text not null, user_id text not null, name text not null, primary key (source, user_id));
"""
ENTRY = "page_id, version, fingerprint, recipe, title, parent_id, labels, chunk_ids, reader_hash, settled"
PUT_ENTRY = f"""insert into entry (scope, {ENTRY}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (scope, page_id) do update set version = excluded.version, fingerprint = excluded.fingerprint, recipe = excluded.recipe,
title = excluded.title, parent_id = excluded.parent_id, labels = excluded.labels, chunk_ids = excluded.chunk_ids,
reader_hash = excluded.reader_hash, settled = excluded.settled, missing = 0"""


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection looked like when a run last left it. `clean` is False while a run is at work, so a killed one leaves it False."""

    identity: str
    count: int | None
    stamp: str
    clean: bool


@dataclass(frozen=True, slots=True)
class Binding:
    """Which space a wish of the settings meant when it filled a collection, and what of that space was taken."""

    scope: str
    target: str
    wish: str
    space_id: str
    space_key: str
    described: str
    selection: str


class State:
    """The state of one STATE_DIR or database. `scope` arguments are the keys that sync.py makes of collection, source, space and shard."""

    def __init__(self, database: Database) -> None:
        self.database = database
        try:
            self._lay_out(database)
        except ConfluenceSyncError:
            database.close()
            raise

    def _lay_out(self, database: Database) -> None:
        """Makes the tables where they are missing. Raises SettingsError for those of a newer version."""
        with database.migration():
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    database.run(statement)
            database.run("insert into meta values ('schema', ?) on conflict (name) do nothing", [str(SCHEMA_VERSION)])
        found = int(str(database.rows("select value from meta where name = 'schema'")[0][0]))
        if found > SCHEMA_VERSION:
            raise SettingsError(
                f"the state was written by a newer confluence-sync (schema {found}, this one knows {SCHEMA_VERSION}); "
                "install that version, or set another STATE_DIR"
            )

    def collection(self, target: str) -> Collection | None:
        rows = self.database.rows("select identity, count, stamp, clean from collection where target = ?", [target])
        found = [Collection(str(row[0]), None if row[1] is None else int(row[1]), str(row[2]), bool(row[3])) for row in rows]
        return found[0] if found else None

    def note_collection(self, target: str, collection: Collection) -> None:
        self.database.run(
            "insert into collection values (?, ?, ?, ?, ?) on conflict (target) do update set "
            "identity = excluded.identity, count = excluded.count, stamp = excluded.stamp, clean = excluded.clean",
            [target, collection.identity, collection.count, collection.stamp, int(collection.clean)],
        )

    def bindings(self, target: str) -> list[Binding]:
        rows = self.database.rows(
            "select scope, target, wish, space_id, space_key, described, selection from binding where target = ?", [target]
        )
        return [Binding(*map(str, row)) for row in rows]

    def bind(self, binding: Binding) -> None:
        self.database.run(
            "insert into binding values (?, ?, ?, ?, ?, ?, ?) on conflict (scope) do update set target = excluded.target, "
            "wish = excluded.wish, space_id = excluded.space_id, space_key = excluded.space_key, "
            "described = excluded.described, selection = excluded.selection",
            [binding.scope, binding.target, binding.wish, binding.space_id, binding.space_key, binding.described, binding.selection],
        )

    def unbind(self, scope: str) -> None:
        """Forgets what a scope was filled with, and its entries: the store has lost its chunks."""
        with self.database.transaction():
            self.database.run("delete from binding where scope = ?", [scope])
            self.database.run("delete from entry where scope = ?", [scope])

    def inherit(self, target: str, coming: str, scopes: Mapping[str, str], collection: Collection) -> None:
        """Collection `coming` is `target` from here on: what was known of that goes, and each scope (old key -> new key) moves to it."""
        with self.database.transaction():
            self.database.run("delete from entry where scope in (select scope from binding where target = ?)", [target])
            self.database.run("delete from binding where target = ?", [target])
            for before, now in scopes.items():
                for table in ("entry", "listing", "step", "unnamed"):
                    self.database.run(f"delete from {table} where scope = ?", [now])
                    self.database.run(f"update {table} set scope = ? where scope = ?", [now, before])
                self.database.run("update binding set scope = ?, target = ? where scope = ?", [now, target, before])
            self.database.run("delete from collection where target = ?", [coming])
            self.note_collection(target, collection)

    def entry(self, scope: str, page_id: str) -> Entry | None:
        return self.entries(scope, [page_id]).get(page_id)

    def entries(self, scope: str, page_ids: Sequence[str]) -> dict[str, Entry]:
        """The entries of these pages by page id; pages without one are missing."""
        if not page_ids:
            return {}
        marks, filled = one_of(page_ids)
        rows = self.database.rows(f"select {ENTRY} from entry where scope = ? and page_id in ({marks})", [scope, *filled])
        return {entry.page_id: entry for entry in map(_entry, rows)}

    def every_entry(self, scope: str) -> Iterator[Entry]:
        """All entries of a scope, by page id, a thousand at a time."""
        after = ""
        while rows := self.database.rows(
            f"select {ENTRY} from entry where scope = ? and page_id > ? order by page_id limit 1000", [scope, after]
        ):
            yield from map(_entry, rows)
            after = str(rows[-1][0])

    def put(self, scope: str, entries: Iterable[Entry]) -> None:
        """Writes entries in one transaction: with settled=False before the store changes, with settled=True after it did."""
        with self.database.transaction():
            self.database.run_many(PUT_ENTRY, [(scope, *_values(entry)) for entry in entries])

    def forget(self, scope: str, page_ids: Sequence[str]) -> None:
        """Drops the entries of pages whose chunks the store has lost."""
        with self.database.transaction():
            self.database.run_many("delete from entry where scope = ? and page_id = ?", [(scope, i) for i in page_ids])

    def forget_all(self, scope: str) -> None:
        self.database.run("delete from entry where scope = ?", [scope])

    def size(self, scope: str) -> int:
        return _int(self.database.rows("select count(*) from entry where scope = ?", [scope])[0][0])

    def chunks(self, scope: str = "") -> int:
        """How many chunks the settled and unsettled entries of a scope name, or those of all scopes."""
        words = "sum(case when chunk_ids = '' then 0 else length(chunk_ids) - length(replace(chunk_ids, ' ', '')) + 1 end)"
        return _int(self.database.rows(f"select {words} from entry where ? in ('', scope)", [scope])[0][0])

    def missing(self, scope: str) -> list[tuple[int, str]]:
        """(how many whole listings in a row did not show it, page id) for the pages that the last one did not show."""
        rows = self.database.rows("select missing, page_id from entry where scope = ? and missing > 0", [scope])
        return [(_int(times), str(page_id)) for times, page_id in rows]

    def note_missing(self, scope: str, missing: Iterable[tuple[int, str]]) -> None:
        with self.database.transaction():
            rows = [(times, scope, page_id) for times, page_id in missing]
            self.database.run_many("update entry set missing = ? where scope = ? and page_id = ?", rows)

    def unsettled(self, scope: str) -> int:
        return _int(self.database.rows("select count(*) from entry where scope = ? and settled = 0", [scope])[0][0])

    def names(self, source: str) -> dict[str, str]:
        return {str(i): str(name) for i, name in self.database.rows("select user_id, name from username where source = ?", [source])}

    def note_names(self, source: str, names: dict[str, str]) -> None:
        with self.database.transaction():
            self.database.run_many(
                "insert into username values (?, ?, ?) on conflict (source, user_id) do update set name = excluded.name",
                [(source, user_id, name) for user_id, name in names.items()],
            )

    def note_run(self, started: str, report: str, keep: int = 100) -> None:
        with self.database.transaction():
            key = f"{started} {time.time_ns()}"  # two runs may begin in one second
            self.database.run("insert into run values (?, ?)", [key, report])
            self.database.run("delete from run where started not in (select started from run order by started desc limit ?)", [keep])

    def runs(self, limit: int = 10) -> list[str]:
        """The last reports as JSON, newest first."""
        return [str(row[0]) for row in self.database.rows("select report from run order by started desc limit ?", [limit])]

    def oldest_unsynced(self, target: str) -> str:
        """When the oldest change was made that the last listings show and the collection does not have; empty when there is none."""
        rows = self.database.rows(
            """select min(listing.updated_at) from listing left join entry using (scope, page_id)
            where listing.inside = 1 and listing.updated_at <> '' and listing.scope in (select scope from binding where target = ?)
            and (entry.page_id is null or entry.settled = 0 or entry.fingerprint <> listing.fingerprint)""",
            [target],
        )
        return str(rows[0][0] or "")

    def close(self) -> None:
        self.database.close()


def _entry(row: Row) -> Entry:
    page_id, version, fingerprint, recipe, title, parent_id, labels, chunk_ids, reader_hash, settled = row
    return Entry(
        str(page_id), _int(version), str(fingerprint), str(recipe), str(title), str(parent_id), str(labels),
        tuple(str(chunk_ids).split()), str(reader_hash), bool(settled),
    )  # fmt: skip


def _values(entry: Entry) -> tuple[Value, ...]:
    return (
        entry.page_id, entry.version, entry.fingerprint, entry.recipe, plain_text(entry.title), entry.parent_id, plain_text(entry.labels),
        " ".join(entry.chunk_ids), entry.reader_hash, int(entry.settled),
    )  # fmt: skip


def _int(value: Value) -> int:
    return int(value) if value is not None else 0
