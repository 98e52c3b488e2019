"""Writes a space as a folder of Markdown files and keeps it in step, with the same proof before anything is deleted as a sync."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from confluence_sync.bindings import bind, hold_vanished, refuse_other_meaning, scope_key, scope_of
from confluence_sync.config import Settings
from confluence_sync.convert import CONVERTER_VERSION, to_markdown
from confluence_sync.errors import SettingsError
from confluence_sync.export_folder import FolderBackend, FolderStore, file_name, file_text
from confluence_sync.gone import delete_gone, refused_deletions
from confluence_sync.listing import count_missing, make_plan, refs_to_fetch, spool
from confluence_sync.mentions import read_unnamed_again, with_names
from confluence_sync.model import Entry, Page, digest
from confluence_sync.plan import Kind, Plan, Wanted
from confluence_sync.report import FailedPage, Held, Report, SpaceReport
from confluence_sync.run import Means, Run, opened
from confluence_sync.settings_kinds import Secret
from confluence_sync.source.base import BULK, Failure
from confluence_sync.source.spaces import Chosen, choose_spaces
from confluence_sync.sync import exit_code
from confluence_sync.workshop import Batch

FORMAT_VERSION = 1  # raised on purpose whenever the file of any page changes its bytes
STATE_FOLDER = ".confluence-sync"


def export(settings: Settings, folder: Path | None, wanted: Wanted, means: Means) -> Report:
    """Brings `folder` (EXPORT_BASE_DIR when None) in step; its state lives in it, in a hidden folder of its own.

    The report counts pages; `exit` is the exit code. Raises what a sync raises.
    """
    target = folder or settings.export_base_dir
    if target is None:
        raise SettingsError("EXPORT_BASE_DIR: not set; name the folder, as in `confluence-sync export DIR`")
    own = replace(settings, state_dir=target / STATE_FOLDER, state_url=Secret(), database_url=Secret(), collection_id="export")
    with opened(own, wanted, replace(means, backend=FolderBackend(target))) as job:
        store = FolderStore(target)
        for one in _spaces(job):
            _export_space(job, store, one)
        job.report.requests["confluence"] = job.source.requests
        job.report.exit = exit_code(job.report)
        job.stop_clock()
        job.state.note_run(job.report.started, job.report.as_json())
        return job.report


def _spaces(job: Run) -> list[Chosen]:
    chosen, problems = choose_spaces(job.settings.space_name, job.settings.space_key_filter, list(job.source.spaces()))
    if not chosen:
        raise SettingsError(*problems)
    refuse_other_meaning(job, chosen)
    job.report.spaces += [SpaceReport("", "", error=problem, error_exit=2) for problem in problems]
    hold_vanished(job, chosen)
    return chosen


def _export_space(job: Run, store: FolderStore, one: Chosen) -> None:
    report = SpaceReport(one.space.key, one.space.name)
    job.report.spaces.append(report)
    scope = scope_of(job.settings, one.space)
    key = scope_key(job, scope)
    job.progress.stage(f"listing {one.space.name} ({one.space.key})")
    listing = spool(job.state, job.source, key, scope, job.wanted, job.progress.at)
    report.pages.listed, report.listing_complete = listing.count, listing.complete
    _notice_missing(job, store, key)
    read_unnamed_again(job.source, job.state, key)
    plan = make_plan(job.state, listing, recipe(one.space.key, one.space.name), job.wanted, job.settings.reconcile_after_runs)
    report.pages.unchanged, report.pages.deferred = plan.keep, plan.count(Kind.DEFER)
    bind(job, scope, one.wish)
    _write(job, store, one, plan, report)
    refused = refused_deletions(plan, job.settings.max_deletes)
    if refused:
        job.report.held.append(Held(one.space.key, refused.why, count=refused.count))
    else:
        job.report.held += delete_gone(job.state, job.source, store, scope, plan, job.account, report)
    if plan.complete:
        count_missing(job.state, key)


def recipe(space_key: str, space_name: str) -> str:
    """Fingerprint of all that decides how a page becomes a file, except the page."""
    return digest("export", str(CONVERTER_VERSION), str(FORMAT_VERSION), space_key, space_name, size=6)


def _notice_missing(job: Run, store: FolderStore, key: str) -> None:
    """Files that somebody removed are written again."""
    lost = [replace(entry, settled=False) for entry in job.state.every_entry(key) if store.missing(entry.chunk_ids)]
    job.state.put(key, lost)


def _write(job: Run, store: FolderStore, one: Chosen, plan: Plan, report: SpaceReport) -> None:
    if not plan.fetches:
        return
    job.progress.stage(f"writing {one.space.name} ({one.space.key})", plan.fetches)
    refs, known = refs_to_fetch(job.state, plan.scope, BULK), job.state.names(job.source.id)
    made_by, done = recipe(one.space.key, one.space.name), 0
    for batch in with_names(job.source, one.space, refs, job.settings.concurrency, job.state, plan.scope, known):
        _write_batch(job, store, plan.scope, batch, made_by, report)
        done += len(batch.pages)
        job.progress.at(done)


def _write_batch(job: Run, store: FolderStore, key: str, batch: Batch, made_by: str, report: SpaceReport) -> None:
    """The state names the files before they are there and settles afterwards: a crash in between only makes the pages be written again."""
    pages = [page for page in batch.pages if isinstance(page, Page)]
    report.failed += [FailedPage(f.page_id, f.title, f.why) for f in batch.pages if isinstance(f, Failure)]
    report.pages.failed += len(batch.pages) - len(pages)
    before = job.state.entries(key, [page.ref.id for page in pages])
    entries = [_entry(page, made_by) for page in pages]
    job.state.put(key, [replace(before.get(entry.page_id, entry), settled=False) for entry in entries])
    for page in pages:
        changed = store.put(file_name(page), file_text(page, to_markdown(page, batch.names).markdown), page.updated_at)
        _count(report, known=page.ref.id in before, changed=changed)
    _drop_old_names(store, before, entries)
    job.state.put(key, entries)


def _drop_old_names(store: FolderStore, before: dict[str, Entry], entries: Sequence[Entry]) -> None:
    """A space whose key changed has its files in another folder."""
    kept = {name for entry in entries for name in entry.chunk_ids}
    store.delete([name for entry in before.values() for name in entry.chunk_ids if name not in kept])


def _count(report: SpaceReport, known: bool, changed: bool) -> None:
    if not known:
        report.pages.new += 1
    elif changed:
        report.pages.changed += 1
    else:
        report.pages.unchanged += 1


def _entry(page: Page, made_by: str) -> Entry:
    ref = page.ref
    files = (file_name(page),)
    return Entry(ref.id, ref.version, ref.fingerprint, made_by, ref.title, ref.parent_id, page.labels_text, files, "", settled=True)
