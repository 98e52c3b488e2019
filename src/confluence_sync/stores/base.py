"""The contract of a vector store: a new backend is read against this file and tested by tests/store_contract.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Flag, auto
from typing import Protocol, runtime_checkable

from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored


class Feature(Flag):
    """What a store can do; declared by the store, never guessed from its name."""

    NONE = 0
    UPSERT = auto()  # writing an id again replaces it; without this, writing twice makes two
    DELETE = auto()  # single chunks can be removed
    LIST = auto()  # ids() tells everything the collection holds
    QUERY = auto()  # text queries return hits
    RETAG = auto()  # metadata can be replaced without writing (and embedding) the text again


@dataclass(frozen=True, slots=True)
class Identity:
    """Which collection this is, and in which condition.

    `id` changes when the collection is made anew, `count` is its number of chunks (None: the server cannot tell), `stamp` changes with
    every write where the store keeps one ("" elsewhere), so that a restored older copy is noticed. `address` is what readers must name
    in their own queries where the server chose it ("": the collection's name).
    """

    id: str
    count: int | None
    stamp: str = ""
    address: str = ""


class Store(Protocol):
    """One open collection.

    Every method may be called again with the same arguments after a crash. All raise RemoteError subclasses for what the
    other end did, and Rejected naming the chunk id for a chunk the server will not take.
    """

    features: Feature

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Stores chunks. When this returns they are durable; when it raises, any part of them may be.

        With UPSERT an existing id is replaced. A server that refuses single chunks gets all the others, then Rejected(chunk_ids=...).
        No two chunks of one call have the same id. An empty call does nothing.
        """

    def delete(self, chunk_ids: Sequence[str]) -> None:
        """Removes chunks for good (DELETE). An id that is not there is no error."""

    def retag(self, chunks: Sequence[Chunk]) -> None:
        """Replaces the metadata of chunks that are already stored, leaving text and vectors alone (RETAG)."""

    def ids(self) -> Iterator[Stored]:
        """Everything the collection holds, each chunk once, in any order (LIST)."""

    def transaction(self) -> AbstractContextManager[None]:
        """What happens inside is durable together or not at all, where the store can do that; elsewhere nullcontext()."""

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        """At most `top_k` hits, best first (QUERY). An empty collection gives []."""

    def identity(self) -> Identity:
        """One cheap request at the start of a run, to see whether this is still what the state filled."""

    def drop(self) -> None:
        """Removes the whole collection. Only ever called for a collection this program made."""

    def close(self) -> None:
        """Gives back connections and files; idempotent."""


COMING = "~coming"  # ends the name of a collection that is filled beside another one, to take its place


@runtime_checkable
class Replaceable(Store, Protocol):
    """A store whose vectors we make: one that another model fills beside it can take its place."""

    @property
    def outdated(self) -> str:
        """Why the model at hand cannot write here, naming both models; "" when it can."""

    @property
    def anew(self) -> str:
        """Why `sync --rebuild` must fill another collection instead of writing this one over; "" when it need not."""

    def give_way_to(self, new: Store, seen: Identity) -> None:
        """From now on readers of this collection's name find `new`, another one of the same backend; this one is dropped.

        All at once: no reader finds nothing, and after a crash the one or the other is there, whole; then it may be called again.
        Raises Refused when somebody wrote to this one after `seen`.
        """


class Backend(Protocol):
    """One server or file that holds collections."""

    name: str
    features: Feature

    def open(self, collection: str) -> Store:
        """The collection of that name, made when it is not there. One that another model filled can be read by words, and not written."""

    def collections(self) -> list[str]:
        """The collections that this account can see; empty where the server cannot tell."""

    def close(self) -> None:
        """Gives back connections; idempotent."""


@runtime_checkable
class Counting(Protocol):
    """A backend that sends requests and counts them."""

    @property
    def requests(self) -> int: ...


def requests_of(backend: Backend) -> int:
    """How many requests a backend has sent; 0 for one that needs none."""
    return backend.requests if isinstance(backend, Counting) else 0


def changed_meanwhile(name: object) -> str:
    """What to tell when the collection that is to be replaced is not the one that was compared."""
    return f"another run wrote to collection {name or ''!r} while it was filled anew; readers stay with it. Run `sync --rebuild` once more"
