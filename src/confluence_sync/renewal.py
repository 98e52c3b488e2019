"""A collection that is filled beside another one, for another embedding model, and takes its place when it is whole.

The order of effects, and why a crash between any two is harmless:
    1. the new collection is made under a name of its own      a crash here: it is empty, and the next run begins again
    2. the state names every page of the old one as awaited    so the guards of deletion hold for a page that does not come
    3. it is filled like any other collection                  a crash here: the next run goes on
    4. the store lets it take the old one's place, in one step  a crash here: the state knows another collection, and is made from the store
    5. what the state knew of it becomes what it knows of the name
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from confluence_sync.bindings import scope_key, scope_of
from confluence_sync.errors import Refused
from confluence_sync.model import Entry, batched
from confluence_sync.report import Held
from confluence_sync.run import Run
from confluence_sync.source.spaces import Chosen
from confluence_sync.state import Collection
from confluence_sync.stores.base import Store

log = logging.getLogger(__name__)

Pages = Mapping[str, set[str]]  # page ids by the key of their scope


def forget_another(job: Run) -> None:
    """What the state knows of an earlier collection that was filled to take this place, and is not there any more, goes."""
    known = job.state.collection(job.target) if job.replaces else None
    if known and known.identity != job.store.identity().id:
        for binding in job.state.bindings(job.target):
            job.state.unbind(binding.scope)


def await_pages(job: Run, chosen: Sequence[Chosen]) -> None:
    """Every page that readers have now is expected in the new collection: one that does not come must be proven gone, as ever.

    Raises Refused when this run would not bring all that readers have.
    """
    if job.replaces is None:
        return
    if job.wanted.partial or job.settings.shard_count > 1:
        raise Refused(
            "another embedding model needs every page anew: run `sync --rebuild` without --limit, FILTER_PAGE_IDS and SHARD_COUNT; "
            "nothing was changed"
        )
    for key, page_ids in _held(job, job.replaces, chosen).items():
        for some in batched(sorted(page_ids), 1000):
            known = job.state.entries(key, some)
            job.state.put(key, [Entry(page_id, 0, "", "", "", "", "", (), "", settled=False) for page_id in some if page_id not in known])


def take_place(job: Run, chosen: Sequence[Chosen]) -> None:
    """Lets readers have the new collection when everything that they have now is in it; says what is missing otherwise."""
    old = job.replaces
    if old is None:
        return
    if job.report.exit:
        log.warning("readers stay with the collection of the other model until a run ends without failure; the next one goes on")
        return
    seen = old.identity()
    awaited = _awaited(job, _held(job, old, chosen))
    if awaited:
        why = "the collection of the new model lacks pages that readers have now; readers stay with the old one, and the next run goes on"
        job.report.held.append(Held("", why, awaited[:1000], len(awaited)))
        job.report.exit = 4
        return
    old.give_way_to(job.store, seen)
    _inherit(job, chosen)
    log.info("collection %s was filled anew, and readers have it now", job.report.collection)


def _held(job: Run, old: Store, chosen: Sequence[Chosen]) -> Pages:
    """What the old collection holds. Raises Refused for what this run does not bring: it would be lost."""
    mine = {one.space.key: scope_key(job, scope_of(job.settings, one.space)) for one in chosen}
    pages: dict[str, set[str]] = defaultdict(set)
    others: Counter[str] = Counter()
    for stored in old.ids():
        m = stored.metadata
        if m and m.source == job.source.id and m.space_key in mine:
            pages[mine[m.space_key]].add(m.page_id)
        elif m or not job.means.adopt:
            others[f"space {m.space_key}" if m else "another program"] += 1
    if others:
        named = ", ".join(f"{count} chunks of {name}" for name, count in others.most_common(5))
        raise Refused(
            f"the collection also holds {named}, which this run does not bring and which would be lost; readers stay with it. "
            "Name all its spaces in SPACE_NAME and run `sync --rebuild` once for all (--adopt gives up another program's chunks)"
        )
    return pages


def _awaited(job: Run, held: Pages) -> list[str]:
    """Pages that readers have and that are neither in the new collection nor proven gone in this run."""
    gone = {page_id for space in job.report.spaces for page_id in space.deleted_pages}
    missing: list[str] = []
    for key, page_ids in held.items():
        for some in batched(sorted(page_ids - gone), 1000):
            known = job.state.entries(key, some)
            missing += [page_id for page_id in some if page_id not in known or not known[page_id].settled]
    return missing


def _inherit(job: Run, chosen: Sequence[Chosen]) -> None:
    scopes = [scope_of(job.settings, one.space) for one in chosen]
    before, coming = [scope_key(job, scope) for scope in scopes], job.target
    job.target, job.replaces = job.target_replaced, None
    seen = job.store.identity()
    heirs = dict(zip(before, [scope_key(job, scope) for scope in scopes], strict=True))
    job.state.inherit(job.target, coming, heirs, Collection(seen.id, seen.count, seen.stamp, clean=True))
