"""One run, as a table of contents: who am I, which spaces, does the store fit the state; then list, plan, apply and report each space."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from confluence_sync.adopt import foreign_ids, lost_chunks, mark_clean, reconcile_with_store
from confluence_sync.bindings import (
    bind,
    drop_other_shards,
    hold_vanished,
    leave_other_meaning,
    owned_scopes,
    refuse_other_meaning,
    scope_key,
    scope_of,
)
from confluence_sync.config import Settings
from confluence_sync.errors import ConfluenceSyncError, Interrupted, Refused, RemoteError, SettingsError
from confluence_sync.first_fill import first_fill
from confluence_sync.golden import ask_golden, check_questions
from confluence_sync.gone import delete_gone, refused_deletions
from confluence_sync.listing import count_missing, make_plan, spool
from confluence_sync.live import LiveStore, tell_live
from confluence_sync.mentions import read_unnamed_again
from confluence_sync.model import Scope, Space
from confluence_sync.plan import Kind, Plan, Wanted
from confluence_sync.prepare import cut_for
from confluence_sync.renewal import await_pages, forget_another, take_place
from confluence_sync.report import Held, Report, SpaceReport
from confluence_sync.rotate import rotate
from confluence_sync.run import Means, Run, opened
from confluence_sync.source.spaces import Chosen, choose_spaces
from confluence_sync.stores.base import requests_of
from confluence_sync.writing import set_dirty, write_planned

log = logging.getLogger(__name__)


def run(settings: Settings, wanted: Wanted, means: Means) -> Report:
    """Brings the store in step and gives the report, whose `exit` is the process's exit code.

    Raises SettingsError, CredentialsError, Refused or RemoteError when nothing could be done at all.
    """
    with opened(settings, wanted, means) as job, _remembered(job):
        chosen = begin(job)
        for one in chosen:
            with _on_its_own(job, one.space, alone=len(chosen) == 1) as report:
                sync_space(job, one, report)
        finish(job, chosen)
        return job.report


def plans(settings: Settings, wanted: Wanted, means: Means) -> Iterator[tuple[Run, Plan]]:
    """The plan of each space, with the run whose state holds its steps; nothing is written to the store."""
    with opened(settings, wanted, means) as job:
        for one in begin(job):
            _, plan = plan_space(job, one, SpaceReport(one.space.key, one.space.name))
            yield job, plan


def begin(job: Run) -> list[Chosen]:
    """The spaces of this run, after state and store were made to fit."""
    check_questions(job)
    job.progress.stage("looking for the spaces")
    chosen, problems = choose_spaces(job.settings.space_name, job.settings.space_key_filter, list(job.source.spaces()))
    if not chosen:
        raise SettingsError(*problems)
    forget_another(job)
    refuse_other_meaning(job, chosen)
    job.report.spaces += [SpaceReport("", "", error=problem, error_exit=2) for problem in problems]
    parted = reconcile_with_store(job.state, job.store, job.target, job.source.id, owned_scopes(job, chosen), job.means.adopt)
    if parted:
        log.warning("state and store are compared chunk by chunk, because %s", parted)
        mark_clean(job.state, job.store, job.target)
    await_pages(job, chosen)
    leave_other_meaning(job, chosen)
    hold_vanished(job, chosen)
    return chosen


def sync_space(job: Run, one: Chosen, report: SpaceReport) -> None:
    """Lists, plans and applies one space; where nothing of it is in yet, what can be written without a plan is written before."""
    scope, plan = first_fill(job, one, report) or plan_space(job, one, report)
    bind(job, scope, one.wish)
    refused = refused_deletions(plan, job.settings.max_deletes)
    report.pages.deferred = plan.count(Kind.DEFER)
    report.pages.unchanged = plan.keep
    if not plan.empty:
        set_dirty(job)
    if refused:
        job.report.held.append(Held(one.space.key, refused.why, count=refused.count))
    if isinstance(job.store, LiveStore):
        if not refused:
            rotate(job, job.store, scope, plan, report)
        if plan.complete:
            count_missing(job.state, plan.scope)
        return
    write_planned(job, one.space, plan, report)
    if not refused:
        job.report.held += delete_gone(job.state, job.source, job.store, scope, plan, job.account, report)
    if plan.complete:
        count_missing(job.state, plan.scope)
    report.chunks.kept = max(0, job.state.chunks(plan.scope) - report.chunks.written - report.chunks.retagged)


def plan_space(job: Run, one: Chosen, report: SpaceReport) -> tuple[Scope, Plan]:
    """Spools the listing and joins it with what is stored."""
    scope = scope_of(job.settings, one.space)
    job.progress.stage(f"listing {one.space.name} ({one.space.key})")
    drop_other_shards(job, scope)
    listing = spool(job.state, job.source, scope_key(job, scope), scope, job.wanted, job.progress.at)
    report.pages.listed, report.listing_complete = listing.count, listing.complete
    read_unnamed_again(job.source, job.state, listing.key)
    job.cut = cut_for(job.settings.chunk_tokens, job.settings.chunk_overlap, one.space, job.source.site)
    return scope, make_plan(job.state, listing, job.cut.recipe, job.wanted, job.settings.reconcile_after_runs)


def finish(job: Run, chosen: Sequence[Chosen]) -> None:
    """Counts, decides the exit code and remembers the run."""
    report = job.report
    replaced = delete_foreign(job) if job.means.adopt else 0
    job.state.database.run("delete from held")
    if job.dirty or replaced:
        close_books(job, replaced)
    if not isinstance(job.store, LiveStore):
        tell_live(job.settings, report, job.store.identity().address)
    report.requests = {"confluence": job.source.requests, "store": requests_of(job.backend)}
    report.exit = 5 if report.error else exit_code(report)
    take_place(job, chosen)
    ask_golden(job)
    if report.exit or report.pages.deferred:
        report.oldest_unsynced = job.state.oldest_unsynced(job.target)
    job.stop_clock()
    job.state.note_run(report.started, report.as_json())


def delete_foreign(job: Run) -> int:
    """Deletes what another program left, once all of ours is in; gives the number of its chunks. What must stay is reported as held."""
    foreign, pages = foreign_ids(job.state), job.report.pages
    whole = job.report.listing_complete and pages.listed and not (pages.failed or pages.deferred or job.report.held)
    if foreign and not whole:
        why = "chunks of another program stay, because not everything that replaces them is in; run with --adopt again"
        job.report.held.append(Held("", why, count=len(foreign)))
        return 0
    job.store.delete(foreign)
    return len(foreign)


def close_books(job: Run, replaced: int) -> None:
    """The store must hold what it held before and what this run changed: a server that says yes and keeps nothing is found out here."""
    known = job.state.collection(job.target)
    before = known.count if known and not isinstance(job.store, LiveStore) else None
    expected = None if before is None else before + job.state.chunks() - job.chunks_before - replaced
    short = mark_clean(job.state, job.store, job.target, expected)
    lost = lost_chunks(job.state, job.store, [binding.scope for binding in job.state.bindings(job.target)]) if short else 0
    if lost:
        job.report.error = (
            f"the store accepted {lost} chunks that it does not hold; the next run compares chunk by chunk and writes them again"
        )


def exit_code(report: Report) -> int:
    """0 only when everything that was asked for is in the store."""
    errors = [space.error_exit for space in report.spaces if space.error]
    if errors and len(errors) == len(report.spaces):
        return errors[0]
    if report.held or 4 in errors:
        return 4
    return 3 if errors or any(space.pages.failed or space.cut_short for space in report.spaces) else 0


@contextmanager
def _remembered(job: Run) -> Iterator[None]:
    """A run that fails is among the last runs, too, with what it did until then."""
    try:
        yield
    except (ConfluenceSyncError, Interrupted) as error:
        job.report.exit, job.report.error = error.exit_code, str(error)
        job.report.requests = {"confluence": job.source.requests, "store": requests_of(job.backend)}
        job.stop_clock()
        with suppress(ConfluenceSyncError):  # the state itself may be what failed
            job.state.note_run(job.report.started, job.report.as_json())
        raise


@contextmanager
def _on_its_own(job: Run, space: Space, alone: bool) -> Iterator[SpaceReport]:
    """One space's trouble does not keep the others out; a run of one space fails as that space did."""
    report = SpaceReport(space.key, space.name)
    job.report.spaces.append(report)
    try:
        yield report
    except (RemoteError, Refused, SettingsError) as error:
        if alone:
            raise
        log.error("space %s did not go in: %s", space.key, error)
        report.error, report.error_exit = str(error), error.exit_code
