"""The Vector API with an underscore (/v1/vector_io/...): our own reference server, and servers that know only its three oldest routes."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from urllib.parse import quote

from confluence_sync.config import Settings
from confluence_sync.errors import BadAnswer, NotFound, Rejected, SettingsError
from confluence_sync.http import Answer, Link
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, text
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, MetadataValue, Stored, batched
from confluence_sync.stores.base import Feature, Identity
from confluence_sync.stores.remote import (
    Pace,
    Routes,
    acknowledged,
    closed_on_failure,
    link_to,
    routes_from,
    server_address,
    write_in_batches,
)
from confluence_sync.stores.stored_metadata import metadata_from

log = logging.getLogger(__name__)

ROOT = "/v1/vector_io"
MOST_DOCUMENTS = 512
MOST_HITS = 100
LEGACY = Feature.UPSERT | Feature.QUERY
FULL = LEGACY | Feature.DELETE | Feature.LIST | Feature.RETAG  # RETAG: this API embeds a text again only when the text changed
LEGACY_MODEL = "all-MiniLM-L6-v2"  # what the first programs sent; servers of their time require the field


def features_from(routes: Routes) -> Feature:
    """What a server with these (METHOD, path) pairs can do; one that cannot both list and delete counts as a legacy one."""
    lists = ("GET", f"{ROOT}/documents") in routes
    deletes = ("POST", f"{ROOT}/documents/delete") in routes
    return FULL if lists and deletes else LEGACY


@dataclass
class UnderscoreStore:
    """One collection. The server embeds; a text it already has is not embedded again."""

    link: Link
    collection: str
    features: Feature
    pace: Pace

    def write(self, chunks: Sequence[Chunk]) -> None:
        write_in_batches(chunks, self.pace, self._send)

    def _send(self, chunks: Sequence[Chunk]) -> None:
        documents = [{"document_id": c.id, "text": c.text, "metadata": c.metadata.as_dict()} for c in chunks]
        answer = self.link.send("POST", f"{ROOT}/documents", payload={"collection_id": self.collection, "documents": documents})
        taken = self._said(answer).get("upserted")
        if isinstance(taken, int) and taken != len(chunks):
            raise BadAnswer(f"the Vector API took {taken} of {len(chunks)} documents and says that all is well")

    def _said(self, answer: Answer) -> JsonObject:
        """What the server says it did. A proxy's page has status 200, too, and did nothing; only a legacy server may say nothing."""
        legacy = Feature.LIST not in self.features
        said = answer.json() if answer.body or not legacy else {}
        return {} if legacy and not isinstance(said, dict) else as_object(said, "documents")

    def delete(self, chunk_ids: Sequence[str]) -> None:
        self._require(Feature.DELETE)
        for some in batched(list(chunk_ids), MOST_DOCUMENTS):
            payload: dict[str, object] = {"collection_id": self.collection, "document_ids": some}
            self._said(self.link.send("POST", f"{ROOT}/documents/delete", payload=payload))

    def retag(self, chunks: Sequence[Chunk]) -> None:
        self._require(Feature.RETAG)
        self.write(chunks)

    def ids(self) -> Iterator[Stored]:
        self._require(Feature.LIST)
        cursor, seen = "", {""}
        while True:
            params = [("collection_id", self.collection), ("limit", "1000"), *([("cursor", cursor)] if cursor else [])]
            answer = as_object(self.link.get(f"{ROOT}/documents", params), "documents")
            for row in objects(answer, "documents", "documents"):
                yield Stored(text(row, "document_id", "document"), metadata_from(_metadata(row)))
            cursor = text(answer, "next_cursor", "documents", "")
            if not cursor:
                return
            if cursor in seen:
                raise BadAnswer(f"the Vector API repeats the cursor {cursor[:40]!r}; its list of documents is not whole")
            seen.add(cursor)

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        legacy = Feature.LIST not in self.features
        asked = MOST_HITS if legacy and where else min(top_k, MOST_HITS)
        payload: dict[str, object] = {"collection_id": self.collection, "query": text, "top_k": asked}
        if where and not legacy:
            payload["filter"] = _filter(where)
        answer = as_object(self.link.send("POST", f"{ROOT}/query", payload=payload).json(), "query")
        hits = [_hit(row) for row in objects(answer, "results", "query")]
        return [hit for hit in hits if not where or (hit.metadata and where.matches(hit.metadata))][:top_k]

    def identity(self) -> Identity:
        """The mark this program left when it made the collection, else when that was; a legacy server can tell neither."""
        if Feature.LIST not in self.features:
            return Identity(f"legacy {self.collection}", None)
        about = as_object(self.link.get(self._address()), "collection")
        mark = child(about, "metadata", "collection").get("generation")
        count = about.get("document_count")
        stamp = text(about, "revision", "collection", "") or text(about, "updated_at", "collection", "")
        return Identity(str(mark or about.get("created_at")), count if isinstance(count, int) else None, stamp)

    def drop(self) -> None:
        self._require(Feature.DELETE)
        try:
            acknowledged(self.link.send("DELETE", self._address()))
        except NotFound:
            pass

    def close(self) -> None:
        """The connection belongs to the backend."""

    def _address(self) -> str:
        return f"{ROOT}/collections/{quote(self.collection, safe='')}"

    def _require(self, feature: Feature) -> None:
        if feature not in self.features:
            raise NotImplementedError(f"this Vector API has no route for {feature.name}")


