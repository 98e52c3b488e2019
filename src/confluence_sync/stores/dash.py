"""Llama Stack 0.2's own routes (/v1/vector-dbs, /v1/vector-io): chunks can only be added, so collections are filled once and replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.http import MEGABYTE
from confluence_sync.model import Chunk
from confluence_sync.stores.base import Feature
from confluence_sync.stores.dash_vectors import MOST_AT_ONCE, Embeddings, VectorCache
from confluence_sync.stores.llama_append import GrowingStore
from confluence_sync.stores.llama_collections import Places
from confluence_sync.stores.llama_server import choose_model, choose_provider, look
from confluence_sync.stores.remote import Pace, acknowledged, closed_on_failure, flat, link_to, server_address, write_in_batches
from confluence_sync.stores.vector_stores_text import ID

MOST_WITHOUT = 50  # where the server embeds: more takes longer than its own client waits


@dataclass
class DashStore(GrowingStore):
    """One collection. With `embeddings` the vectors go along, so that the server embeds only texts it has not seen."""

    embeddings: Embeddings | None
    pace: Pace

    def write(self, chunks: Sequence[Chunk]) -> None:
        write_in_batches(chunks, self.pace, self._send)

    def _send(self, chunks: Sequence[Chunk]) -> None:
        """One insert, never sent again by itself: this route appends, so that an insert whose answer was lost may not be repeated."""
        payload = {"vector_db_id": self.place.id, "chunks": self._rows(chunks)}
        acknowledged(self.places.link.send("POST", "/v1/vector-io/insert", payload=payload, repeatable=False, limit=MEGABYTE))

    def _rows(self, chunks: Sequence[Chunk]) -> list[dict[str, object]]:
        rows = [_row(chunk) for chunk in chunks]
        if self.embeddings:
            for row, vector in zip(rows, self.embeddings.vectors([chunk.text for chunk in chunks]), strict=True):
                row["embedding"] = vector.tolist()
        return rows


@dataclass
class DashBackend:
    """One server of Llama Stack 0.2."""

    places: Places
    cache: VectorCache
    embeddings: Embeddings | None
    pace: Pace
    name: str = "dash"
    features: Feature = Feature.QUERY

    def open(self, collection: str) -> DashStore:
        return DashStore(self.places, self.places.opened(collection), self.embeddings, self.pace)

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
    base = server_address(settings, "dash")
    with closed_on_failure(link_to(base, settings)) as link:
        server = look(link)
        if not server.serves("POST", "/v1/vector-dbs"):
            raise SettingsError(f"{base} has no /v1/vector-dbs (it went with Llama Stack 0.3); `confluence-sync check` shows what it has")
        model = choose_model(server, settings)
        choose_provider(server, settings, ())
        cache = VectorCache(settings.state_dir / "vectors.db")
        embeddings = Embeddings(link, server.embeddings_path, model.id, cache) if server.embeddings_path else None
        most = min(settings.batch_size, MOST_AT_ONCE if embeddings else MOST_WITHOUT)
        return DashBackend(Places(link, server, settings), cache, embeddings, Pace(most))


def _row(chunk: Chunk) -> dict[str, object]:
    """Without chunk_metadata a later rag-tool query of the collection fails as a whole; without document_id 0.2 answers 500."""
    values = {**flat(chunk), ID: chunk.id, "document_id": chunk.id}
    about = {"chunk_id": chunk.id, "document_id": chunk.id, "source": chunk.metadata.url}
    return {"content": chunk.text, "metadata": values, "chunk_id": chunk.id, "chunk_metadata": about}
