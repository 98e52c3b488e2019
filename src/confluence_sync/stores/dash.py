"""Llama Stack 0.2's own routes (/v1/vector-dbs, /v1/vector-io): chunks can only be added, so collections are filled once and replaced."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.http import MEGABYTE
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored
from confluence_sync.stores.base import Feature, Identity
from confluence_sync.stores.dash_vectors import Embeddings, VectorCache
from confluence_sync.stores.llama_collections import Place, Places
from confluence_sync.stores.llama_server import choose_model, choose_provider, look
from confluence_sync.stores.remote import closed_on_failure, flat, link_to, write_in_batches
from confluence_sync.stores.vector_stores_text import ID

log = logging.getLogger(__name__)

MOST_WITH_VECTORS = 500
MOST_WITHOUT = 50  # where the server embeds: more takes longer than its own client waits
VECTOR_BYTES = 9000


@dataclass
class DashStore:
    """One collection. With `embeddings` the vectors go along, so that the server embeds only texts it has not seen."""

    places: Places
    place: Place
    embeddings: Embeddings | None
    most: int
    features: Feature = Feature.QUERY

    def write(self, chunks: Sequence[Chunk]) -> None:
        write_in_batches(chunks, self.most, self._send)

    def _send(self, chunks: Sequence[Chunk]) -> None:
        """One insert, never sent again by itself: this route appends, so that an insert whose answer was lost may not be repeated."""
        payload = {"vector_db_id": self.place.id, "chunks": self._rows(chunks)}
        self.places.link.send("POST", "/v1/vector-io/insert", payload=payload, repeatable=False, limit=MEGABYTE)

    def _rows(self, chunks: Sequence[Chunk]) -> list[dict[str, object]]:
        rows = [_row(chunk) for chunk in chunks]
        if self.embeddings:
            for row, vector in zip(rows, self.embeddings.vectors([chunk.text for chunk in chunks]), strict=True):
                row["embedding"] = vector
        return rows

    def delete(self, chunk_ids: Sequence[str]) -> None:
        raise NotImplementedError("Llama Stack 0.2 has no route that deletes a chunk")

    def retag(self, chunks: Sequence[Chunk]) -> None:
        raise NotImplementedError("Llama Stack 0.2 has no route that changes a chunk")

    def ids(self) -> Iterator[Stored]:
        raise NotImplementedError("Llama Stack 0.2 has no route that lists chunks")

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        return self.places.query(self.place, text, top_k, where)

    def identity(self) -> Identity:
        """The server cannot count; its id, or the mark we gave it where it keeps our id, tells a later collection of the same name."""
        found = [place for place in self.places.all() if place.id == self.place.id]
        return Identity(found[0].made if found else "", None, address=self.place.id)

    def drop(self) -> None:
        for place in {p.id: p for p in (*self.places.named(self.place.name), self.place)}.values():
            self.places.remove(place)

    def close(self) -> None:
        """The connection belongs to the backend."""


@dataclass
class DashBackend:
    """One server of Llama Stack 0.2."""

    places: Places
    cache: VectorCache
    embeddings: Embeddings | None
    most: int
    name: str = "dash"
    features: Feature = Feature.QUERY

    def open(self, collection: str) -> DashStore:
        found = self.places.named(collection)
        place = found[0] if found else self.places.make(collection)
        if found:
            self.places.register_again(place)
        return DashStore(self.places, place, self.embeddings, self.most)

    @property
    def requests(self) -> int:
        return self.places.link.requests

    def collections(self) -> list[str]:
        return self.places.names()

    def close(self) -> None:
        self.cache.close()
        self.places.link.close()


def open_backend(settings: Settings) -> DashBackend:
    """Asks the server for its models and providers. Raises SettingsError when it lacks those that the settings name."""
    base = settings.llama_base_url if not settings.vector_api_base_url else settings.vector_api_base_url
    if not base:
        raise SettingsError("VECTOR_BACKEND=dash needs LLAMA_BASE_URL or VECTOR_API_BASE_URL, the address of the server")
    with closed_on_failure(link_to(base, settings)) as link:
        server = look(link)
        if not server.serves("POST", "/v1/vector-dbs"):
            raise SettingsError(f"{base} has no /v1/vector-dbs (it went with Llama Stack 0.3); `confluence-sync check` shows what it has")
        model = choose_model(server, settings)
        choose_provider(server, settings, ())
        cache = VectorCache(settings.state_dir / "vectors.db")
        embeddings = Embeddings(link, server.embeddings_path, model.id, cache) if server.embeddings_path else None
        most = min(settings.batch_size, MOST_WITH_VECTORS if embeddings else MOST_WITHOUT)
        return DashBackend(Places(link, server, settings), cache, embeddings, most)


def _row(chunk: Chunk) -> dict[str, object]:
    """Without chunk_metadata a later rag-tool query of the collection fails as a whole; without document_id 0.2 answers 500."""
    values = {**flat(chunk), ID: chunk.id, "document_id": chunk.id}
    about = {"chunk_id": chunk.id, "document_id": chunk.id, "source": chunk.metadata.url}
    return {"content": chunk.text, "metadata": values, "chunk_id": chunk.id, "chunk_metadata": about}
