"""Vector stores made of files (Llama Stack from 0.2.23 on, OGX, OpenAI): one file a chunk, so that single chunks can be deleted."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, text
from confluence_sync.stores.base import Feature
from confluence_sync.stores.llama_server import LlamaServer, choose_model, choose_provider, keeps_stores, look
from confluence_sync.stores.remote import closed_on_failure, link_to, server_address
from confluence_sync.stores.vector_stores_files import PAGE, Files
from confluence_sync.stores.vector_stores_ledger import Ledger
from confluence_sync.stores.vector_stores_store import FEATURES, VectorStore

log = logging.getLogger(__name__)

MADE_BY = "confluence-sync"
LIKED = ("pgvector", "milvus", "sqlite-vec", "faiss")
PARALLEL = {"sqlite-vec": 4, "pgvector": 4, "milvus": 4}  # faiss loses acknowledged chunks when written in parallel; unknown ones may
LONGEST_CHUNK = 3500  # tokens of ours that surely fit 4096 of the server's, with the mark


@dataclass
class VectorStoresBackend:
    """One server. A store is found again by its name and our mark in its metadata, as names are not unique there."""

    link: Link
    server: LlamaServer
    settings: Settings
    ledger: Ledger
    name: str = "vector-stores"
    features: Feature = FEATURES

    def open(self, collection: str) -> VectorStore:
        found = [row for row in self._stores() if row.get("id") == collection or (row.get("name") == collection and _is_ours(row))]
        row = min(found, key=lambda one: (str(one.get("created_at")), str(one.get("id")))) if found else self._make(collection)
        if len(found) > 1:
            log.warning("there are %d stores named %r of ours; the oldest one, %s, is used", len(found), collection, row.get("id"))
        about = child(row, "metadata", "vector store")
        provider = str(about.get("provider_id") or "")
        files = Files(self.link, self.server.files_root, text(row, "id", "vector store"))
        return VectorStore(files, self.ledger, self._parallel(provider), fresh=not found)

    @property
    def requests(self) -> int:
        return self.link.requests

    def collections(self) -> list[str]:
        """Names, and the ids under which readers find them."""
        return sorted({str(row.get(key)) for row in self._stores() for key in ("name", "id")})

    def close(self) -> None:
        self.ledger.close()
        self.link.close()

    def _stores(self) -> list[JsonObject]:
        found: list[JsonObject] = []
        while True:
            after = [("after", text(found[-1], "id", "vector store"))] if found else []
            answer = as_object(self.link.get(f"{self.server.files_root}/vector_stores", [("limit", str(PAGE)), *after]), "vector stores")
            rows = objects(answer, "data", "vector stores")
            found += rows
            if not rows or not answer.get("has_more"):
                return found

    def _make(self, collection: str) -> JsonObject:
        """A new store with our mark. Repeating a lost request may make two: the next run takes the older one, so both are found."""
        payload: dict[str, object] = {"name": collection, "metadata": {"made_by": MADE_BY, "mark": uuid.uuid4().hex}}
        if self.server.models or self.server.version:
            model = choose_model(self.server, self.settings)
            payload |= {"embedding_model": model.id, "embedding_dimension": model.dimension, **self._provider()}
        made = self.link.send("POST", f"{self.server.files_root}/vector_stores", payload=payload, repeatable=False)
        return as_object(made.json(), "vector store")

    def _provider(self) -> dict[str, object]:
        chosen = choose_provider(self.server, self.settings, LIKED)
        return {"provider_id": chosen} if chosen else {}

    def _parallel(self, provider: str) -> int:
        if self.server.release >= (1,) and provider == "sqlite-vec":
            return 8
        return PARALLEL.get(provider, 1)


def open_backend(settings: Settings) -> VectorStoresBackend:
    """Asks the server what it has. Raises SettingsError when no address is set or chunks are too large to be stored whole."""
    base = server_address(settings, "vector-stores")
    if settings.chunk_tokens > LONGEST_CHUNK:
        raise SettingsError(
            f"CHUNK_TOKENS={settings.chunk_tokens} is too large: vector stores cut files above 4096 tokens; set at most 3500"
        )
    with closed_on_failure(link_to(base, settings)) as link:
        server = look(link)
        if not server.files_root:
            raise SettingsError(f"{base} serves no vector_stores and files; `confluence-sync check` shows what it has")
        if server.version:
            choose_model(server, settings)
            refuse_forgetful(server, choose_provider(server, settings, LIKED))
        return VectorStoresBackend(link, server, settings, Ledger(settings.state_dir / "vector-stores.db"))


def refuse_forgetful(server: LlamaServer, provider: str) -> None:
    """Raises SettingsError for the one pair that loses a store's name and file list when the server restarts."""
    if not keeps_stores(server, provider):
        raise SettingsError(
            f"Llama Stack {server.version} forgets {provider} vector stores when it restarts; "
            "set VECTOR_DB_PROVIDER=faiss, or VECTOR_BACKEND=dash, which registers its collection again"
        )


def _is_ours(row: JsonObject) -> bool:
    return child(row, "metadata", "vector store").get("made_by") == MADE_BY
