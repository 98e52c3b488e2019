"""Collections of a Llama Stack server as the append-only variants need them: found again, made, removed and queried."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.errors import NotFound, Rejected
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_list, as_object, child, objects, text
from confluence_sync.model import EVERYTHING, Filter, Hit
from confluence_sync.stores.llama_server import LlamaServer, choose_model, choose_provider
from confluence_sync.stores.remote import acknowledged
from confluence_sync.stores.vector_stores_text import decoded, is_sentinel, read_attributes

LIKED = ("pgvector", "milvus", "sqlite-vec", "faiss")
SPARE = 4


@dataclass(frozen=True, slots=True)
class Place:
    """A collection on the server: the id that requests need, the name it was asked for, and what tells it from a later one of that name."""

    id: str
    name: str
    made: str
    provider: str


@dataclass(frozen=True, slots=True)
class Places:
    """The collections of one server, as vector-dbs where it has them (0.2), as vector_stores after."""

    link: Link
    server: LlamaServer
    settings: Settings

    @property
    def as_dbs(self) -> bool:
        return self.server.serves("POST", "/v1/vector-dbs")

    @property
    def root(self) -> str:
        return "/v1/vector-dbs" if self.as_dbs else f"{self.server.files_root}/vector_stores"

    def all(self) -> list[Place]:
        params = [] if self.as_dbs else [("limit", "100")]
        return [_place(row) for row in objects(as_object(self.link.get(self.root, params), "collections"), "data", "collections")]

    def names(self) -> list[str]:
        """What collections can be opened by: the names they were asked for, and the ids where the server minted others."""
        return sorted({name for place in self.all() for name in (place.name, place.id)})

    def named(self, name: str) -> list[Place]:
        """Those that were asked for by this name, or have it as id: a request that was sent twice leaves two on 0.2.23."""
        return [place for place in self.all() if name in (place.name, place.id)]

    def opened(self, name: str) -> Place:
        """The collection of that name, made when it is not there."""
        found = self.named(name)
        if not found:
            return self.make(name)
        self.register_again(found[0])
        return found[0]

    def make(self, name: str) -> Place:
        model = choose_model(self.server, self.settings)
        provider = choose_provider(self.server, self.settings, LIKED)
        about: dict[str, object] = {"embedding_model": model.id, "embedding_dimension": model.dimension, "provider_id": provider}
        named: dict[str, object] = {"name": name}
        if self.as_dbs:
            named = {"vector_db_id": name, "provider_vector_db_id": f"{name}-{uuid.uuid4().hex[:12]}"}
        answer = self.link.send("POST", self.root, payload={**named, **about}, repeatable=False)
        return _place(as_object(answer.json(), "collection"))

    def register_again(self, place: Place) -> None:
        """0.2.23 finds nothing in its sqlite-vec collections after a restart until they are registered under their own id."""
        if not self.as_dbs or place.provider != "sqlite-vec" or place.id == place.name:
            return
        model = choose_model(self.server, self.settings)
        about = {"embedding_model": model.id, "embedding_dimension": model.dimension, "provider_id": place.provider}
        acknowledged(self.link.send("POST", self.root, payload={"vector_db_id": place.id, "provider_vector_db_id": place.id, **about}))

    def remove(self, place: Place) -> None:
        """A collection that is gone already is no error; 0.2.12 says 400 for that."""
        try:
            acknowledged(self.link.send("DELETE", f"{self.root}/{place.id}"))
        except NotFound:
            pass
        except Rejected as refusal:
            if "not found" not in str(refusal).lower():
                raise

    def query(self, place: Place, words: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        """The best hits, each chunk once. Filters are applied here, as these routes have none."""
        most = max(50, top_k) if where else top_k + SPARE
        hits = {hit.chunk_id: hit for hit in self._found(place, words, most)}
        fitting = [hit for hit in hits.values() if not where or (hit.metadata and where.matches(hit.metadata))]
        return [hit for hit in fitting if not is_sentinel(hit.chunk_id)][:top_k]

    def _found(self, place: Place, words: str, most: int) -> list[Hit]:
        try:
            return self._asked(place, words, most)
        except Rejected as refusal:
            if "out of range float" not in str(refusal).lower():
                raise
        return self._asked(place, f"? {words}", most)  # a query equal to a stored text has the distance 0 and divides by it

    def _asked(self, place: Place, words: str, most: int) -> list[Hit]:
        key = "vector_db_id" if self.takes_db_id else "vector_store_id"
        payload = {key: place.id, "query": words, "params": {"max_chunks": most}}
        answer = as_object(self.link.send("POST", "/v1/vector-io/query", payload=payload).json(), "query")
        scores = as_list(answer.get("scores"), "query.scores")
        return [_hit(row, score) for row, score in zip(objects(answer, "chunks", "query"), scores, strict=True)]

    @property
    def takes_db_id(self) -> bool:
        """The name changed with 0.4, together with the end of the rag-tool."""
        return self.as_dbs or self.server.serves("POST", "/v1/tool-runtime/rag-tool/insert")


def _place(row: JsonObject) -> Place:
    id = text(row, "identifier" if "identifier" in row else "id", "collection")
    name = str(row.get("vector_db_name") or row.get("name") or id)
    made = str(row.get("provider_resource_id") or id)
    return Place(id, name, made, str(row.get("provider_id") or child(row, "metadata", "collection").get("provider_id") or ""))


def _hit(row: JsonObject, score: object) -> Hit:
    """A chunk's id comes from an attribute we named, as the servers overwrite the others."""
    values = child(row, "metadata", "chunk")
    chunk_id, metadata = read_attributes(values)
    known = float(score) if isinstance(score, (int, float)) else 0.0
    return Hit(chunk_id or str(values.get("document_id") or ""), known, decoded(text(row, "content", "chunk")), metadata)
