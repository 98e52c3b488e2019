"""Fetches, converts and writes pages in overlapping stages: those of a plan, or those of a first listing while it is still coming in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import chain

from confluence_sync.adopt import mark_dirty
from confluence_sync.bindings import bind, scope_key, scope_of
from confluence_sync.errors import ServerFailed
from confluence_sync.listing import Arriving, Listing, listed, make_rest, refs_to_fetch, spool
from confluence_sync.live import LiveStore
from confluence_sync.mentions import with_names
from confluence_sync.model import PageRef, Scope, Space
from confluence_sync.patch import patch
from confluence_sync.plan import Plan
from confluence_sync.prepare import Workshop, cut_for
from confluence_sync.report import SpaceReport
from confluence_sync.run import Run
from confluence_sync.source.base import BULK
from confluence_sync.source.spaces import Chosen

log = logging.getLogger(__name__)


def set_dirty(job: Run) -> None:
    """Before the store changes for the first time, the state says that it will."""
    if not job.dirty:
        mark_dirty(job.state, job.store, job.target)
        job.dirty, job.chunks_before = True, job.state.chunks()


def write_planned(job: Run, space: Space, plan: Plan, report: SpaceReport) -> None:
    """Writes what the plan names, and notes what is left when the time is over."""
    if not plan.fetches:
        return
    job.progress.stage(f"writing {space.name} ({space.key})", plan.fetches)
    failed, done = report.pages.failed, 0
    if not (job.out_of_time() and report.pages.new):  # a run without a first fill writes at least one bundle, so that each gets on
        done = _write(job, space, plan.scope, refs_to_fetch(job.state, plan.scope, BULK), plan.fetches, report)
    left = plan.fetches - done - (report.pages.failed - failed)
    if left > 0:
        log.warning("%s: the time given is over; %d pages are left for the next run", space.key, left)
        report.cut_short, report.pages.deferred = True, report.pages.deferred + left


def first_fill(job: Run, one: Chosen, report: SpaceReport) -> tuple[Scope, Plan] | None:
    """Fills an empty scope while its listing comes in, and gives what is left to do; None where a plan must come first.

    A page without an entry is created whatever the rest of the listing says, and where no page has one there is nothing else to decide.
    A listing that breaks off is asked for again, in smaller answers, and what is not in yet follows.
    """
    scope = scope_of(job.settings, one.space)
    key = scope_key(job, scope)
    if not _can_be_written_as_listed(job, scope, key):
        return None
    job.progress.stage(f"writing {one.space.name} ({one.space.key})")
    arriving = Arriving(job.state, job.source, key, scope)
    refs = _as_listed(job, arriving, report)
    first = next(refs, None)
    if first:
        job.cut = cut_for(job.settings.chunk_tokens, job.settings.chunk_overlap, one.space, job.source.site)
        bind(job, scope, one.wish)
        set_dirty(job)
        _write(job, one.space, key, chain([first], refs), len(first), report)
    for _ in refs:
        pass  # out of time: what was not written is counted
    if arriving.whole is None:
        listing = spool(job.state, job.source, key, scope, job.wanted, job.progress.at, again=True)
    else:
        listing = Listing(key, scope, listed(job.state, key), arriving.whole)
    report.pages.listed, report.listing_complete = listing.count, listing.complete
    return scope, make_rest(job.state, listing, [page.page_id for page in report.failed])


def _can_be_written_as_listed(job: Run, scope: Scope, key: str) -> bool:
    """Where the whole space is wanted, nothing of it is in, and the store takes pages one by one."""
    wanted = job.wanted
    chosen = scope.folder_id or scope.labels or wanted.partial or wanted.since_hours or wanted.refresh_labels
    return not chosen and not isinstance(job.store, LiveStore) and job.state.size(key) == 0


def _as_listed(job: Run, arriving: Arriving, report: SpaceReport) -> Iterator[list[PageRef]]:
    """The pages of a listing, BULK at a time. One that breaks off ends early, and is not whole."""
    waiting: list[PageRef] = []
    try:
        for refs in arriving.batches():
            waiting += refs
            report.pages.listed = arriving.seen
            while len(waiting) >= BULK:
                yield waiting[:BULK]
                waiting = waiting[BULK:]
    except ServerFailed as error:
        log.warning("the listing broke off after %d pages and is asked for again: %s", arriving.seen, error)
    else:
        job.progress.expect(listed(job.state, arriving.key))
    if waiting:
        yield waiting


def _write(job: Run, space: Space, key: str, refs: Iterable[list[PageRef]], expected: int, report: SpaceReport) -> int:
    """Gives how many pages were done; fewer than there were when the time is over."""
    done = 0
    workshop = Workshop(job.cut, expected)
    try:
        users = job.state.names(job.source.id)
        pages = with_names(job.source, space, refs, job.settings.concurrency, job.state, key, users)
        for done in patch(job.state, job.store, key, workshop.run(pages, users), report, job.wanted.rebuild):
            job.progress.at(done)
            if job.out_of_time():
                break
    finally:
        workshop.close()
    return done
