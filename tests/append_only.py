"""A store in memory that can only append, as Llama Stack 0.2: writing twice makes two, and it breaks where a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from confluence_sync.errors import Rejected, ServerFailed
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored
from confluence_sync.stores.base import Feature, Identity


@dataclass
class AppendOnly:
    """Collections as lists of chunks. `before` and `after` are called around every effect with its name and may raise."""

    name: str = "append-only"
    features: Feature = Feature.QUERY
    held: dict[str, list[Chunk]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda effect: None
    after: Callable[[str], None] = lambda effect: None
    refuses: str = ""
    mute: bool = False
    written: int = 0

    def open(self, collection: str) -> AppendOnlyStore:
        if collection not in self.held:
            self.effect(f"make {collection}", lambda: self.held.setdefault(collection, []))
        return AppendOnlyStore(self, collection)

    def effect(self, name: str, do: Callable[[], object]) -> None:
        self.before(name)
        do()
        self.after(name)

    def collections(self) -> list[str]:
        return sorted(self.held)

    def close(self) -> None:
        """Nothing to give back."""


@dataclass
class AppendOnlyStore:
    backend: AppendOnly
    collection: str
    features: Feature = Feature.QUERY

    def write(self, chunks: Sequence[Chunk]) -> None:
        if not chunks:
            return
        if self.collection not in self.backend.held:
            raise ServerFailed(f"{self.collection} is gone")
        taken = [chunk for chunk in chunks if not self.backend.refuses or self.backend.refuses not in chunk.text]
        self.backend.effect("write", lambda: self.backend.held[self.collection].extend(taken))
        self.backend.written += len(taken)
        refused = tuple(chunk.id for chunk in chunks if chunk not in taken)
        if refused:
            raise Rejected(f"not taken: {refused}", 400, chunk_ids=refused)

    def delete(self, chunk_ids: Sequence[str]) -> None:
        raise NotImplementedError

    def retag(self, chunks: Sequence[Chunk]) -> None:
        raise NotImplementedError

    def ids(self) -> Iterator[Stored]:
        raise NotImplementedError

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        """By shared words; a text that contains the query comes first, as with vectors."""
        if self.backend.mute:
            raise ServerFailed("no answer to queries")
        words = set(text.split())
        scored = [(text in c.text, len(words & set(c.text.split())) / len(words), c) for c in self.backend.held[self.collection]]
        best = sorted((one for one in scored if one[1] and where.matches(one[2].metadata)), key=lambda one: (one[0], one[1]), reverse=True)
        return [Hit(c.id, score, c.text, c.metadata) for _, score, c in best[:top_k]]

    def identity(self) -> Identity:
        return Identity(self.collection, None, address=self.collection)

    def drop(self) -> None:
        self.backend.effect(f"drop {self.collection}", lambda: self.backend.held.pop(self.collection, None))

    def close(self) -> None:
        """Nothing to give back."""
