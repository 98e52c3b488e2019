"""Milvus: a Lite file, a standalone server or a cluster with the same calls; new rows first, then the stale ones go."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from confluence_sync.config import Settings
from confluence_sync.embed import Embedder, Matrix, open_embedder
from confluence_sync.embed.settled import Settled, settle, vector_of, windows_of
from confluence_sync.errors import NotFound, Refused, SettingsError
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Metadata, MetadataValue, Stored, batched
from confluence_sync.search import fuse, reach
from confluence_sync.search_words import folded, plain, words
from confluence_sync.stores.base import COMING, Feature, Identity, Store, changed_meanwhile
from confluence_sync.stores.milvus_layout import (
    PATIENCE,
    WHERE_THE_WORDS_ARE,
    WORD_SEARCH,
    About,
    Client,
    Fields,
    fresh,
    of_chunks,
    release,
    rows,
    said_plainly,
    tags,
)
from confluence_sync.stores.milvus_names import about_of, adopted, borne, lose, make, turn
from confluence_sync.stores.milvus_search import Scored, exactly, floats, nearest, settled_down
from confluence_sync.stores.stored_metadata import metadata_from

ALL = Feature.UPSERT | Feature.DELETE | Feature.LIST | Feature.QUERY | Feature.RETAG
CHUNKS_AT_ONCE = 100
WINDOWS_A_CHUNK = 4  # so many windows are asked for to get one chunk, as a good chunk has several near ones
MOST_ASKED = 1000  # rows of one search; Milvus takes 16,384


@dataclass
class MilvusStore:
    """One collection. Reads see what was written before them (consistency level Strong)."""

    client: Client
    where: str
    name: str
    about: About
    settled: Settled
    features: Feature = ALL

    @property
    def outdated(self) -> str:
        return self.settled.outdated

    @property
    def anew(self) -> str:
        return self.settled.anew

    def write(self, chunks: Sequence[Chunk]) -> None:
        """A chunk is there when its row with the text is; that row and its windows go in one call."""
        by_id = {chunk.id: chunk for chunk in chunks}
        for ids in batched(list(by_id), CHUNKS_AT_ONCE):
            some = [by_id[chunk_id] for chunk_id in ids]
            windows = windows_of(self.settled, some)
            self._upsert([row for chunk in some for row in rows(chunk, windows[chunk.id], folded(chunk.text) if self.about.words else "")])

    def _upsert(self, data: list[Fields]) -> None:
        """With the row about the collection, whose new stamp tells of the change."""
        self.about = self.about.stamped()
        with said_plainly(self.where):
            self.client.upsert(self.name, [*data, self.about.row()], timeout=PATIENCE)

    def delete(self, chunk_ids: Sequence[str]) -> None:
        for some in batched(list(chunk_ids), CHUNKS_AT_ONCE):
            with said_plainly(self.where):
                self.client.delete(self.name, filter=of_chunks(some), timeout=PATIENCE)
        self._upsert([])

    def retag(self, chunks: Sequence[Chunk]) -> None:
        """Milvus replaces whole rows, so they are read with their vectors and written back."""
        by_id = {chunk.id: chunk for chunk in chunks}
        for some in batched(list(by_id), CHUNKS_AT_ONCE):
            found = self._rows(of_chunks(some), ["id", "chunk", "part", "vector", "folded", "text"])
            if found:
                self._upsert([{**row, "vector": floats(row["vector"]), **tags(by_id[str(row["chunk"])])} for row in found])

    def ids(self) -> Iterator[Stored]:
        """By growing id, a part at a time, so that the caller may write and delete in between."""
        asked = {"filter": "part == 0", "output_fields": ["chunk", "metadata"], "consistency_level": "Strong"}
        with said_plainly(self.where), closing(self.client.query_iterator(self.name, **asked, batch_size=1000, timeout=PATIENCE)) as pages:
            while found := pages.next():
                for row in found:
                    yield Stored(str(row["chunk"]), _metadata(row["metadata"]))

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        if self.outdated and not self.about.words:
            raise SettingsError(self.outdated)
        vector = vector_of(self.settled, text)
        ask = partial(self._fused, text, vector, top_k, where)
        hits = ask()
        if hits:
            return hits
        with said_plainly(self.where):
            if not settled_down(self.client, self.name):
                raise NotFound(f"Milvus at {self.where}: the collection was dropped or replaced while it was in use; open it again")
        return ask()

    def _fused(self, text: str, vector: Matrix | None, top_k: int, where: Filter) -> list[Hit]:
        by_meaning = [] if vector is None else self._by_meaning(vector, reach(top_k), where)
        by_words = self._by_words(text, reach(top_k), where)
        return self._hits(fuse(by_words, by_meaning)[:top_k])

    def _by_meaning(self, vector: Matrix, limit: int, where: Filter) -> Scored:
        """Chunks by the best of their windows."""
        asked = min(limit * WINDOWS_A_CHUNK, MOST_ASKED)
        with said_plainly(self.where):
            found = nearest(self.client, self.name, vector.tolist(), "vector", asked, where)
            if where and len(found) < asked:
                found = exactly(self.client, self.name, vector.tolist(), where)
        best: dict[str, float] = {}
        for chunk_id, score in found:
            best.setdefault(chunk_id, score)
        return list(best.items())[:limit]

    def _by_words(self, text: str, limit: int, where: Filter) -> Scored:
        """By BM25 where the server has it; an older one searches by meaning alone."""
        asked = " ".join(map(plain, words(text)))
        if not self.about.words or not asked:
            return []
        with said_plainly(self.where):
            found = nearest(self.client, self.name, asked, WHERE_THE_WORDS_ARE, limit, where)
        return [(chunk_id, abs(score)) for chunk_id, score in found]

    def _hits(self, found: Scored) -> list[Hit]:
        wanted = [f"{chunk_id}/0" for chunk_id, _ in found]
        held = {str(row["chunk"]): row for some in batched(wanted, 1000) for row in self._rows(_ids(some), ["chunk", "text", "metadata"])}
        shown = [(chunk_id, score, held[chunk_id]) for chunk_id, score in found if chunk_id in held]
        return [Hit(chunk_id, score, str(row["text"]), _metadata(row["metadata"])) for chunk_id, score, row in shown]

    def _rows(self, filter: str, columns: list[str]) -> list[Fields]:
        with said_plainly(self.where):
            return list(self.client.query(self.name, filter, columns, PATIENCE, consistency_level="Strong"))

    def identity(self) -> Identity:
        (row,) = self._rows("part == 0", ["count(*)"])
        with said_plainly(self.where):
            about = about_of(self.client, self.name) or self.about
        return Identity(about.id, int(str(row["count(*)"])), about.stamp)

    def drop(self) -> None:
        with said_plainly(self.where):
            lose(self.client, self.name)

    def give_way_to(self, new: Store, seen: Identity) -> None:
        """The name is turned in one step, and then this one goes. What `new` says of itself is right before readers can find it."""
        if not isinstance(new, MilvusStore):
            raise TypeError(f"{new!r} is no collection of Milvus")
        if self.identity() != seen:
            raise Refused(changed_meanwhile(self.about.name))
        new.about = replace(new.about, name=self.about.name)
        new._upsert([])
        with said_plainly(self.where):
            turn(self.client, self.about, self.name, new.name)

    def close(self) -> None:
        """The client is the backend's."""


