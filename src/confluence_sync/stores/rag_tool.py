"""Llama Stack's rag-tool (0.2, 0.3), through llama-stack-client: the server embeds everything anew, so it is the last choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.errors import NotFound, RemoteError, ServerFailed, SettingsError
from confluence_sync.http import Link
from confluence_sync.model import Chunk
from confluence_sync.stores.base import Feature
from confluence_sync.stores.llama_append import GrowingStore
from confluence_sync.stores.llama_collections import Places
from confluence_sync.stores.llama_server import choose_model, choose_provider, look
from confluence_sync.stores.rag_tool_client import Document, RagTool
from confluence_sync.stores.remote import Pace, closed_on_failure, link_to, server_address, write_in_batches
from confluence_sync.stores.vector_stores_text import attributes, encoded

MOST_DOCUMENTS = 20  # the server embeds them all, and uploads a file for each from 0.2.21 on, before it answers
EXCERPT = 2000


@dataclass
class RagToolStore(GrowingStore):
    """One collection; one document a chunk, with a chunk size that keeps it whole."""

    tool: RagTool
    pace: Pace

    def write(self, chunks: Sequence[Chunk]) -> None:
        write_in_batches(chunks, self.pace, self._send)

    def _send(self, chunks: Sequence[Chunk]) -> None:
        """The route says 200 and swallows everything for a collection that is not there, so it is looked up before and asked after."""
        self._exists()
        self.tool.insert(self.place.id, [_document(chunk) for chunk in chunks])
        last = chunks[-1]
        if last.id not in {hit.chunk_id for hit in self.query(last.text[len(last.text) // 10 :][:EXCERPT], 10)}:
            raise ServerFailed(f"{self.place.name}: the rag-tool said 200 and chunk {last.id} is not found afterwards")

    def _exists(self) -> None:
        if all(place.id != self.place.id for place in self.places.all()):
            raise NotFound(f"collection {self.place.name} ({self.place.id}) is no longer on the server", 404, sent=False)


@dataclass
class RagToolBackend:
    """One server that has the rag-tool."""

    places: Places
    tool: RagTool
    pace: Pace
    name: str = "rag-tool"
    features: Feature = Feature.QUERY

    def open(self, collection: str) -> RagToolStore:
        return RagToolStore(self.places, self.places.opened(collection), self.tool, self.pace)

    @property
    def requests(self) -> int:
        return self.places.link.requests

    def collections(self) -> list[str]:
        return self.places.names()

    def close(self) -> None:
        self.tool.close()
        self.places.link.close()


def open_backend(settings: Settings) -> RagToolBackend:
    """Asks the server and tries the client's version against it. Raises SettingsError with the pip line when it is refused."""
    base = server_address(settings, "rag-tool")
    with closed_on_failure(link_to(base, settings)) as link:
        server = look(link)
        if not server.serves("POST", "/v1/tool-runtime/rag-tool/insert"):
            raise SettingsError(f"{base} has no rag-tool (it went with Llama Stack 0.4); `confluence-sync check` shows what it has")
        choose_model(server, settings)
        choose_provider(server, settings, ())
        tool = _checked(link, RagTool(link, by_store_id=not server.serves("POST", "/v1/vector-dbs")), server.version)
        return RagToolBackend(Places(link, server, settings), tool, Pace(min(settings.batch_size, MOST_DOCUMENTS)))


def _checked(link: Link, tool: RagTool, version: str) -> RagTool:
    try:
        tool.check()
    except RemoteError as error:
        if error.status != 426:
            raise
        wanted = version or "(the server's version)"
        raise SettingsError(
            f"llama-stack-client {tool.version} is refused by Llama Stack {wanted} (426): pip install 'llama-stack-client=={wanted}'"
            " (from 0.2.13 on it needs Python 3.12)"
        ) from error
    return tool


def _document(chunk: Chunk) -> Document:
    """The mark in the text keeps equal texts apart; attributes are all that survives, as the server loses the document's id."""
    metadata: Mapping[str, object] = {**attributes(chunk), "document_id": chunk.id}
    return {"document_id": chunk.id, "content": encoded(chunk, flattens=False).decode(), "mime_type": "text/markdown", "metadata": metadata}
