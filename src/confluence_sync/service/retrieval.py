"""Searches the collection that is live now, from a few worker threads; a rotated collection is followed to its new name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from confluence_sync.errors import NotFound
from confluence_sync.model import Filter, Hit
from confluence_sync.service.problems import Problem
from confluence_sync.stores.base import Backend, Feature, Replaceable, Store

WORKERS = 4


@dataclass
class Retrieval:
    """`name` tells the collection's name each time, as a rotation may have changed it.

    A service set up for another model than the collection's refuses to answer; one whose collection is replaced while it runs goes on,
    by words, until it is started with the new model.
    """

    backend: Backend
    name: Callable[[], str]
    _stores: dict[str, Store] = field(default_factory=dict)
    _answers: bool = False

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, "search")

    async def search(self, text: str, top_k: int, where: Filter) -> list[Hit]:
        """Raises a Problem (503) when there is nothing to search, RemoteError when the store fails."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(self.search_now, text, top_k, where))

    def search_now(self, text: str, top_k: int, where: Filter) -> list[Hit]:
        try:
            hits = self._store().query(text, top_k, where)
        except NotFound:  # another collection took its place
            self._stores = {}
            hits = self._store().query(text, top_k, where)
        if not hits and self.count() == 0:
            raise Problem(503, f"collection {self.name()!r} is empty; run `confluence-sync sync` first", "not_ready")
        return hits

    def count(self) -> int | None:
        """How many chunks there are; None when the store cannot tell."""
        return self._store().identity().count

    def check(self) -> None:
        """Raises what is wrong, for /readyz."""
        self._store().identity()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for store in self._stores.values():
            store.close()

    def _store(self) -> Store:
        """Never makes a collection where the server can tell that there is none."""
        name = self.name()
        there = self.backend.collections()
        if there and name not in there:
            raise Problem(
                503, f"there is no collection {name!r} yet (there are: {', '.join(there[:9])}); run `confluence-sync sync`", "not_ready"
            )
        if name not in self._stores:
            store = self.backend.open(name)
            if Feature.QUERY not in store.features:
                raise Problem(503, f"a {self.backend.name} store takes pages but cannot be searched; ask another one", "not_ready")
            if not self._answers and isinstance(store, Replaceable) and store.outdated:
                store.close()
                raise Problem(503, store.outdated, "not_ready")
            self._answers = True
            self._stores = {name: store}
        return self._stores[name]
