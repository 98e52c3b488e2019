"""Compares three witnesses page by page: what the space shows, what the state remembers and what the store holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from confluence_sync.adopt import held_pages, mark_clean, mark_dirty, note_held, reconcile_with_store
from confluence_sync.bindings import owned_scopes, refuse_other_meaning, scope_key
from confluence_sync.config import Settings
from confluence_sync.database import Row
from confluence_sync.errors import SettingsError
from confluence_sync.listing import steps
from confluence_sync.model import Entry, Scope, Stored
from confluence_sync.plan import Kind, Wanted
from confluence_sync.report import Report, SpaceReport
from confluence_sync.run import Means, Run, opened
from confluence_sync.source.spaces import Chosen, choose_spaces
from confluence_sync.stores.base import Feature
from confluence_sync.sync import plan_space
from confluence_sync.sync import run as sync_once

NAMED_AT_MOST = 1000
EVERY_LABEL = Wanted(refresh_labels=True)


class Wrong(StrEnum):
    """What can differ, named from the store's side."""

    PAGE_MISSING = "pages missing"
    PAGE_STALE = "pages stale"
    PAGE_GONE = "pages no longer in the space"
    CHUNK_MISSING = "chunks missing"
    CHUNK_EXTRA = "chunks that nothing accounts for"
    CHUNK_STALE = "chunks with metadata of another version"
    CHUNK_DOUBLE = "chunks stored twice"
    FOREIGN = "chunks of another program"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that differs at one page; `count` chunks, or 1 for the page itself. `page_id` is "" where it belongs to none."""

    wrong: Wrong
    page_id: str
    title: str
    count: int = 1


@dataclass
class Verdict:
    """All differences: `counts` is complete, `differences` names the first of them. `listed` is False where the store cannot list."""

    pages: int = 0
    chunks: int = 0
    listed: bool = True
    counts: Counter[Wrong] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    bad_pages: set[tuple[str, str]] = field(default_factory=set)
    doubled: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.counts

    def add(self, key: str, difference: Difference) -> None:
        if difference.count:
            self.counts[difference.wrong] += difference.count
            self.bad_pages.add((key, difference.page_id))
            if len(self.differences) < NAMED_AT_MOST:
                self.differences.append(difference)


def verify(settings: Settings, means: Means) -> Verdict:
    """Compares, and changes nothing. Raises what a run raises when Confluence, state or store cannot be asked."""
    with opened(settings, EVERY_LABEL, means) as job:
        return _compared(job, _chosen(job))


def repair(settings: Settings, means: Means) -> tuple[Verdict, Report, Verdict]:
    """Compares, mends by an ordinary run, and compares again: what was wrong, what the run did, what is wrong still."""
    with opened(settings, EVERY_LABEL, means) as job:
        chosen = _chosen(job)
        before = _compared(job, chosen)
        _doubt(job, chosen, before)
    report = sync_once(settings, EVERY_LABEL, means)
    return before, report, verify(settings, means)


def _chosen(job: Run) -> list[Chosen]:
    chosen, problems = choose_spaces(job.settings.space_name, job.settings.space_key_filter, list(job.source.spaces()))
    if problems:
        raise SettingsError(*problems)
    refuse_other_meaning(job, chosen)
    return chosen


def _compared(job: Run, chosen: Sequence[Chosen]) -> Verdict:
    verdict = Verdict(listed=Feature.LIST in job.store.features)
    if verdict.listed:
        _look_at_store(job, verdict)
    for one in chosen:
        scope, plan = plan_space(job, one, SpaceReport(one.space.key, one.space.name))
        verdict.pages += plan.listed
        _compare_with_listing(job, plan.scope, verdict)
        if verdict.listed:
            _compare_with_store(job, scope, verdict)
    return verdict


def _look_at_store(job: Run, verdict: Verdict) -> None:
    """Spools the store's own list; an id that comes twice is there twice."""
    seen: set[str] = set()

    def told() -> Iterator[Stored]:
        for stored in job.store.ids():
            verdict.chunks += 1
            if stored.chunk_id in seen:
                verdict.doubled.append(stored.chunk_id)
                page = stored.metadata
                verdict.add("", Difference(Wrong.CHUNK_DOUBLE, page.page_id if page else "", page.title if page else ""))
            seen.add(stored.chunk_id)
            yield stored

    foreign = note_held(job.state, told(), job.source.id)
    verdict.add("", Difference(Wrong.FOREIGN, "", "", foreign))


LISTED = {
    Kind.CREATE: Wrong.PAGE_MISSING,
    Kind.DEFER: Wrong.PAGE_MISSING,
    Kind.UPDATE: Wrong.PAGE_STALE,
    Kind.RETAG: Wrong.PAGE_STALE,
    Kind.DELETE: Wrong.PAGE_GONE,
}


def _compare_with_listing(job: Run, key: str, verdict: Verdict) -> None:
    """The plan of a run that asks for every label is the difference between space and state."""
    for kind, wrong in LISTED.items():
        for step in steps(job.state, key, kind):
            verdict.add(key, Difference(wrong, step.page_id, step.title))


def _compare_with_store(job: Run, scope: Scope, verdict: Verdict) -> None:
    """Both in the order of page ids, so that neither is ever in memory as a whole."""
    key, retags = scope_key(job, scope), Feature.RETAG in job.store.features
    held = held_pages(job.state, scope)
    page_id, rows = next(held, ("", []))
    for entry in job.state.every_entry(key):
        while page_id and page_id < entry.page_id:
            verdict.add(key, Difference(Wrong.CHUNK_EXTRA, page_id, str(rows[0][7]), len(rows)))
            page_id, rows = next(held, ("", []))
        same = page_id == entry.page_id
        _compare_page(key, entry, rows if same else [], retags, verdict)
        if same:
            page_id, rows = next(held, ("", []))
    while page_id:
        verdict.add(key, Difference(Wrong.CHUNK_EXTRA, page_id, str(rows[0][7]), len(rows)))
        page_id, rows = next(held, ("", []))


def _compare_page(key: str, entry: Entry, rows: list[Row], retags: bool, verdict: Verdict) -> None:
    there, named = {str(row[1]) for row in rows}, set(entry.chunk_ids)
    about = Difference(Wrong.CHUNK_MISSING, entry.page_id, entry.title)
    verdict.add(key, replace(about, count=len(named - there)))
    verdict.add(key, replace(about, wrong=Wrong.CHUNK_EXTRA, count=len(there - named)))
    stale = [row for row in rows if retags and row[1] in named and (row[3], row[9]) != (entry.fingerprint, entry.reader_hash)]
    verdict.add(key, replace(about, wrong=Wrong.CHUNK_STALE, count=len(stale)))


def _doubt(job: Run, chosen: Sequence[Chosen], verdict: Verdict) -> None:
    """Makes the state say what the store holds, and every bad page one to be read again, so that the next run mends it.

    A chunk that is there twice is deleted first: a crash right after that is a missing chunk, which the next run writes.
    """
    if not verdict.listed or verdict.sound:
        return
    mark_dirty(job.state, job.store, job.target)
    job.store.delete(verdict.doubled)
    reconcile_with_store(job.state, job.store, job.target, job.source.id, owned_scopes(job, chosen), job.means.adopt)
    with job.state.database.transaction():
        job.state.database.run_many("update entry set fingerprint = '' where scope = ? and page_id = ?", sorted(verdict.bad_pages))
    mark_clean(job.state, job.store, job.target)
