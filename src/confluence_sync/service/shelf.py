"""The collections of the Vector API: those of the embedded store, each with its model, dimension and the client's own metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from confluence_sync.service.documents import Documents
from confluence_sync.service.problems import Problem, invalid, no_collection
from confluence_sync.stores.sqlite import SqliteBackend, SqliteStore

TABLE = """CREATE TABLE IF NOT EXISTS vector_api_collections (
    id TEXT PRIMARY KEY, model TEXT, dimension INTEGER, distance TEXT NOT NULL, metadata TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL)"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A collection as a client asks for it; "" and 0 stand for what was not said."""

    name: str
    model: str = ""
    dimension: int = 0
    distance: str = "cosine"
    metadata: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept of a collection; times are RFC 3339 in UTC."""

    model: str
    dimension: int
    distance: str = "cosine"
    metadata: Mapping[str, object] = field(default_factory=dict)
    created_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as clients are told of it."""

    name: str
    facts: Facts
    count: int
    revision: str = ""

    def body(self) -> dict[str, object]:
        return {
            "collection_id": self.name,
            "embedding_model_id": self.facts.model or None,
            "dimension": self.facts.dimension or None,
            "distance": self.facts.distance,
            "document_count": self.count,
            "metadata": dict(self.facts.metadata),
            "created_at": self.facts.created_at,
            "updated_at": self.facts.updated_at,
            "revision": self.revision,
        }


@dataclass
class Shelf:
    """The collections of one store file. `model` and `dimension` are the server's own, "" and 0 when it searches words only."""

    backend: SqliteBackend
    _open: dict[str, SqliteStore] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return self.backend.embedder.facts().model if self.backend.embedder else ""

    @property
    def dimension(self) -> int:
        return self.backend.embedder.facts().dimension if self.backend.embedder else 0

    def create(self, wanted: Wanted, now: str) -> tuple[Collection, bool]:
        """The collection and whether it is new. The same name with another model is a Problem (409), as its vectors would not fit."""
        if wanted.dimension and self.dimension and wanted.dimension != self.dimension:
            raise invalid(f"dimension {wanted.dimension} is not that of this server's model {self.model}, which is {self.dimension}")
        with self.backend.connections.writing():
            there = self._find(wanted.name) is not None
            if there:
                self._refuse_another_model(wanted)
            else:
                self._remember(self.backend.open(wanted.name).id, wanted, now)
            return self.get(wanted.name), not there

    def documents(self, name: str) -> Documents:
        """What the collection holds; a Problem (404) when there is none of that name."""
        return Documents(self._there(name))

    def get(self, name: str) -> Collection:
        """Raises a Problem (404) when there is none of that name. A collection that a local sync made has no dates."""
        store = self._there(name)
        facts = self._facts(store.id) or Facts(self.model, self.dimension)
        seen = store.identity()
        return Collection(name, facts, seen.count or 0, seen.stamp)

    def page(self, after: str, limit: int) -> tuple[list[Collection], str]:
        """At most `limit` collections by name behind `after`, and the name to go on after ("" at the end)."""
        names = [name for name in self.backend.collections() if name > after]
        return [self.get(name) for name in names[:limit]], names[limit - 1] if len(names) > limit else ""

    def delete(self, name: str) -> int:
        """How many documents went with it."""
        with self.backend.connections.writing() as connection:
            store = self._there(name)
            count = store.identity().count or 0
            store.drop()
            connection.execute(TABLE)
            connection.execute("DELETE FROM vector_api_collections WHERE id = ?", (store.id,))
        return count

    def touched(self, name: str, now: str) -> None:
        """A document changed: the collection's own date follows."""
        with self.backend.connections.writing() as connection:
            connection.execute(TABLE)
            connection.execute("UPDATE vector_api_collections SET updated_at = ? WHERE id = ?", (now, self._there(name).id))

    def _refuse_another_model(self, wanted: Wanted) -> None:
        there = self.get(wanted.name).facts.model
        if wanted.model and there and wanted.model != there:
            raise Problem(
                409,
                f"collection {wanted.name!r} was made with model {there!r}, not {wanted.model!r}; use another collection_id",
                details={"existing": there, "requested": wanted.model},
            )

    def _remember(self, made: str, wanted: Wanted, now: str) -> None:
        facts = (made, wanted.model or self.model, wanted.dimension or self.dimension, wanted.distance)
        with self.backend.connections.writing() as connection:
            connection.execute(TABLE)
            connection.execute(
                "INSERT INTO vector_api_collections VALUES (?, ?, ?, ?, ?, ?, ?)", (*facts, json.dumps(wanted.metadata or {}), now, now)
            )

    def _find(self, name: str) -> SqliteStore | None:
        """Without Backend.open() where it can be avoided: that is a write transaction, and readers must not wait for writers."""
        if not self.backend.path.exists():
            return None
        row = self.backend.connections.mine().execute("SELECT id FROM collection WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        if row[0] not in self._open:
            self._open[row[0]] = self.backend.open(name)
        return self._open[row[0]]

    def _there(self, name: str) -> SqliteStore:
        store = self._find(name)
        if store is None:
            raise no_collection(name)
        return store

    def _facts(self, made: str) -> Facts | None:
        connection = self.backend.connections.mine()
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'vector_api_collections'").fetchone():
            return None
        row = connection.execute(
            "SELECT model, dimension, distance, metadata, created_at, updated_at FROM vector_api_collections WHERE id = ?", (made,)
        ).fetchone()
        return Facts(row[0], row[1], row[2], json.loads(row[3]), row[4], row[5]) if row else None
