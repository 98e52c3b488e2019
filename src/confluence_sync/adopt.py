"""Notices when state and store have parted (state lost, store emptied, restored or swapped) and rebuilds the state from the store."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from confluence_sync.database import Row, Value
from confluence_sync.errors import Refused
from confluence_sync.model import Entry, Scope, Stored, plain_text
from confluence_sync.state import Collection, State
from confluence_sync.stores.base import Feature, Identity, Store

log = logging.getLogger(__name__)

PUT_HELD = "insert into held values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (space_key, page_id, chunk_id) do nothing"
FOREIGN = "(another program)"  # the space key under which chunks of other programs are kept in `held`; no Confluence key looks like it


@dataclass(frozen=True, slots=True)
class Owned:
    """A scope that this state keeps in a collection, and whether an earlier run filled it."""

    key: str
    scope: Scope
    bound: bool


def reconcile_with_store(state: State, store: Store, target: str, source: str, scopes: Sequence[Owned], adopt: bool) -> str:
    """Makes the state fit the store before anything is planned; gives a sentence when it did not fit, "" otherwise.

    Raises Refused when the collection holds chunks of another program and `adopt` is not given.
    """
    seen, known = store.identity(), state.collection(target)
    why = _parted(seen, known, scopes)
    if not why:
        return ""
    if Feature.LIST in store.features:
        foreign = note_held(state, store.ids(), source)
        if foreign and not adopt:
            state.database.run("delete from held")
            raise Refused(
                f"collection {target} holds {foreign} chunks that another program wrote; nothing was changed. "
                "Run with --adopt to replace them, or set another COLLECTION_ID"
            )
        for scope in scopes:
            _rebuild(state, scope)
    elif known and known.identity != seen.id and Feature.UPSERT in store.features:
        raise Refused(
            f"collection {target} could be listed and deleted from in the last run, and now the server offers neither; nothing was done. "
            "Run again; if another kind of server really took its place, name another COLLECTION_ID"
        )
    elif known is None or known.identity != seen.id or _counts_differ(seen, known):
        for scope in scopes:
            state.forget_all(scope.key)
    return why


def mark_dirty(state: State, store: Store, target: str) -> None:
    """Says that a run is at work: if it is killed, the next one looks at the store again."""
    seen = store.identity()
    state.note_collection(target, Collection(seen.id, seen.count, seen.stamp, clean=False))


def mark_clean(state: State, store: Store, target: str, expected: int | None = None) -> int:
    """Says that state and store fit, and how the store looked then; gives how many chunks it holds fewer than `expected`.

    With another count than expected somebody else wrote at the same time, or the store lost something: the next run looks chunk by chunk.
    """
    seen = store.identity()
    fits = seen.count is None or expected is None or seen.count == expected
    state.note_collection(target, Collection(seen.id, seen.count, seen.stamp, clean=fits))
    return 0 if fits or seen.count is None or expected is None else max(0, expected - seen.count)


def lost_chunks(state: State, store: Store, scopes: Sequence[str]) -> int:
    """How many chunks that the state names as settled the store does not list; 0 where it cannot list."""
    if Feature.LIST not in store.features:
        return 0
    there = {stored.chunk_id for stored in store.ids()}
    settled = (entry for scope in scopes for entry in state.every_entry(scope) if entry.settled)
    return sum(chunk_id not in there for entry in settled for chunk_id in entry.chunk_ids)


def foreign_ids(state: State) -> list[str]:
    """Chunks of other programs that the last look at the store found, to be deleted once ours are in."""
    return [str(row[0]) for row in state.database.rows("select chunk_id from held where space_key = ?", [FOREIGN])]


def _parted(seen: Identity, known: Collection | None, scopes: Sequence[Owned]) -> str:
    if known is None:
        return "" if seen.count == 0 else "the state does not know this collection"
    if known.identity != seen.id:
        return "the collection was made anew since the last run"
    if known.clean and known.stamp == seen.stamp and not _counts_differ(seen, known):
        return "" if seen.count == 0 or all(scope.bound for scope in scopes) else "the collection gets a further space"
    if not known.clean:
        return "the last run was cut off"
    return f"the collection changed since the last run ({known.count} chunks then, {seen.count} now)"


def _counts_differ(seen: Identity, known: Collection) -> bool:
    return seen.count is not None and known.count is not None and seen.count != known.count


def note_held(state: State, stored: Iterator[Stored], source: str) -> int:
    """Spools what the store holds into the state; gives the number of foreign chunks."""
    state.database.run("delete from held")
    foreign = 0
    while some := list(islice(stored, 1000)):
        foreign += sum(one.metadata is None for one in some)
        rows = [_held_row(one) for one in some if one.metadata is None or one.metadata.source == source]
        with state.database.transaction():
            state.database.run_many(PUT_HELD, rows)
    return foreign


def _held_row(one: Stored) -> Sequence[Value]:
    m = one.metadata
    if m is None:
        return (FOREIGN, "", one.chunk_id, 0, "", "", 0, 0, "", "", "")
    labels = plain_text(",".join(m.labels))
    return (
        m.space_key, m.page_id, one.chunk_id, m.version, m.fingerprint, m.recipe, m.chunk_index, m.chunk_count, plain_text(m.title), labels,
        m.reader_hash,
    )  # fmt: skip


def _rebuild(state: State, scope: Owned) -> None:
    """Replaces the entries of a scope by what the store really holds for its space; pages that have no chunks keep theirs."""
    before: dict[str, str] = {}
    empty: list[Entry] = []
    for entry in state.every_entry(scope.key):
        before[entry.page_id] = entry.parent_id
        if not entry.chunk_ids:
            empty.append(entry)
    missing = state.missing(scope.key)
    state.forget_all(scope.key)
    state.put(scope.key, empty)
    entries = _entries(state, scope.scope, before)
    while some := list(islice(entries, 1000)):
        state.put(scope.key, some)
    state.note_missing(scope.key, missing)


def _entries(state: State, scope: Scope, parents: dict[str, str]) -> Iterator[Entry]:
    for page_id, rows in held_pages(state, scope):
        yield _entry(page_id, rows, parents.get(page_id, ""))


def held_pages(state: State, scope: Scope) -> Iterator[tuple[str, list[Row]]]:
    """What the last look at the store found of a scope: page ids in order, each with rows of HELD for its chunks."""
    for page_id, rows in groupby(_held_rows(state, scope.space.key), key=lambda row: str(row[0])):
        if scope.owns(page_id):
            yield page_id, list(rows)


def _held_rows(state: State, space_key: str) -> Iterable[Row]:
    after, last = "", ""
    while rows := state.database.rows(
        "select page_id, chunk_id, version, fingerprint, recipe, chunk_index, chunk_count, title, labels, reader_hash from held "
        "where space_key = ? and (page_id > ? or (page_id = ? and chunk_id > ?)) order by page_id, chunk_id limit 5000",
        [space_key, after, after, last],
    ):
        yield from rows
        after, last = str(rows[-1][0]), str(rows[-1][1])


def _entry(page_id: str, rows: list[Row], parent_id: str) -> Entry:
    """A page as the store shows it. Its fingerprint counts only when the chunks prove to be all of one version; else it is read again.

    What a reader sees counts only when all chunks show the same: a run may have ended between two of them.
    """
    _, _, version, fingerprint, recipe, _, count, title, labels, reader_hash = rows[0]
    whole = {int(row[5] or 0) for row in rows} == set(range(len(rows))) and count == len(rows)
    one = all((row[2], row[3], row[4], row[6]) == (version, fingerprint, recipe, count) for row in rows)
    return Entry(
        page_id=page_id,
        version=int(version or 0),
        fingerprint=str(fingerprint) if whole and one else "",
        recipe=str(recipe),
        title=str(title),
        parent_id=parent_id,
        labels=str(labels),
        chunk_ids=tuple(str(row[1]) for row in rows),
        reader_hash=str(reader_hash) if all(row[9] == reader_hash for row in rows) else "",
        settled=True,
    )
