"""Brings a collection up to date page by page, for stores that can replace and delete chunks.

The order of effects, and why a crash between any two is harmless:
    1. the state names old and new chunks of a page (unsettled)   a crash here: the next run writes the new ones again, by the same ids
    2. the store gets the new chunks                              a crash here: some extras beside the whole old page, never a hole
    3. the store loses the stale ones                             a crash here: the next run deletes them again, which is no error
    4. the state settles on exactly the new ones
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from confluence_sync.errors import Rejected
from confluence_sync.model import Chunk, Entry
from confluence_sync.prepare import Prepared
from confluence_sync.report import NAMED_AT_MOST, FailedPage, SpaceReport, WrittenPage
from confluence_sync.source.base import Failure
from confluence_sync.state import State
from confluence_sync.stores.base import Feature, Store

PAGES_AT_ONCE = 200
CHUNKS_AT_ONCE = 500  # each doubling took 4 to 10 MB more at the peak, and saved nothing
FIRST_CHUNKS = 100  # in the first bundle, before anything is known of the store's speed
BUNDLE_SECONDS = 20.0  # a run that is out of time, or is killed, has at most a bundle to finish or to do again
NAMED_PAGES = 1000  # in a report, of those that could not be converted fully


@dataclass
class Edit:
    """What is to happen in the store for one page."""

    entry: Entry
    created: bool
    write: list[Chunk] = field(default_factory=list)
    retag: list[Chunk] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    kept: int = 0


def patch(
    state: State, store: Store, key: str, groups: Iterable[list[Prepared | Failure]], report: SpaceReport, rebuild: bool = False
) -> Iterator[int]:
    """Writes groups of prepared pages and yields the number of pages done so far; `report` counts what happened.

    Raises RemoteError when the store fails: what was settled before stays, the rest is for the next run.
    """
    done = 0
    for pages in _bundles(groups, report):
        before = state.entries(key, [page.ref.id for page in pages])
        _apply(state, store, key, plan_edits(pages, before, store.features, rebuild), before, report)
        done += len(pages)
        del pages, before  # or they would live while the next bundle is gathered
        yield done


def delete_pages(state: State, store: Store, key: str, page_ids: Sequence[str], report: SpaceReport) -> None:
    """Deletes all chunks of pages that are proven gone. The state forgets them only after the store lost them."""
    entries = list(state.entries(key, page_ids).values())
    state.put(key, [replace(entry, settled=False) for entry in entries])
    chunk_ids = [chunk_id for entry in entries for chunk_id in entry.chunk_ids]
    with store.transaction():
        store.delete(chunk_ids)
    state.forget(key, page_ids)
    report.pages.deleted += len(entries)
    report.chunks.deleted += len(chunk_ids)


def plan_edits(pages: Sequence[Prepared], entries: dict[str, Entry], features: Feature, rebuild: bool) -> list[Edit]:
    """Which chunks to write, retag and delete, and what the state must remember; pure."""
    return [_edit(page, entries.get(page.ref.id), features, rebuild) for page in pages]


def _edit(page: Prepared, entry: Entry | None, features: Feature, rebuild: bool) -> Edit:
    new = {chunk.id: chunk for chunk in page.chunks}
    old = set(entry.chunk_ids) if entry else set()
    certain = old if entry and entry.settled and not rebuild else set()
    edit = Edit(_entry_for(page, tuple(new)), created=entry is None)
    kept = [chunk for chunk_id, chunk in new.items() if chunk_id in certain]
    edit.write = [chunk for chunk_id, chunk in new.items() if chunk_id not in certain]
    if Feature.RETAG in features:
        edit.retag = kept
    elif entry and entry.reader_hash != edit.entry.reader_hash:
        edit.write, kept = list(new.values()), []
    stale = [chunk_id for chunk_id in (entry.chunk_ids if entry else ()) if chunk_id not in new]
    edit.kept = len(kept)
    if Feature.DELETE in features:
        edit.stale = stale
    else:
        edit.entry = replace(edit.entry, chunk_ids=(*edit.entry.chunk_ids, *stale))
    return edit


def _entry_for(page: Prepared, chunk_ids: tuple[str, ...]) -> Entry:
    ref, first = page.ref, page.chunks[0].metadata if page.chunks else None
    return Entry(
        page_id=ref.id,
        version=ref.version,
        fingerprint=first.fingerprint if first else ref.fingerprint,
        recipe=page.recipe,
        title=ref.title,
        parent_id=ref.parent_id,
        labels=page.labels,
        chunk_ids=chunk_ids,
        reader_hash=first.reader_hash if first else "",
        settled=True,
    )


def _bundles(groups: Iterable[list[Prepared | Failure]], report: SpaceReport) -> Iterator[list[Prepared]]:
    """Pages gathered to transactions of a sensible size, smaller where the store is slow; failures are noted on the way."""
    bundle: list[Prepared] = []
    most = FIRST_CHUNKS
    for group in groups:
        for page in group:
            if isinstance(page, Failure):
                _note_failure(report, page.page_id, page.title, page.why)
            else:
                note_degraded(report, page)
                bundle.append(page)
        chunks = sum(len(page.chunks) for page in bundle)
        if len(bundle) >= PAGES_AT_ONCE or chunks >= most:
            started = monotonic()
            yield bundle  # and is written before this goes on
            most = _fitting(chunks, monotonic() - started)
            bundle = []
    if bundle:
        yield bundle


def _fitting(chunks: int, seconds: float) -> int:
    """How many chunks the next bundle may hold when the last one took so long."""
    return max(1, min(CHUNKS_AT_ONCE, int(chunks * BUNDLE_SECONDS / max(seconds, 0.001))))


def _apply(state: State, store: Store, key: str, edits: list[Edit], before: dict[str, Entry], report: SpaceReport) -> None:
    state.put(key, [_unsettled(edit, before.get(edit.entry.page_id)) for edit in edits])
    refused: dict[str, str] = {}
    with store.transaction():
        try:
            store.write([chunk for edit in edits for chunk in edit.write])
        except Rejected as error:
            refused = _refused_pages(error, edits)
        good = [edit for edit in edits if edit.entry.page_id not in refused]
        retagged = [chunk for edit in good for chunk in edit.retag]
        if retagged:
            store.retag(retagged)
        stale = [chunk_id for edit in good for chunk_id in edit.stale]
        if stale:
            store.delete(stale)
    state.put(key, [edit.entry for edit in good])
    for edit in edits:
        if edit.entry.page_id in refused:
            _note_failure(report, edit.entry.page_id, edit.entry.title, refused[edit.entry.page_id])
        else:
            _count(edit, report)


def _unsettled(edit: Edit, before: Entry | None) -> Entry:
    """The entry with every chunk that may be in the store from now on, as old as it was, so that after a crash the page is done again."""
    known = before.chunk_ids if before else ()
    together = tuple(dict.fromkeys((*known, *edit.entry.chunk_ids)))
    return replace(before or edit.entry, chunk_ids=together, settled=False)


def _refused_pages(error: Rejected, edits: list[Edit]) -> dict[str, str]:
    """Page ids with the reason, for the chunks that the store named; an error that names none is for the whole run."""
    refused = set(error.chunk_ids)
    if not refused:
        raise error
    return {e.entry.page_id: f"the store refuses a chunk of it: {error}" for e in edits if refused & {chunk.id for chunk in e.write}}


def note_degraded(report: SpaceReport, page: Prepared) -> None:
    """Counts what could not be converted fully, by macro and, for the first thousand pages, by page."""
    report.degraded.update(dict(page.degraded))
    if page.degraded and len(report.degraded_pages) < NAMED_PAGES:
        report.degraded_pages[page.ref.id] = dict(page.degraded)


def _note_failure(report: SpaceReport, page_id: str, title: str, why: str) -> None:
    report.pages.failed += 1
    report.failed.append(FailedPage(page_id, title, why))


def _count(edit: Edit, report: SpaceReport) -> None:
    pages, chunks = report.pages, report.chunks
    chunks.written += len(edit.write)
    chunks.retagged += len(edit.retag)
    chunks.deleted += len(edit.stale)
    chunks.kept += edit.kept - len(edit.retag)
    how = _outcome(edit)
    setattr(pages, how, getattr(pages, how) + 1)
    if how != "unchanged" and len(report.written_pages) < NAMED_AT_MOST:
        report.written_pages.append(WrittenPage(edit.entry.page_id, edit.entry.title, how))


def _outcome(edit: Edit) -> str:
    """Which of the page counts it adds to."""
    if edit.created:
        return "new"
    if edit.write or edit.stale:
        return "changed"
    return "retagged" if edit.retag else "unchanged"
