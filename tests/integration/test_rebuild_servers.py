"""`sync --rebuild` with another embedding model on the real servers: PostgreSQL, Milvus standalone and a Milvus Lite file."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.stores.milvus import MilvusBackend, MilvusStore
from confluence_sync.stores.pgvector import PgvectorBackend
from tests.rebuilding import Connect, RebuildContract
from tests.word_embedder import WordEmbedder

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pymilvus.*"),
]


class TestPgvector(RebuildContract):
    @pytest.fixture
    def connect(self, database: str) -> Connect:  # a fixture
        return lambda model: PgvectorBackend(database, model)


class Apart(MilvusBackend):
    """Collections of one test among those of others on the server."""

    prefix = ""

    def open(self, collection: str) -> MilvusStore:
        return super().open(self.prefix + collection)


@pytest.mark.slow  # half a minute for each cut; Milvus Lite takes the same way
class TestMilvusStandalone(RebuildContract):
    @pytest.fixture
    def connect(self, milvus: str) -> Connect:  # a fixture
        prefix = f"r{uuid.uuid4().hex[:8]}_"

        def open_one(model: WordEmbedder) -> Apart:
            backend = Apart(milvus, model)
            backend.prefix = prefix
            return backend

        return open_one


class LongLived(MilvusBackend):
    """A Lite file can be open only once in a process, so it is closed with the test and not with each opener."""

    def close(self) -> None:
        """Later."""

    def end(self) -> None:
        super().close()


class TestMilvusLite(RebuildContract):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Iterator[Connect]:
        made: list[LongLived] = []

        def open_one(model: WordEmbedder) -> LongLived:
            made.append(LongLived(str(tmp_path / "milvus.db"), model))
            return made[-1]

        yield open_one
        for each in made:
            each.end()
