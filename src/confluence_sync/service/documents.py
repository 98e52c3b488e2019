"""The documents of the reference Vector API: chunks of the embedded store whose metadata is whatever a client sent, given back as sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from confluence_sync.model import Chunk, Filter, Hit, Metadata, MetadataValue, Scalar, batched, plain_text
from confluence_sync.service.filters import Conditions, holds, narrowed
from confluence_sync.service.problems import invalid
from confluence_sync.stores.sqlite import SqliteStore

Sent = Mapping[str, Scalar | list[Scalar]]
Vector = tuple[float, ...]
WRITTEN_AT = "confluence_sync:written_at"  # kept beside what was sent, never given back
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Document:
    """What a client upserts: `document_id` is the key, `metadata` scalars and lists of scalars."""

    document_id: str
    text: str
    metadata: Sent


@dataclass(frozen=True, slots=True)
class Held:
    """A document as it is kept; `updated_at` is empty for chunks that a local sync wrote."""

    document_id: str
    text: str
    metadata: Sent
    updated_at: str


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert did: counts that add up to the number of documents."""

    inserted: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Found:
    """A document with how well it fits the query, 0 to 1."""

    score: float
    document: Held


class SentMetadata(Metadata):
    """Metadata for a store of ours that writes down exactly what the client sent."""

    sent: Sent

    def as_dict(self) -> dict[str, MetadataValue]:
        return dict(self.sent)  # type: ignore[arg-type]  # a list of numbers is JSON as well, and comes back as it went


@dataclass
class Documents:
    """The documents of one collection, which is there."""

    store: SqliteStore

    def upsert(self, documents: Sequence[Document], now: str) -> Upserted:
        """All or nothing. Only what differs is written, and text is only embedded again when it changed, before the store is locked."""
        held = {one.document_id: one for one in self.by_id([document.document_id for document in documents])}
        new = [d for d in documents if d.document_id not in held]
        changed = [d for d in documents if d.document_id in held and _differs(d, held[d.document_id])]
        self.store.write([_chunk(document, now) for document in (*new, *changed)])
        return Upserted(len(new), len(changed), len(documents) - len(new) - len(changed))

    def by_id(self, ids: Sequence[str]) -> list[Held]:
        """Those of the ids that are there, in any order."""
        return [_held(row) for part in batched(list(ids), AT_ONCE) for row in self._rows(f"id IN ({', '.join('?' * len(part))})", part)]

    def after(self, last_id: str, wanted: Conditions) -> Iterator[Held]:
        """The matching documents in the order of their ids, those behind `last_id`, read as they are asked for."""
        pages = narrowed(wanted).page_ids[:AT_ONCE] if len(narrowed(wanted).page_ids) <= AT_ONCE else ()
        among = f" AND page IN ({', '.join('?' * len(pages))})" if pages else ""
        while rows := self._rows(f"id > ?{among} ORDER BY id LIMIT {AT_ONCE}", [last_id, *pages]):
            yield from (held for held in map(_held, rows) if holds(wanted, held.metadata))
            last_id = str(rows[-1][0])

    def delete(self, ids: Sequence[str]) -> tuple[int, list[str]]:
        """How many were deleted, and the ids that were not there."""
        with self.store.transaction():
            there = {held.document_id for held in self.by_id(ids)}
            self.store.delete(sorted(there))
        return len(there), [one for one in ids if one not in there]

    def delete_matching(self, wanted: Conditions) -> int:
        with self.store.transaction():
            found = [held.document_id for held in self.after("", wanted)]
            self.store.delete(found)
        return len(found)

    def search(self, query: str | Vector, top_k: int, wanted: Conditions, threshold: float = 0.0) -> list[Found]:
        """The best documents for a text or a vector. What the store cannot filter is filtered here, asking for more until there are enough.

        Raises a Problem (422) for a vector that this collection's own cannot be compared with.
        """
        hits_for = self._by_vector(query) if isinstance(query, tuple) else partial(self.store.query, query)
        asked = top_k
        while True:
            hits = hits_for(asked, narrowed(wanted))
            held = {one.document_id: one for one in self.by_id([hit.chunk_id for hit in hits])}
            found = [Found(min(1.0, max(0.0, hit.score)), held[hit.chunk_id]) for hit in hits if hit.chunk_id in held]
            fitting = [one for one in found if holds(wanted, one.document.metadata)]
            if len(fitting) >= top_k or len(hits) < asked:
                return [one for one in fitting[:top_k] if one.score >= threshold]
            asked *= 8

    def _by_vector(self, query: Vector) -> Callable[[int, Filter], list[Hit]]:
        facts = self.store.facts
        if facts is None:
            raise invalid(
                "query is a vector, but this collection keeps none (it is a keyword search); send the question itself", field="query"
            )
        if len(query) != facts.dimension or not any(query):
            raise invalid(f"query has {len(query)} numbers; the model {facts.model} makes {facts.dimension}, not all 0", field="query")
        import numpy as np

        vector = np.asarray(query, dtype=np.float32)
        return partial(self.store.nearest, vector / np.linalg.norm(vector))

    def _rows(self, condition: str, values: Sequence[str]) -> list[tuple[str, str, str]]:
        return (
            self.store.connections.mine()
            .execute(f"SELECT id, text, metadata FROM chunks_{self.store.number} WHERE {condition}", values)
            .fetchall()
        )


def _differs(document: Document, held: Held) -> bool:
    return held.text != plain_text(document.text) or dict(held.metadata) != dict(document.metadata)


def _held(row: tuple[str, str, str]) -> Held:
    metadata = json.loads(row[2])
    written = metadata.pop(WRITTEN_AT, "")
    return Held(row[0], row[1], metadata, written)


def _chunk(document: Document, now: str) -> Chunk:
    """As our stores take it: the fields they file under are read from what was sent, the rest stays empty."""
    sent = document.metadata

    def said(name: str) -> str:
        value = sent.get(name, "")
        return plain_text("" if isinstance(value, list) else str(value))

    labels = sent.get("labels", [])
    metadata = SentMetadata(
        source=said("source"),
        space_key=said("space_key"),
        page_id=said("page_id"),
        title=said("title"),
        url=said("url"),
        heading_path=said("heading_path"),
        labels=tuple(plain_text(str(label)) for label in (labels if isinstance(labels, list) else [labels])),
        version=0,
        last_modified=said("last_modified"),
        chunk_index=0,
        chunk_count=0,
        content_hash=said("content_hash"),
        tokens=0,
        recipe=said("recipe"),
        fingerprint=said("fingerprint"),
    )
    metadata.sent = {**sent, WRITTEN_AT: now}
    return Chunk(document.document_id, plain_text(document.text), metadata)
