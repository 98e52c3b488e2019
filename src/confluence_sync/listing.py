"""Spools a listing into the state as it arrives and joins it there with what is stored: memory does not grow with the space."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from confluence_sync.database import Value
from confluence_sync.errors import ServerFailed
from confluence_sync.fetch import as_they_come
from confluence_sync.model import PageRef, Scope, batched
from confluence_sync.plan import Kind, Plan, Step, Wanted
from confluence_sync.selecting import keep_below, keep_labelled, note_labels, note_unknown_labels
from confluence_sync.source.base import Source
from confluence_sync.state import State

log = logging.getLogger(__name__)

LIMITS = (250, 125, 60, 25)  # a server that fails on a large page of the listing is asked again from the start, for smaller ones

REF_VALUES = attrgetter("id", "version", "title", "parent_id", "updated_at")

PUT_REF = """insert into listing (scope, page_id, version, title, parent_id, updated_at, fingerprint, labels, inside)
values (?, ?, ?, ?, ?, ?, ?, null, ?) on conflict (scope, page_id) do update set version = excluded.version, title = excluded.title,
parent_id = excluded.parent_id, updated_at = excluded.updated_at, fingerprint = excluded.fingerprint"""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the source showed of a scope. Only a `complete` one can tell what is gone. The rows are in the state under `key`."""

    key: str
    scope: Scope
    count: int
    complete: bool


def spool(
    state: State, source: Source, key: str, scope: Scope, wanted: Wanted, progress: Callable[[int], None], again: bool = False
) -> Listing:
    """Reads the listing into the state. Raises what the source raises: then there is no listing, and nothing may be concluded.

    `progress` is called with the number of pages so far; `again` says that the largest answers were too much for the server already.
    """
    if wanted.page_ids:
        state.database.run("delete from listing where scope = ?", [key])
        _store(state, key, scope, source.refs(wanted.page_ids))
        whole = False
    else:
        sizes = LIMITS[1:] if again else LIMITS
        whole = _spool_whole(Arriving(state, source, key, scope), sizes, wanted.limit, progress) and not wanted.partial
    if scope.folder_id:
        keep_below(state, source, key, scope.folder_id)
    if scope.labels:
        keep_labelled(state, source, key, scope)
    if wanted.refresh_labels:
        note_labels(state, source, key, scope)
    else:
        note_unknown_labels(state, source, key)
    return Listing(key, scope, listed(state, key), complete=whole)


def _spool_whole(arriving: Arriving, sizes: Sequence[int], limit: int, progress: Callable[[int], None]) -> bool:
    for size in sizes:
        try:
            for _ in arriving.batches(size, limit):
                progress(arriving.seen)
            return bool(arriving.whole)
        except ServerFailed as error:
            if size == sizes[-1]:
                raise
            log.warning("the listing is asked again in smaller pages: %s", error)
    raise AssertionError("the last size either returns or raises")


@dataclass
class Arriving:
    """A listing on its way into the state: how many pages were `seen`, whether more of it is `waiting` to be taken, and whether it ended
    as a `whole` one, which is not known before.

    It is not whole when it had a hole: an answer without pages that said more follow, which real servers give now and then.
    """

    state: State
    source: Source
    key: str
    scope: Scope
    seen: int = 0
    waiting: bool = False
    whole: bool | None = None

    def batches(self, size: int = 0, limit: int = 0) -> Iterator[list[PageRef]]:
        """The pages inside the scope that each answer is the first to show, once they are in the state. `size` is an answer's, at most.

        Stops after `limit` pages, where one is given.
        """
        size = size or LIMITS[0]
        hollow, hole = False, False
        self.seen, self.whole = 0, None
        self.state.database.run("delete from listing where scope = ?", [self.key])
        answers = self.source.listing(self.scope.space, min(size, limit or size))
        for refs, self.waiting in ((refs, False) for refs in answers) if limit else _as_they_come(answers):
            hole, hollow = hole or hollow, not refs
            taken = refs[: limit - self.seen] if limit else refs
            self.seen += len(taken)
            yield _store(self.state, self.key, self.scope, taken)
            if limit and self.seen >= limit:
                return
        if hole:
            log.warning("the listing of %s had an empty page in the middle; nothing is deleted on it", self.scope.space.key)
        self.whole = not hole


def _as_they_come(answers: Iterator[list[PageRef]]) -> Iterator[tuple[list[PageRef], bool]]:
    """Each answer, and whether another is there already.

    Fifty may wait while a bundle is written, so they wait packed: 20 KB each instead of a thousand small objects, 150 KB, which
    would be spread all over the heap and keep it from shrinking long after.
    """
    packed = (pickle.dumps([REF_VALUES(ref) for ref in refs], pickle.HIGHEST_PROTOCOL) for refs in answers)
    for answer, waiting in as_they_come(packed):
        yield [PageRef(*values) for values in pickle.loads(answer)], waiting


def _store(state: State, key: str, scope: Scope, refs: list[PageRef]) -> list[PageRef]:
    """Gives those of them that are inside the scope and were not listed before, each once."""

    def row(ref: PageRef) -> tuple[Value, ...]:
        fresh = (key, ref.id, ref.version, ref.title, ref.parent_id, ref.updated_at, ref.fingerprint)
        return (*fresh, int(scope.owns(ref.id)))

    found = {ref.id: ref for ref in refs}
    before: set[str] = set()
    with state.database.transaction():
        for some in batched(list(found), 1000):
            marks = ",".join("?" * len(some))
            known = state.database.rows(f"select page_id from listing where scope = ? and page_id in ({marks})", [key, *some])
            before |= {str(page_id) for (page_id,) in known}
        state.database.run_many(PUT_REF, map(row, found.values()))
    return [ref for ref in found.values() if scope.owns(ref.id) and ref.id not in before]


