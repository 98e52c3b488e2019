"""A collection of Llama Stack that only grows (dash, rag-tool): it is found again, asked and removed, each time as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored
from confluence_sync.stores.base import Feature, Identity
from confluence_sync.stores.llama_collections import Place, Places


@dataclass
class GrowingStore:
    """Everything of a Store but `write`, which each variant has in its own way."""

    places: Places
    place: Place
    features = Feature.QUERY

    def delete(self, chunk_ids: Sequence[str]) -> None:
        raise NotImplementedError("this server has no route that deletes a chunk")

    def retag(self, chunks: Sequence[Chunk]) -> None:
        raise NotImplementedError("this server has no route that changes a chunk")

    def ids(self) -> Iterator[Stored]:
        raise NotImplementedError("this server has no route that lists chunks")

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
