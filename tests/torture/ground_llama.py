"""Llama Stack's two kinds of store as a ground: one real server for all cells, a collection of its own for each, faults from a proxy."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluence_sync.config import Settings
from confluence_sync.generations import Generations, owner_of
from confluence_sync.http import Link, Patience
from confluence_sync.jsonvalue import as_object, child, objects, text
from confluence_sync.live import open_live
from confluence_sync.model import Metadata
from confluence_sync.run import open_state
from confluence_sync.stores.base import Backend
from confluence_sync.stores.dash import DashBackend
from confluence_sync.stores.remote import link_to
from confluence_sync.stores.variants import variant_named
from confluence_sync.stores.vector_stores import VectorStoresBackend
from confluence_sync.stores.vector_stores_text import decoded, is_sentinel, read_attributes
from tests.torture.grounds import FROM_HTTP, Fault, Fill, Standing, Steps
from tests.torture.oracle import Contents
from tests.torture.proxy import FaultProxy, proxied
from tests.torture.servers import Servers

MOST = 400  # more than any cell's chunks, so that one query brings all of them
CUTS = {"CHUNK_TOKENS": "400"}
LOOK = ("look", "openapi|version|models|providers")


@dataclass(frozen=True, slots=True)
class Way:
    """One of the ways to write to such a server; `stale` as a Ground has it."""

    variant: str
    steps: Steps
    rotated: bool
    stale: frozenset[str] = frozenset()


DASH = Way(
    "dash",
    (LOOK, ("insert", "embeddings|insert|POST.*vector-dbs"), ("ask", "query"), ("drop", "^DELETE"), ("find", ".")),
    rotated=True,
)
VECTOR_STORES = Way(
    "vector-stores",
    (LOOK, ("put file", "^POST"), ("take file", "^DELETE"), ("find", ".")),
    False,
    frozenset({"version", "last_modified", "chunk_index", "fingerprint"}),
)


@dataclass
class LlamaStanding:
    """One collection."""

    folder: Path
    way: Way
    server: str
    proxy: FaultProxy
    collection: str

    @property
    def settings(self) -> Mapping[str, str]:
        return {**self._place(self.proxy.url), "EMBEDDING_MODEL_ID": "all-MiniLM-L6-v2", **CUTS}

    def _place(self, url: str) -> dict[str, str]:
        return {"LLAMA_BASE_URL": url, "VECTOR_DB_PROVIDER": "faiss", "COLLECTION_ID": self.collection}

    @property
    def lines(self) -> list[str]:
        return self.proxy.lines

    def strike(self, fault: Fault | None) -> None:
        self.proxy.faults.put([fault.rule] if fault else [])

    def backend(self, settings: Settings, patience: Patience) -> Backend:
        backend = variant_named(self.way.variant).open(settings)
        _link(backend).patience = patience
        return backend

    def contents(self, settings: Settings) -> Contents:
        """Every chunk of the collection that readers see; one that is being replaced may be there in both forms, and counts once."""
        return {chunk_id: (said, about.as_dict() if about else {}) for chunk_id, said, about in self._seen(settings)}

    def leftover(self, settings: Settings) -> str:
        with closing(open_state(settings)) as state, closing(variant_named(self.way.variant).open(settings)) as backend:
            live = Generations(state.database).find(f"{backend.name}:{self.collection}", "live")
            left = {name for name in backend.collections() if owner_of(name, self.collection)} - {live.name if live else ""}
        twice = [chunk_id for chunk_id, times in Counter(chunk_id for chunk_id, _, _ in self._seen(settings)).items() if times > 1]
        return f"collections left over: {sorted(left)}" if left else f"there twice: {twice}" if twice else ""

    def _seen(self, settings: Settings) -> list[tuple[str, str, Metadata | None]]:
        """Asked by one query of the server's own for more than there are."""
        self.strike(None)
        with ExitStack() as stack:
            state = stack.enter_context(closing(open_state(settings)))
            backend = stack.enter_context(closing(variant_named(self.way.variant).open(settings)))
            place = stack.enter_context(closing(open_live(state, backend, self.collection))).identity().address
        if not place:
            return []
        with closing(link_to(self.server, settings)) as link:
            asked = {"vector_db_id": place, "query": "words of a page", "params": {"max_chunks": MOST}}
            rows = objects(as_object(link.send("POST", "/v1/vector-io/query", payload=asked).json(), "query"), "chunks", "query")
        read = [(*read_attributes(child(row, "metadata", "chunk")), decoded(text(row, "content", "chunk"))) for row in rows]
        return [(chunk_id, said, about) for chunk_id, about, said in read if not is_sentinel(chunk_id)]


def _link(backend: Backend) -> Link:
    assert isinstance(backend, (DashBackend, VectorStoresBackend))
    return backend.places.link if isinstance(backend, DashBackend) else backend.link


@dataclass
class LlamaGround:
    """A collection cannot be copied there, so that each cell fills its own; pages are one chunk each, as a file takes the server 0.3 s."""

    servers: Servers
    way: Way
    faults: Sequence[str] = FROM_HTTP
    hasty: Patience = field(default=Patience(tries=2, first_wait=0.01, longest_wait=0.05, timeout=30))
    cuts: Mapping[str, str] = field(default_factory=lambda: CUTS)

    @property
    def steps(self) -> Steps:
        return self.way.steps

    @property
    def rotated(self) -> bool:
        return self.way.rotated

    @property
    def stale(self) -> frozenset[str]:
        return self.way.stale

    @contextmanager
    def standing(self, folder: Path, fill: Fill) -> Iterator[Standing]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        server = self.servers.llama.url
        with proxied(server) as proxy:
            one = LlamaStanding(folder, self.way, server, proxy, f"c{uuid.uuid4().hex[:10]}")
            try:
                fill(one)
                yield one
            finally:
                _emptied(server)


def _emptied(server: str) -> None:
    """Removes every collection, so that a cell costs the same whether it is the first or the last."""
    with closing(link_to(server, Settings())) as link:
        for row in objects(as_object(link.get("/v1/vector-dbs"), "collections"), "data", "collections"):
            link.send("DELETE", f"/v1/vector-dbs/{text(row, 'identifier', 'collection')}")
