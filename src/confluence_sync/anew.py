"""Which collection a run writes to when another embedding model filled the one that readers see: a new one beside it."""

from __future__ import annotations

import logging

from confluence_sync.errors import SettingsError
from confluence_sync.stores.base import COMING, Backend, Replaceable, Store

log = logging.getLogger(__name__)


def beside(backend: Backend, name: str, store: Store, rebuild: bool) -> tuple[Replaceable, Store] | None:
    """The old collection and the one to fill, empty or as a cut run left it, that takes its place; None when `store` itself is written to.

    A rebuild that was begun goes on without being asked for again. Raises SettingsError naming both models when none was.
    """
    if not isinstance(store, Replaceable) or not store.anew or not (rebuild or store.outdated):
        return None
    coming = _fitting(backend, name + COMING)
    if not rebuild and not coming.identity().count:
        coming.drop()
        raise SettingsError(store.outdated)
    log.warning("%s; a new collection is filled beside it, and readers stay with the old one until that is whole", store.anew)
    return store, coming


def _fitting(backend: Backend, name: str) -> Store:
    """One that was begun with a third model is of no use: it is made anew."""
    coming = backend.open(name)
    if isinstance(coming, Replaceable) and coming.anew:
        coming.drop()
        return backend.open(name)
    return coming
