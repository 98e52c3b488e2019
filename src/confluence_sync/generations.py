"""What the state knows of rotated collections: which generation is live, which is being filled, and with which pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from confluence_sync.database import Database, Value, one_of
from confluence_sync.model import PageRef, digest, plain_text
from confluence_sync.prepare import Prepared

SCHEMA = """
create table if not exists generation (
  target text not null, name text not null, scope text not null, recipe text not null, status text not null, address text not null,
  primary key (target, name));
create table if not exists generation_page (
  generation text not null, page_id text not null, version integer not null, fingerprint text not null, title text not null,
  parent_id text not null, updated_at text not null, progress integer not null default 0, fails integer not null default 0,
  recipe text not null default '', labels text not null default '', chunk_ids text not null default '',
  reader_hash text not null default '', primary key (generation, page_id))
"""
PENDING, WRITING, DONE = 0, 1, 2
STAMP = "%Y%m%d%H%M%S"

PIN = """insert into generation_page (generation, page_id, version, fingerprint, title, parent_id, updated_at)
select ?, page_id, version, fingerprint, title, parent_id, updated_at from listing where scope = ? and inside = 1"""

NOTE_WRITING = """update generation_page set progress = 1, version = ?, fingerprint = ?, title = ?, parent_id = ?, recipe = ?, labels = ?,
chunk_ids = ?, reader_hash = ? where generation = ? and page_id = ?"""

SETTLE = """insert into entry (scope, page_id, version, fingerprint, recipe, title, parent_id, labels, chunk_ids, reader_hash, settled)
select ?, page_id, version, fingerprint, recipe, title, parent_id, labels, chunk_ids, reader_hash, 1
from generation_page where generation = ? and progress = 2"""

MISSING = """select count(*) from generation_page g left join entry e on e.scope = ? and e.page_id = g.page_id
where g.generation = ? and g.progress <> 2 and (g.fails = 0 or (e.page_id is not null and g.fails < 2))"""

AWAITED = """select e.page_id from entry e left join listing l on l.scope = e.scope and l.page_id = e.page_id and l.inside = 1
left join step s on s.scope = e.scope and s.page_id = e.page_id and s.kind = 'delete'
where e.scope = ? and l.page_id is null and s.page_id is null"""

NEWS = """select count(*) from step s left join listing l on l.scope = s.scope and l.page_id = s.page_id
left join generation_page g on g.generation = ? and g.page_id = s.page_id and g.version = l.version and g.fails > 0
where s.scope = ? and s.kind <> 'defer' and g.page_id is null"""


STILL_FAILING = """select s.page_id, l.title from step s join listing l on l.scope = s.scope and l.page_id = s.page_id
join generation_page g on g.generation = ? and g.page_id = s.page_id and g.version = l.version and g.fails > 0
where s.scope = ? order by s.page_id"""


@dataclass(frozen=True, slots=True)
class Generation:
    """One collection among those that follow each other under `target`; `address` is what its readers must name, "" until it exists."""

    target: str
    name: str
    scope: str
    recipe: str
    status: str
    address: str


def new_name(collection: str, owner: str, taken: Sequence[str], now: datetime | None = None) -> str:
    """A name that shows when and for whom it was made, with check digits that no other program would hit by chance."""
    moment = now or datetime.now(UTC)
    while (name := _name(collection, moment.strftime(STAMP), owner)) in taken:
        moment += timedelta(seconds=1)
    return name


def owner_of(name: str, collection: str) -> str:
    """The owner in a generation's name; "" when it is no generation of that collection made by this program."""
    parts = name.removeprefix(f"{collection}--").split("-")
    if not name.startswith(f"{collection}--") or len(parts) != 3:
        return ""
    return parts[1] if name == _name(collection, parts[0], parts[1]) else ""


def _name(collection: str, stamp: str, owner: str) -> str:
    return f"{collection}--{stamp}-{owner}-{digest('confluence-sync', collection, stamp, owner, size=3)}"


