"""What a collection was filled with, remembered, so that a changed name, scope or shard never looks like a mass deletion."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from confluence_sync.adopt import Owned
from confluence_sync.config import Settings
from confluence_sync.errors import Refused
from confluence_sync.model import Scope, Space, digest
from confluence_sync.plan import FREE_DELETES
from confluence_sync.report import Held
from confluence_sync.run import Run
from confluence_sync.source.folder import folder_id
from confluence_sync.source.spaces import Chosen
from confluence_sync.state import Binding

log = logging.getLogger(__name__)

WAY_OUT = "nothing was changed. Set another COLLECTION_ID, or run with --rebuild to fill this one anew"


def scope_of(settings: Settings, space: Space) -> Scope:
    return Scope(space, folder_id(settings.filter_folder_id), settings.labels, settings.job_completion_index, settings.shard_count)


def scope_key(job: Run, scope: Scope) -> str:
    """The key of a scope in the state: the same for a renamed space, another for another collection, Confluence, space or shard."""
    return digest(job.target, job.source.id, scope.space.id, str(scope.shard), size=8)


def owned_scopes(job: Run, chosen: Sequence[Chosen]) -> list[Owned]:
    """The scopes that this state keeps in the collection: those of this run, and those that earlier runs bound.

    One that was bound as another shard counts as new: pages that another shard filled are taken over from the store.
    """
    bound = {binding.scope: binding for binding in job.state.bindings(job.target)}
    mine = {scope_key(job, scope): scope for scope in (scope_of(job.settings, one.space) for one in chosen)}
    shard = (job.settings.job_completion_index, job.settings.shard_count)
    others = [Owned(key, Scope(Space(b.space_id, b.space_key, ""), "", (), *shard), True) for key, b in bound.items() if key not in mine]
    return [Owned(key, scope, key in bound and bound[key].described == scope.describe()) for key, scope in mine.items()] + others


def refuse_other_meaning(job: Run, chosen: Sequence[Chosen]) -> None:
    """Raises Refused for a name that meant another space last time, and for settings that take another part of a space than last time."""
    if job.wanted.rebuild:
        return
    bindings = job.state.bindings(job.target)
    for one in chosen:
        scope = scope_of(job.settings, one.space)
        for binding in bindings:
            if binding.wish == one.wish and binding.space_id != one.space.id:
                raise Refused(
                    f"{one.wish!r} was {binding.described} when this collection was filled and is now {scope.describe()}; {WAY_OUT}"
                )
            if binding.space_id == one.space.id and binding.selection != scope.selection:
                raise Refused(
                    f"this collection was filled with {binding.selection} of space {one.space.key}, and the settings now say "
                    f"{scope.selection}; {WAY_OUT}"
                )


def leave_other_meaning(job: Run, chosen: Sequence[Chosen]) -> None:
    """With --rebuild, what a name meant before leaves the collection: the user was told of both and asked for it.

    Raises Refused when that is more than may go unasked.
    """
    if not job.wanted.rebuild:
        return
    wishes = {one.wish: one.space.id for one in chosen}
    for binding in job.state.bindings(job.target):
        if wishes.get(binding.wish, binding.space_id) != binding.space_id:
            _leave(job, binding)


def _leave(job: Run, binding: Binding) -> None:
    held, allowed = job.state.size(binding.scope), max(FREE_DELETES, job.settings.max_deletes)
    if held > allowed:
        raise Refused(
            f"{binding.described} would leave the collection with {held} pages, more than the {allowed} that may go unasked; "
            f"if that is right, run again with --rebuild --max-deletes {held}"
        )
    log.warning("%s leaves the collection, because its name means another space now", binding.described)
    for entry in job.state.every_entry(binding.scope):
        job.store.delete(entry.chunk_ids)
    job.state.unbind(binding.scope)


def bind(job: Run, scope: Scope, wish: str) -> None:
    """Remembers what this scope is filled with."""
    key = scope_key(job, scope)
    job.state.bind(Binding(key, job.target, wish, scope.space.id, scope.space.key, scope.describe(), scope.selection))


def hold_vanished(job: Run, chosen: Sequence[Chosen]) -> None:
    """A space that an earlier run filled by * or a prefix and that is not visible now is held, never deleted."""
    everything, prefix = "*" in job.settings.space_name, job.settings.space_key_filter
    if not (everything or prefix):
        return
    seen = {one.space.id for one in chosen}
    for binding in job.state.bindings(job.target):
        if binding.space_id not in seen and (everything or binding.space_key.startswith(prefix)):
            why = f"{binding.described} is no longer visible; its pages stay in the store"
            job.report.held.append(Held(binding.space_key, why, count=job.state.size(binding.scope)))


def drop_other_shards(job: Run, scope: Scope) -> None:
    """A page that belongs to another shard now leaves this state; its chunks stay in the store, for that shard to adopt."""
    if scope.shards > 1:
        key = scope_key(job, scope)
        job.state.forget(key, [entry.page_id for entry in job.state.every_entry(key) if not scope.owns(entry.page_id)])
