"""Writes the pages of a space of which nothing is in yet while its listing comes in, and plans afterwards what is left."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from confluence_sync.bindings import bind, scope_key, scope_of
from confluence_sync.errors import RemoteError, ServerFailed
from confluence_sync.listing import Arriving, Listing, listed, refs_to_fetch, spool
from confluence_sync.live import LiveStore
from confluence_sync.memory import give_back
from confluence_sync.mentions import forget_unnamed
from confluence_sync.model import PageRef, Scope
from confluence_sync.plan import Kind, Plan
from confluence_sync.prepare import cut_for
from confluence_sync.report import SpaceReport
from confluence_sync.run import Run
from confluence_sync.source.base import BULK
from confluence_sync.source.spaces import Chosen
from confluence_sync.state import State
from confluence_sync.writing import set_dirty, write_pages

log = logging.getLogger(__name__)

HANDED = "handed"  # the kind of a step that stands for a page which is on its way already

FIND_REST = f"""insert into step select l.scope, 'create', l.page_id, 'new' from listing l
left join entry e on e.scope = l.scope and e.page_id = l.page_id
left join step s on s.scope = l.scope and s.kind = '{HANDED}' and s.page_id = l.page_id
where l.scope = ? and l.inside = 1 and e.page_id is null and s.page_id is null"""


def first_fill(job: Run, one: Chosen, report: SpaceReport) -> tuple[Scope, Plan] | None:
    """Fills an empty scope, and gives what is left to do; None where a plan must come first.

    A page without an entry is created whatever the rest of the listing says, and where no page has one there is nothing else to decide.
    Raises what the listing raised, after the pages that were on their way went in.
    """
    scope = scope_of(job.settings, one.space)
    key = scope_key(job, scope)
    if not _needs_no_plan(job, scope, key):
        return None
    job.progress.stage(f"writing {one.space.name} ({one.space.key})")
    forget_unnamed(job.state, key)
    coming = _Coming(job, scope, key, report)
    refs = coming.refs()
    first = next(refs, None)
    job.cut = cut_for(job.settings.chunk_tokens, job.settings.chunk_overlap, one.space, job.source.site)
    if first:
        bind(job, scope, one.wish)
        set_dirty(job)
        write_pages(job, one.space, key, chain([first], refs), len(first), report)
    listing = coming.ended(refs)
    report.pages.listed, report.listing_complete = listing.count, listing.complete
    return scope, _rest(job.state, listing, [page.page_id for page in report.failed])


def _needs_no_plan(job: Run, scope: Scope, key: str) -> bool:
    """Where the whole space is wanted, nothing of it is in, and the store takes pages one by one."""
    wanted = job.wanted
    chosen = scope.folder_id or scope.labels or wanted.partial or wanted.since_hours or wanted.refresh_labels
    return not chosen and not isinstance(job.store, LiveStore) and job.state.size(key) == 0


@dataclass
class _Coming:
    """The pages of a first fill; their `listing`, or its `failure`, as soon as that is known."""

    job: Run
    scope: Scope
    key: str
    report: SpaceReport
    listing: Listing | None = None
    failure: RemoteError | None = None

    def refs(self) -> Iterator[list[PageRef]]:
        """BULK pages at a time: of what just arrived while the listing comes in, then of the rest. Ends early when the listing fails.

        The listing goes into the state as fast as it comes, however slow the writing is.
        """
        state, key = self.job.state, self.key
        state.database.run("delete from step where scope = ?", [key])
        arriving = Arriving(state, self.job.source, key, self.scope)
        try:
            yield from self._arrived(arriving)
            self.listing = Listing(key, self.scope, listed(state, key), bool(arriving.whole))
        except ServerFailed as error:
            log.warning("the listing broke off after %d pages and is asked for again: %s", arriving.seen, error)
            self._list_again()
        except RemoteError as error:
            self.failure = error
        if self.listing:
            self.job.progress.expect(self.listing.count)
            _find_rest(state, key)
            give_back()  # answers that waited left a larger heap, over which what is written from here on would spread
            yield from refs_to_fetch(state, key, BULK)

    def _arrived(self, arriving: Arriving) -> Iterator[list[PageRef]]:
        waiting: list[PageRef] = []
        for refs in arriving.batches():
            self.report.pages.listed += len(refs)
            waiting = (waiting + refs)[: 2 * BULK]  # what is more stays for the rest
            if len(waiting) >= BULK and not arriving.waiting:
                yield _handed(self.job.state, self.key, waiting[:BULK])
                waiting = waiting[BULK:]

    def _list_again(self) -> None:
        job = self.job
        try:
            self.listing = spool(job.state, job.source, self.key, self.scope, job.wanted, lambda _: None, again=True)
        except RemoteError as error:
            self.failure = error

    def ended(self, refs: Iterator[list[PageRef]]) -> Listing:
        """The listing, read to its end also where the time for writing is over. Raises what made it fail."""
        while self.listing is None and self.failure is None:
            next(refs)
        if self.listing is None:
            raise self.failure or AssertionError("a listing ends or fails")
        return self.listing


def _handed(state: State, key: str, refs: list[PageRef]) -> list[PageRef]:
    """The same pages, remembered as on their way: the rest is without them."""
    with state.database.transaction():
        state.database.run_many("insert into step values (?, ?, ?, '')", [(key, HANDED, ref.id) for ref in refs])
    return refs


def _find_rest(state: State, key: str) -> None:
    """Steps for the pages that are neither in nor on their way."""
    with state.database.transaction():
        state.database.run(FIND_REST, [key])


def _rest(state: State, listing: Listing, failed: Iterable[str]) -> Plan:
    """What is left: pages that have no entry now. Those that `failed` in this run are not tried a second time."""
    database = state.database
    with database.transaction():
        database.run("delete from step where scope = ?", [listing.key])
        database.run(FIND_REST, [listing.key])
        database.run_many("delete from step where scope = ? and page_id = ?", ((listing.key, page_id) for page_id in failed))
    left = int(database.rows("select count(*) from step where scope = ?", [listing.key])[0][0] or 0)
    return Plan(listing.key, listing.scope.describe(), listing.complete, listing.count, state.size(listing.key), 0, {Kind.CREATE: left})
