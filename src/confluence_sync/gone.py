"""Deletes pages that vanished upstream, each only on its own proof, and reports what is held back instead."""

from __future__ import annotations

import logging
from itertools import islice

from confluence_sync.errors import Refused, RemoteError, SettingsError
from confluence_sync.listing import steps
from confluence_sync.model import Account, Presence, Scope
from confluence_sync.patch import delete_pages
from confluence_sync.plan import Kind, Plan, refuse_mass_deletion
from confluence_sync.report import Held, SpaceReport
from confluence_sync.source.base import Source
from confluence_sync.state import State
from confluence_sync.stores.base import Feature, Store

log = logging.getLogger(__name__)

AT_ONCE = 250


def refused_deletions(plan: Plan, max_deletes: int) -> Held | None:
    """The deletions of a plan that goes over the ceiling, as something held; counted before anything is asked or done."""
    try:
        refuse_mass_deletion(plan, max_deletes)
    except Refused as error:
        return Held("", str(error), count=plan.count(Kind.DELETE))
    return None


def delete_gone(state: State, source: Source, store: Store, scope: Scope, plan: Plan, account: Account, report: SpaceReport) -> list[Held]:
    """Confirms each candidate by its own request and deletes those that are gone; gives what is held back."""
    if plan.count(Kind.DELETE) == 0:
        return []
    if Feature.DELETE not in store.features:
        why = "this store cannot delete, so what vanished upstream stays there"
        return [Held(scope.space.key, why, count=plan.count(Kind.DELETE))]
    unknown: list[str] = []
    asked = 0
    candidates = steps(state, plan.scope, Kind.DELETE, AT_ONCE)
    while some := [step.page_id for step in islice(candidates, AT_ONCE)]:
        presence = source.presence(some, scope)
        changed = changed_since(source, scope, account)
        if changed:
            return [Held(scope.space.key, changed, some, plan.count(Kind.DELETE) - asked)]
        gone = [page_id for page_id in some if presence[page_id].gone]
        delete_pages(state, store, plan.scope, gone, report)
        asked += len(some)
        report.deleted_pages.update((page_id, presence[page_id].value) for page_id in gone)
        unknown += [page_id for page_id in some if presence[page_id] is Presence.UNKNOWN]
        report.pages.unchanged += sum(presence[page_id] is Presence.CURRENT for page_id in some)
    return [Held(scope.space.key, "what became of these pages could not be told", unknown[:1000], len(unknown))] if unknown else []


def changed_since(source: Source, scope: Scope, account: Account) -> str:
    """Why 404 proves nothing now: the account or the space is not what it was when the run began. "" when all is well.

    Asked after the pages were, because a token or a permission that ends in between makes every page answer 404.
    """
    try:
        now = source.whoami()
        space = source.space(scope.space.id)
    except (RemoteError, SettingsError) as error:
        return f"account and space could not be seen again after the listing: {error}"
    if now.id != account.id:
        return f"the account changed during the run, from {account.id} to {now.id}"
    if space is None or space.key != scope.space.key:
        return f"space {scope.space.key} is no longer visible to this account"
    return ""