class Generations:
    """The tables of all generations in one state."""

    def __init__(self, database: Database) -> None:
        self._db = database
        for statement in SCHEMA.split(";\n"):
            database.run(statement)

    def find(self, target: str, status: str) -> Generation | None:
        """The generation with this status, `filling` or `live`: there is at most one of each."""
        rows = self._db.rows(
            "select target, name, scope, recipe, status, address from generation where target = ? and status = ?", [target, status]
        )
        return Generation(*map(str, rows[0])) if rows else None

    def names(self, target: str) -> list[str]:
        """Every generation that the state still names, old ones too."""
        return [str(row[0]) for row in self._db.rows("select name from generation where target = ? order by name", [target])]

    def start(self, generation: Generation) -> None:
        """Names a generation before it exists, and pins the pages of the listing for it."""
        with self._db.transaction():
            values = (generation.target, generation.name, generation.scope, generation.recipe, "filling", "")
            self._db.run("insert into generation values (?, ?, ?, ?, ?, ?)", values)
            self._db.run(PIN, [generation.name, generation.scope])

    def pin(self, generation: Generation, refs: Sequence[PageRef]) -> None:
        """Further pages, which the listing did not show."""
        with self._db.transaction():
            self._db.run_many(
                "insert into generation_page (generation, page_id, version, fingerprint, title, parent_id, updated_at) "
                "values (?, ?, ?, ?, ?, ?, ?) on conflict (generation, page_id) do nothing",
                [(generation.name, r.id, r.version, r.fingerprint, plain_text(r.title), r.parent_id, r.updated_at) for r in refs],
            )

    def awaited(self, scope: str) -> list[str]:
        """Pages that readers have, that the listing did not show, and that were not missing often enough to be deleted."""
        return [str(row[0]) for row in self._db.rows(AWAITED, [scope])]

    def unpin_vanished(self, generation: Generation) -> None:
        """A page that vanished upstream since the generation was started need not come any more."""
        self._db.run(
            "delete from generation_page where generation = ? and progress = 0 and page_id not in "
            "(select page_id from listing where scope = ? and inside = 1)",
            [generation.name, generation.scope],
        )

    def pending(self, generation: Generation, size: int) -> Iterator[list[PageRef]]:
        """The pages that are not surely in, `size` at a time, by page id."""
        after = ""
        while rows := self._db.rows(
            "select page_id, version, title, parent_id, updated_at from generation_page where generation = ? and progress <> 2 "
            "and page_id > ? order by page_id limit ?",
            [generation.name, after, size],
        ):
            yield [PageRef(str(i), int(v or 0), str(t), str(p), str(u)) for i, v, t, p, u in rows]
            after = str(rows[-1][0])

    def count(self, generation: Generation, *progress: int) -> int:
        marks = ",".join("?" * len(progress))
        statement = f"select count(*) from generation_page where generation = ? and progress in ({marks})"
        return int(self._db.rows(statement, [generation.name, *progress])[0][0] or 0)

    def unsure(self, generation: Generation, page_ids: Sequence[str]) -> set[str]:
        """Those of the pages whose chunks an earlier, cut run may have written."""
        marks, filled = one_of(page_ids)
        statement = f"select page_id from generation_page where generation = ? and progress = 1 and page_id in ({marks})"
        return {str(row[0]) for row in self._db.rows(statement, [generation.name, *filled])}

    def note_writing(self, generation: Generation, pages: Sequence[Prepared]) -> None:
        """Names the chunks before the store has them."""
        with self._db.transaction():
            self._db.run_many(NOTE_WRITING, [(*_page_values(page), generation.name, page.ref.id) for page in pages])

    def note_done(self, generation: Generation, page_ids: Sequence[str]) -> None:
        with self._db.transaction():
            rows = [(generation.name, page_id) for page_id in page_ids]
            self._db.run_many("update generation_page set progress = 2, fails = 0 where generation = ? and page_id = ?", rows)

    def note_failed(self, generation: Generation, page_id: str) -> None:
        statement = "update generation_page set progress = 0, fails = fails + 1 where generation = ? and page_id = ?"
        self._db.run(statement, [generation.name, page_id])

    def would_lose(self, generation: Generation) -> int:
        """How many pages readers have now and would not have after the switch, or that nobody tried yet; twice failed ones do not count."""
        return int(self._db.rows(MISSING, [generation.scope, generation.name])[0][0] or 0)

    def news(self, scope: str, live: Generation | None) -> int:
        """How many steps of the plan are not just pages that failed at this very version when the live generation was filled."""
        return int(self._db.rows(NEWS, [live.name if live else "", scope])[0][0] or 0)

    def still_failing(self, scope: str, live: Generation) -> list[tuple[str, str]]:
        """(page id, title) of the pages that failed when the live generation was filled and have not changed since."""
        return [(str(page_id), str(title)) for page_id, title in self._db.rows(STILL_FAILING, [live.name, scope])]

    def switch(self, generation: Generation, address: str) -> None:
        """Makes a generation the live one, and its pages the entries of its scope, in one transaction."""
        with self._db.transaction():
            self._db.run("update generation set status = 'old' where target = ? and status = 'live'", [generation.target])
            self._db.run("update generation set status = 'live', address = ? where name = ?", [address, generation.name])
            self._db.run("delete from entry where scope = ?", [generation.scope])
            self._db.run(SETTLE, [generation.scope, generation.name])

    def forget(self, name: str) -> None:
        """Forgets a generation that the server has lost. Its pages stay noted while it is live."""
        with self._db.transaction():
            self._db.run("delete from generation where name = ?", [name])
            self._db.run("delete from generation_page where generation = ?", [name])


def _page_values(page: Prepared) -> tuple[Value, ...]:
    ref, first = page.ref, page.chunks[0].metadata if page.chunks else None
    ids = " ".join(chunk.id for chunk in page.chunks)
    about = (ref.version, ref.fingerprint, plain_text(ref.title), ref.parent_id, page.recipe, plain_text(page.labels))
    return (*about, ids, first.reader_hash if first else "")