def listed(state: State, key: str) -> int:
    """How many pages of the last listing lie inside the scope."""
    return int(state.database.rows("select count(*) from listing where scope = ? and inside = 1", [key])[0][0] or 0)


CHANGED = """(e.settled = 0 or e.fingerprint <> l.fingerprint or e.recipe <> ? or ? = 1
 or (l.labels is not null and l.labels <> e.labels))"""

FIND_CREATE = """insert into step select l.scope, case when l.updated_at >= ? then 'create' else 'defer' end, l.page_id, 'new'
from listing l left join entry e on e.scope = l.scope and e.page_id = l.page_id
where l.scope = ? and l.inside = 1 and e.page_id is null"""

FIND_UPDATE = f"""insert into step select l.scope,
case when e.settled = 1 and e.recipe = ? and ? = 0 and e.version = l.version and e.title = l.title then 'retag' else 'update' end,
l.page_id,
case when e.settled = 0 then 'an earlier run was cut off'
 when e.fingerprint = '' then 'found in the store, to be compared'
 when ? = 1 then 'rebuilt'
 when e.recipe <> ? then 'converted in another way now'
 when e.title <> l.title then 'renamed from ' || e.title
 when e.version <> l.version then 'edited'
 when e.parent_id <> l.parent_id then 'moved' else 'other labels' end
from listing l join entry e on e.scope = l.scope and e.page_id = l.page_id where l.scope = ? and l.inside = 1 and {CHANGED}"""

COUNT_MISSING = """update entry set missing = missing + 1 where scope = ? and page_id not in
(select page_id from listing where scope = ? and inside = 1)"""

FIND_DELETE = """insert into step select e.scope, 'delete', e.page_id, 'not in the listing'
from entry e left join listing l on l.scope = e.scope and l.page_id = e.page_id and l.inside = 1
where e.scope = ? and l.page_id is null and e.missing + 1 >= ?"""


def make_plan(state: State, listing: Listing, recipe: str, wanted: Wanted, sightings: int) -> Plan:
    """Joins listing and entries into steps. A page must be missing from `sightings` listings in a row before it is to be deleted."""
    key, rebuild = listing.key, int(wanted.rebuild)
    since = _since(wanted.since_hours)
    database = state.database
    with database.transaction():
        database.run("delete from step where scope = ?", [key])
        database.run(FIND_CREATE, [since, key])
        database.run(FIND_UPDATE, [recipe, rebuild, rebuild, recipe, key, recipe, rebuild])
        if listing.complete:
            database.run(FIND_DELETE, [key, sightings])
    rows = database.rows("select kind, count(*) from step where scope = ? group by kind", [key])
    counts = {Kind(str(kind)): int(count or 0) for kind, count in rows}
    known = state.size(key)
    touched = counts.get(Kind.UPDATE, 0) + counts.get(Kind.RETAG, 0)
    new = counts.get(Kind.CREATE, 0) + counts.get(Kind.DEFER, 0)
    return Plan(key, listing.scope.describe(), listing.complete, listing.count, known, listing.count - touched - new, counts)


def count_missing(state: State, key: str) -> None:
    """Remembers which entries a complete listing did not show; put() sets a page that is seen again back to none."""
    state.database.run(COUNT_MISSING, [key, key])
    state.database.run(
        "update entry set missing = 0 where scope = ? and missing > 0 and page_id in "
        "(select page_id from listing where scope = ? and inside = 1)",
        [key, key],
    )


STEPS = """select s.kind, s.page_id, coalesce(l.title, e.title, ''), s.why from step s
left join listing l on l.scope = s.scope and l.page_id = s.page_id left join entry e on e.scope = s.scope and e.page_id = s.page_id
where s.scope = ? and s.kind = ? and s.page_id > ? order by s.page_id limit ?"""


def steps(state: State, key: str, kind: Kind, at_most: int = 1000) -> Iterator[Step]:
    """The plan's steps of one kind by page id, read `at_most` at a time, so that a plan of any size costs no memory."""
    after = ""
    while rows := state.database.rows(STEPS, [key, kind.value, after, at_most]):
        for _, page_id, title, why in rows:
            yield Step(kind, str(page_id), str(title), str(why))
        after = str(rows[-1][1])


REFS = """select l.page_id, l.version, l.title, l.parent_id, l.updated_at from step s join listing l on l.scope = s.scope
and l.page_id = s.page_id where s.scope = ? and s.kind = ? and s.page_id > ? order by s.page_id limit ?"""


def refs_to_fetch(state: State, key: str, size: int) -> Iterator[list[PageRef]]:
    """The pages whose bodies are needed, `size` at a time, by kind and page id: the step table's own order, so each read is short."""
    waiting: list[PageRef] = []
    for kind in (Kind.CREATE, Kind.UPDATE, Kind.RETAG):
        after = ""
        while rows := state.database.rows(REFS, [key, kind.value, after, size]):
            waiting += [PageRef(str(i), int(v or 0), str(t), str(p), str(u)) for i, v, t, p, u in rows]
            after = str(rows[-1][0])
            while len(waiting) >= size:
                yield waiting[:size]
                waiting = waiting[size:]
    if waiting:
        yield waiting


def _since(hours: int) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") if hours else ""
