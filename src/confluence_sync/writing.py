"""Fetches, converts and writes pages in overlapping stages."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from confluence_sync.adopt import mark_dirty
from confluence_sync.listing import refs_to_fetch
from confluence_sync.memory import give_back
from confluence_sync.mentions import with_names
from confluence_sync.model import PageRef, Space
from confluence_sync.patch import patch
from confluence_sync.plan import Plan
from confluence_sync.report import SpaceReport
from confluence_sync.run import Run
from confluence_sync.source.base import BULK
from confluence_sync.workshop import Workshop

log = logging.getLogger(__name__)

TIDIED_EVERY = 5  # bundles: holes grow slowly; giving them back after each would take 3 % of a first sync's CPU


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
    before = _handled(report)
    if not (job.out_of_time() and report.pages.new):  # a run without a first fill writes at least one bundle, so that each gets on
        write_pages(job, space, plan.scope, refs_to_fetch(job.state, plan.scope, BULK), plan.fetches, report)
    left = plan.fetches - (_handled(report) - before)
    if left > 0:
        log.warning("%s: the time given is over; %d pages are left for the next run", space.key, left)
        report.cut_short, report.pages.deferred = True, report.pages.deferred + left


def _handled(report: SpaceReport) -> int:
    """How many pages came to an end, good or bad."""
    pages = report.pages
    return pages.new + pages.changed + pages.retagged + pages.unchanged + pages.failed


def write_pages(job: Run, space: Space, key: str, refs: Iterable[list[PageRef]], expected: int, report: SpaceReport) -> None:
    """Fetches, converts and writes these pages until all are done or the time is over."""
    workshop = Workshop(job.cut, expected)
    try:
        pages = with_names(job.source, space, refs, job.settings.concurrency, job.state, key, job.state.names(job.source.id))
        for bundle, done in enumerate(patch(job.state, job.store, key, workshop.run(pages), report, job.wanted.rebuild), 1):
            job.progress.at(done)
            if bundle % TIDIED_EVERY == 0:
                give_back()
            if job.out_of_time():
                break
    finally:
        workshop.close()
