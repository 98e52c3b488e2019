"""Fills a fresh collection and switches readers to it whole, for stores that can neither replace nor delete chunks.

The order of effects, and why a crash between any two is harmless:
    1. the state names a generation and pins its pages              a crash here: the next run makes it and goes on
    2. page by page: the state names the chunks, the store gets them  a crash here: the next run looks each chunk up before writing it
    3. counted and spot-checked by query                            a crash here: the next run checks again
    4. one transaction makes it live and its pages the entries      a crash here: readers that follow the state see it; the file is next
    5. LIVE_COLLECTION_FILE is written, then older ones are dropped  a crash here: the next run writes it again and finds the leftovers
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from confluence_sync.errors import Refused, RemoteError, ServerFailed, SettingsError
from confluence_sync.fill import Filling, Unsure
from confluence_sync.generations import DONE, PENDING, WRITING, Generation, Generations, new_name, owner_of
from confluence_sync.gone import changed_since
from confluence_sync.listing import steps
from confluence_sync.live import LiveStore, tell_live
from confluence_sync.mentions import with_names
from confluence_sync.model import PageRef, Presence, Scope, batched, digest
from confluence_sync.plan import Kind, Plan
from confluence_sync.prepare import Prepared
from confluence_sync.report import FailedPage, Held, SpaceReport
from confluence_sync.run import Run
from confluence_sync.source.base import BULK, Failure
from confluence_sync.workshop import Workshop

log = logging.getLogger(__name__)

MOST_DROPPED = 2  # generations given up in one run because nobody could tell what the server had taken


def rotate(job: Run, live: LiveStore, scope: Scope, plan: Plan, report: SpaceReport) -> None:
    """Brings a rotated collection in step: nothing when nothing changed, else a whole new generation.

    Raises SettingsError for a second owner, Refused for a partial listing, RemoteError when the server fails; a later run goes on.
    """
    rotation = Rotation(job, live, scope, plan, report)
    rotation.refuse_strangers()
    tell_live(job.settings, job.report, live.address)
    if plan.empty or not rotation.is_worth_it():
        rotation.drop_leftovers()
        return
    if not plan.complete:
        raise Refused("a collection that cannot be patched is only filled from a whole listing: run without --limit and FILTER_PAGE_IDS")
    kept = rotation.still_there()
    if kept is None:
        return
    generation = rotation.filled(kept)
    if generation:
        rotation.switch(generation)
        rotation.drop_leftovers()


class Rotation:
    """One rotation of one collection, with what it works on."""

    def __init__(self, job: Run, live: LiveStore, scope: Scope, plan: Plan, report: SpaceReport) -> None:
        self.job, self.live, self.scope, self.plan, self.report = job, live, scope, plan, report
        self.state = Generations(job.state.database)
        self.collection = job.report.collection
        self.owner = digest(job.source.id, scope.space.id, str(scope.shard), size=3)

    def refuse_strangers(self) -> None:
        """A rotated collection is filled whole by one job: two would drop each other's work."""
        others = [b.described for b in self.job.state.bindings(self.job.target) if b.scope != self.plan.scope]
        owners = {owner_of(name, self.collection) for name in self.job.backend.collections()} - {"", self.owner}
        if others or owners or self.scope.shards > 1:
            who = others[0] if others else "another space, shard or Confluence"
            raise SettingsError(
                f"collection {self.collection} is rotated on this server and already kept by {who}; a rotated collection has one owner: "
                "name another one in VECTOR_DB_ID"
            )

    def is_worth_it(self) -> bool:
        """Whether enough changed (ROTATE_MIN_CHANGE) since the live generation; pages that failed at the same version are no news."""
        if not self.live.generation or self.job.wanted.rebuild:
            return True
        news, share = self.state.news(self.plan.scope, self.live.generation), self.job.settings.rotate_min_change
        percent = 100 * news / max(self.plan.listed, 1)
        if news and percent < share:
            log.warning("%d pages differ, %.1f %% and less than ROTATE_MIN_CHANGE=%d: they wait", news, percent, share)
            self.report.pages.deferred += news
        if news and percent >= share:
            return True
        for page_id, title in self.state.still_failing(self.plan.scope, self.live.generation):
            why = "it failed when the collection was filled and has not changed since; --rebuild tries it again"
            self.report.failed.append(FailedPage(page_id, title, why))
            self.report.pages.failed += 1
        return False

    def still_there(self) -> list[PageRef] | None:
        """Pages that the listing did not show but that are not proven gone: they go along. None when that could not be told."""
        missing = [step.page_id for step in steps(self.job.state, self.plan.scope, Kind.DELETE)]
        presence: dict[str, Presence] = {}
        for some in batched(missing, BULK):
            presence |= self.job.source.presence(some, self.scope)
        unknown = [page_id for page_id in missing if presence[page_id] is Presence.UNKNOWN]
        changed = changed_since(self.job.source, self.scope, self.job.account) if missing else ""
        if unknown or changed:
            why = changed or "what became of these pages could not be told, so the collection stays as it is"
            unknown = unknown or missing
            self.job.report.held.append(Held(self.scope.space.key, why, unknown[:1000], len(unknown)))
            return None
        self.report.deleted_pages.update((i, presence[i].value) for i in missing if presence[i].gone)
        self.report.pages.deleted += len(self.report.deleted_pages)
        staying = [i for i in missing if not presence[i].gone] + self.state.awaited(self.plan.scope)
        return [ref for some in batched(staying, BULK) for ref in self.job.source.refs(some)]

    def filled(self, kept: Sequence[PageRef]) -> Generation | None:
        """A whole generation, or None when pages that readers have now could not be read: the next run tries those again."""
        why = ""
        for _ in range(MOST_DROPPED):
            generation = self._begun(kept)
            try:
                return self._fill(generation)
            except Unsure as doubt:
                why = str(doubt)
                log.warning("generation %s is given up: %s", generation.name, why)
                self._drop(generation.name)
        raise ServerFailed(
            f"{MOST_DROPPED} generations were given up, as the server could not tell what it had taken; run again later (last: {why})"
        )

    def _begun(self, kept: Sequence[PageRef]) -> Generation:
        """The generation that a cut run left, when it fits; else a new one."""
        found, wanted = self.state.find(self.job.target, "filling"), self.job.cut.recipe
        if found and found.recipe == wanted and found.scope == self.plan.scope and not self.job.wanted.rebuild:
            self.state.unpin_vanished(found)
            self.state.pin(found, kept)
            return found
        if found:
            self._drop(found.name)
        taken = self.job.backend.collections() + self.state.names(self.job.target)
        name = new_name(self.collection, self.owner, taken)
        generation = Generation(self.job.target, name, self.plan.scope, wanted, "filling", "")
        self.state.start(generation)
        self.state.pin(generation, kept)
        return generation

    def _fill(self, generation: Generation) -> Generation | None:
        with closing(self.job.backend.open(generation.name)) as store:
            filling = Filling(self.state, store, generation, self.report)
            total = self.state.count(generation, PENDING, WRITING, DONE)
            self.job.progress.stage(f"filling {generation.name}", total)
            for done in filling.take(self._prepared(generation)):
                self.job.progress.at(done)
            lost = self.state.would_lose(generation)
            if lost:
                why = f"{lost} pages that readers have now could not be read; the new collection waits for them"
                self.job.report.held.append(Held(self.scope.space.key, why, count=lost))
                return None
            filling.check()
            return replace(generation, status="live", address=store.identity().address or generation.name)

    def _prepared(self, generation: Generation) -> Iterator[list[Prepared | Failure]]:
        """Fetches and converts what the generation lacks, in overlapping stages."""
        job, waiting = self.job, self.state.count(generation, PENDING, WRITING)
        with closing(Workshop(job.cut, waiting)) as workshop:
            refs, known = self.state.pending(generation, BULK), job.state.names(job.source.id)
            pages = with_names(job.source, self.scope.space, refs, job.settings.concurrency, job.state, self.plan.scope, known)
            yield from workshop.run(pages)

    def switch(self, generation: Generation) -> None:
        """Readers see the new one from here on."""
        before = {entry.page_id: entry.fingerprint for entry in self.job.state.every_entry(self.plan.scope)}
        self.state.switch(generation, generation.address)
        after = {entry.page_id: entry.fingerprint for entry in self.job.state.every_entry(self.plan.scope)}
        self.live.replace(self.job.backend.open(generation.name), generation)
        tell_live(self.job.settings, self.job.report, self.live.address)
        pages = self.report.pages
        pages.new += len(after.keys() - before.keys())
        pages.changed += sum(before[page_id] != after[page_id] for page_id in after.keys() & before.keys())
        pages.unchanged = sum(before[page_id] == after[page_id] for page_id in after.keys() & before.keys())
        pages.deferred = 0

    def drop_leftovers(self) -> None:
        """Older and cut generations of ours, known by name and check digits; with --adopt also what another program left."""
        if not self.live.generation:
            return
        there = self.job.backend.collections()
        filling = self.state.find(self.job.target, "filling")
        kept = {self.live.generation.name, filling.name if filling and not self.plan.empty else ""}
        ours = {name for name in there if owner_of(name, self.collection) == self.owner} | set(self.state.names(self.job.target))
        for name in sorted(ours - kept):
            self._drop(name)
        if self.collection not in there:
            return
        if self.job.means.adopt:
            self._drop(self.collection)
        else:
            log.warning("collection %s was made by another program and is left alone; --adopt removes it", self.collection)

    def _drop(self, name: str) -> None:
        """The store loses it before the state forgets it; a failure only leaves it for the next run."""
        try:
            if name in self.job.backend.collections():
                with closing(self.job.backend.open(name)) as store:
                    store.drop()
            self.state.forget(name)
        except RemoteError as error:
            log.warning("collection %s is dropped by a later run: %s", name, error)