@dataclass
class UnderscoreBackend:
    """One Vector API server."""

    link: Link
    model: str
    pace: Pace
    features: Feature
    name: str = "underscore"

    def open(self, collection: str) -> UnderscoreStore:
        legacy = Feature.LIST not in self.features
        model = self.model or (LEGACY_MODEL if legacy else "")
        payload: dict[str, object] = {"collection_id": collection, **({"embedding_model_id": model} if model else {})}
        payload["metadata"] = {"source": "confluence", "generation": uuid.uuid4().hex}  # a collection that exists keeps its own
        try:
            answer = acknowledged(self.link.send("POST", f"{ROOT}/collections", payload=payload))
            _ = None if legacy else as_object(answer.json(), "collection")
        except Rejected as refusal:
            if refusal.status != 409:
                raise
            self._settle_conflict(collection, legacy, refusal)
        return UnderscoreStore(self.link, collection, self.features, self.pace)

    def _settle_conflict(self, collection: str, legacy: bool, refusal: Rejected) -> None:
        """A legacy server says 409 for any collection that exists; ours only for one with another model."""
        if not legacy:
            advice = "name another one in COLLECTION_ID, or leave EMBEDDING_MODEL_ID empty to take the collection's model"
            raise SettingsError(f"collection {collection!r} exists with another embedding model ({refusal}); {advice}") from refusal

    @property
    def requests(self) -> int:
        return self.link.requests

    def collections(self) -> list[str]:
        if Feature.LIST not in self.features:
            return []
        answer = as_object(self.link.get(f"{ROOT}/collections", [("limit", "1000")]), "collections")
        return [text(row, "collection_id", "collection") for row in objects(answer, "collections", "collections")]

    def close(self) -> None:
        self.link.close()


def open_backend(settings: Settings) -> UnderscoreBackend:
    """Asks the server's openapi.json what it can do; a server without one is taken for a legacy server.

    Raises SettingsError when no address is set.
    """
    base = server_address(settings, "underscore")
    with closed_on_failure(link_to(base, settings)) as link:
        features = _features(link)
        if Feature.DELETE not in features:
            log.warning("%s can neither list nor delete documents: pages that vanish from Confluence stay there", base)
        return UnderscoreBackend(link, settings.embedding_model_id, Pace(min(settings.batch_size, MOST_DOCUMENTS)), features)


def _features(link: Link) -> Feature:
    try:
        return features_from(routes_from(as_object(link.get("/openapi.json"), "openapi.json")))
    except NotFound:
        return LEGACY


def _metadata(row: JsonObject) -> dict[str, MetadataValue]:
    """The row's metadata without values that no store of ours writes (null, objects)."""
    values = child(row, "metadata", "document").items()
    return {key: value for key, value in values if isinstance(value, (str, int, float, bool, list))}


def _hit(row: JsonObject) -> Hit:
    score = row.get("score")
    known = float(score) if isinstance(score, (int, float)) else 0.0
    return Hit(text(row, "document_id", "result"), known, text(row, "text", "result", ""), metadata_from(_metadata(row)))


def _filter(where: Filter) -> dict[str, object]:
    """The API's equality map; a list means any of its values."""
    dates = {"$gte": where.modified_since, "$lte": where.modified_before}
    named = {"space_key": where.space_keys, "labels": where.labels, "page_id": where.page_ids}
    wanted: dict[str, object] = {key: list(values) for key, values in named.items() if values}
    bounds = {operator: value for operator, value in dates.items() if value}
    return {**wanted, **({"last_modified": bounds} if bounds else {})}