@dataclass
class MilvusBackend:
    """A Milvus Lite file (a path that ends in .db) or a server's address. Needs an embedder: Milvus keeps nothing without a vector."""

    where: str
    embedder: Embedder | None
    token: str = field(default="", repr=False)
    name: str = "milvus"
    features: Feature = ALL
    _client: Client | None = None

    def open(self, collection: str) -> MilvusStore:
        if self.embedder is None:
            raise SettingsError("VECTOR_BACKEND=milvus needs vectors: set EMBEDDING_MODEL_PATH, EMBEDDING_URL or EMBEDDING_BACKEND=onnx")
        facts, client = self.embedder.facts(), self.client()
        with said_plainly(self.where):
            name = borne(client, collection) or make(client, fresh(collection, facts, self._searches_words()))
            about = about_of(client, name) or adopted(client, name, fresh(collection, facts, self._searches_words()), self.where)
        return MilvusStore(client, self.where, name, about, settle(collection, about.facts, self.embedder, False))

    def _searches_words(self) -> bool:
        version = self.client().get_server_version(timeout=PATIENCE)
        return "lite-3" in version or tuple(map(int, re.findall(r"\d+", version)[:2])) >= WORD_SEARCH

    def collections(self) -> list[str]:
        with said_plainly(self.where):
            client = self.client()
            found = [about_of(client, name) for name in client.list_collections(timeout=PATIENCE)]
        return sorted({about.name for about in found if about and not about.name.endswith(COMING)})

    def client(self) -> Client:
        if self._client is None:
            from pymilvus import MilvusClient

            logging.getLogger("pymilvus").setLevel(logging.ERROR)
            if "://" not in self.where:
                Path(self.where).parent.mkdir(parents=True, exist_ok=True)
            with said_plainly(self.where):
                self._client = cast(Client, MilvusClient(self.where, token=self.token, timeout=10))
        return self._client

    def close(self) -> None:
        if self._client:
            self._client.close()
            self._client = None
            release(self.where)
        if self.embedder:
            self.embedder.close()


def open_backend(settings: Settings) -> MilvusBackend:
    """VECTOR_API_BASE_URL (http for a server, file for Milvus Lite), else a Lite file in STATE_DIR."""
    import pymilvus  # noqa: F401  # missing, it must be told here, where the variant knows its pip line

    address = settings.vector_api_base_url
    if address.startswith("file:"):
        address = unquote(urlsplit(address).path)
    return MilvusBackend(address or str(settings.state_dir / "milvus.db"), open_embedder(settings), settings.vector_api_key.reveal())


def _ids(ids: Sequence[str]) -> str:
    return "id in [" + ", ".join(f'"{each}"' for each in ids) + "]"


def _metadata(value: object) -> Metadata | None:
    return metadata_from(cast("dict[str, MetadataValue]", value)) if isinstance(value, dict) else None
