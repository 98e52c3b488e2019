"""The collection that readers see, behind one name: a store that can be replaced whole while a run works with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.database import open_database
from confluence_sync.generations import Generation, Generations
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored
from confluence_sync.report import Report
from confluence_sync.state import State
from confluence_sync.stores.base import Backend, Feature, Identity, Store

NOTHING_YET = Identity("nothing yet", 0)


def rotates(features: Feature) -> bool:
    """Whether a store with these features can only be filled once: neither replaced chunk by chunk nor deleted from."""
    return not features & (Feature.UPSERT | Feature.DELETE)


def open_live(state: State, backend: Backend, name: str) -> Store:
    """The collection of that name; where collections are rotated, the live generation, without making one."""
    if not rotates(backend.features):
        return backend.open(name)
    live = Generations(state.database).find(f"{backend.name}:{name}", "live")
    there = live is not None and live.name in backend.collections()
    return LiveStore(backend.open(live.name), live) if live and there else LiveStore(None, None)


def open_to_read(settings: Settings, backend: Backend, name: str) -> Store:
    """What readers see under that name, without a run: the state says which generation is live."""
    if not rotates(backend.features):
        return backend.open(name)
    database = open_database(settings.state_dir, settings.state_url.reveal() or settings.database_url.reveal())
    with closing(State(database)) as state:
        return open_live(state, backend, name)


def tell_live(settings: Settings, report: Report, address: str) -> None:
    """What readers must name, where the server chose it, goes into the report and LIVE_COLLECTION_FILE, whole or not at all."""
    if not address:
        return
    report.live_collection = address
    file = settings.live_collection_file
    if file and not (file.exists() and file.read_text(encoding="utf-8") == f"{address}\n"):
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_text(f"{address}\n", encoding="utf-8")
        fresh.replace(file)


@dataclass
class LiveStore:
    """The live generation, or nothing before the first one is whole. Writing goes to a generation of its own, never here."""

    store: Store | None
    generation: Generation | None
    features: Feature = Feature.QUERY

    @property
    def address(self) -> str:
        """What readers must name in their queries; "" when nothing is live."""
        return self.generation.address if self.generation else ""

    def replace(self, store: Store, generation: Generation) -> None:
        """From now on readers of this object see `store`."""
        if self.store:
            self.store.close()
        self.store, self.generation = store, generation

    def write(self, chunks: Sequence[Chunk]) -> None:
        raise NotImplementedError("a live generation is never written to")

    def delete(self, chunk_ids: Sequence[str]) -> None:
        if chunk_ids:
            raise NotImplementedError("this store cannot delete chunks")

    def retag(self, chunks: Sequence[Chunk]) -> None:
        raise NotImplementedError("this store cannot change chunks")

    def ids(self) -> Iterator[Stored]:
        raise NotImplementedError("this store cannot list chunks")

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        return self.store.query(text, top_k, where) if self.store else []

    def identity(self) -> Identity:
        return self.store.identity() if self.store else NOTHING_YET

    def drop(self) -> None:
        if self.store:
            self.store.drop()

    def close(self) -> None:
        if self.store:
            self.store.close()
