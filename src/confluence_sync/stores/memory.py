"""The reference store: a dictionary, every feature, no server; what the contract suite was first written against."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored
from confluence_sync.stores.base import Feature, Identity

ALL = Feature.UPSERT | Feature.DELETE | Feature.LIST | Feature.QUERY | Feature.RETAG


@dataclass
class MemoryStore:
    """One collection in a dictionary of chunk id -> Chunk."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    chunks: dict[str, Chunk] = field(default_factory=dict)
    features: Feature = ALL
    stamp: str = ""

    def write(self, chunks: Sequence[Chunk]) -> None:
        self.chunks.update((chunk.id, chunk) for chunk in chunks)
        self.stamp = uuid.uuid4().hex

    def delete(self, chunk_ids: Sequence[str]) -> None:
        for chunk_id in chunk_ids:
            self.chunks.pop(chunk_id, None)
        self.stamp = uuid.uuid4().hex

    def retag(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            if chunk.id in self.chunks:
                self.chunks[chunk.id] = replace(self.chunks[chunk.id], metadata=chunk.metadata)
        self.stamp = uuid.uuid4().hex

    def ids(self) -> Iterator[Stored]:
        yield from [Stored(chunk.id, chunk.metadata) for chunk in self.chunks.values()]

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        words = set(text.lower().split())
        found = [c for c in self.chunks.values() if where.matches(c.metadata)]
        scored = [(len(words & set(c.text.lower().split())) / max(len(words), 1), c) for c in found]
        best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1].id))
        return [Hit(c.id, score, c.text, c.metadata) for score, c in best[:top_k]]

    def identity(self) -> Identity:
        return Identity(self.id, len(self.chunks), self.stamp)

    def drop(self) -> None:
        self.chunks.clear()
        self.id = uuid.uuid4().hex

    def close(self) -> None:
        """Nothing to give back."""


@dataclass
class MemoryBackend:
    """Collections by name, gone with the process."""

    name: str = "memory"
    features: Feature = ALL
    stores: dict[str, MemoryStore] = field(default_factory=dict)

    def open(self, collection: str) -> MemoryStore:
        return self.stores.setdefault(collection, MemoryStore())

    def collections(self) -> list[str]:
        return sorted(self.stores)

    def close(self) -> None:
        """Nothing to give back."""


def open_backend(settings: object) -> MemoryBackend:
    """A fresh, empty one: what a try-out and the tests use."""
    return MemoryBackend()
