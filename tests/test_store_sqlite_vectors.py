"""The embedded store with vectors: the contract, exactness, the mapped copy, and models that do not fit."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from confluence_sync.embed import Matrix
from confluence_sync.errors import ServerFailed, SettingsError
from confluence_sync.model import Chunk, Filter
from confluence_sync.stores import sqlite_vectors
from confluence_sync.stores.sqlite import SqliteBackend, SqliteStore
from tests.store_contract import DISK, LOGIN, SAMPLE, StoreContract, chunk
from tests.word_embedder import WordEmbedder

MANY = [
    chunk(str(i), f"Known Issues > P{i}\n\n" + " ".join(f"w{(i * 7 + j) % 97}" for j in range(30 + i % 60)), labels=(f"l{i % 9}",))
    for i in range(150)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def backend(path: Path) -> Iterator[SqliteBackend]:
    opened = SqliteBackend(path, WordEmbedder())
    yield opened
    opened.close()


class TestSqliteWithVectors(StoreContract):
    """Nothing of its own: the contract."""


def nearest(chunks: Sequence[Chunk], question: str, where: Filter = Filter()) -> list[str]:  # noqa: B008  # frozen
    """The order by brute force: the best window of each chunk counts."""
    words = WordEmbedder()
    vector = words.embed([question])[0]
    scored = [(float((words.embed(words.windows(c.text)) @ vector).max()), c.id) for c in chunks if where.matches(c.metadata)]
    return [chunk_id for _, chunk_id in sorted(scored, reverse=True)]


def by_meaning(store: SqliteStore, question: str, limit: int, where: Filter = Filter()) -> list[str]:  # noqa: B008  # frozen
    vector = WordEmbedder().embed([question])[0]
    with store.connections.reading() as connection:
        found = store._by_meaning(connection, vector, limit, where)
        return [hit.chunk_id for hit in store._hits(connection, found)]


@pytest.mark.parametrize("small", [10, 10_000])
def test_vector_search_is_exact(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    """The nearest chunks are those of a brute-force search, with the mapped file and without it, filtered or not."""
    monkeypatch.setattr(sqlite_vectors, "SMALL", small)
    store = backend.open("c")
    store.write(MANY)
    for question in ("w3 w10 w17", "w50", "w96 w1"):
        assert by_meaning(store, question, 10) == nearest(MANY, question)[:10]
        some = Filter(labels=("l2", "l3"))
        assert by_meaning(store, question, 10, some) == nearest(MANY, question, some)[:10]
    assert (len(list(backend.path.parent.glob("*.f32"))) == 1) == (small == 10)


def test_changes_after_the_copy_count(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks written, replaced and deleted after the file was mapped are seen as they are now, by this process and a fresh one."""
    monkeypatch.setattr(sqlite_vectors, "SMALL", 10)
    monkeypatch.setattr(sqlite_vectors, "SHARE", 0.5)
    store = backend.open("c")
    store.write(MANY[:100])
    best = by_meaning(store, "w3 w10", 5)
    copy = next(backend.path.parent.glob("*.f32"))
    written = copy.stat().st_mtime_ns
    store.delete(best[:2])
    store.write(MANY[100:120])
    changed = replace(MANY[5], text="Known Issues > P5\n\nw3 w10 w3 w10")
    store.write([changed])
    now = [changed if c.id == changed.id else c for c in MANY[:120] if c.id not in best[:2]]
    fresh = SqliteBackend(backend.path, WordEmbedder())
    for each in (store, fresh.open("c")):
        assert by_meaning(each, "w3 w10", 8) == nearest(now, "w3 w10")[:8]
    assert copy.stat().st_mtime_ns == written
    fresh.close()


def test_a_copy_newer_than_the_table_is_thrown_away(backend: SqliteBackend, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a backup is put back, the mapped file of the later state is not believed."""
    monkeypatch.setattr(sqlite_vectors, "SMALL", 10)
    store = backend.open("c")
    store.write(MANY[:50])
    backend.connections.mine().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = path.read_bytes()
    store.write(MANY[50:])
    by_meaning(store, "w3", 5)
    backend.close()
    path.write_bytes(backup)
    again = SqliteBackend(path, WordEmbedder())
    assert by_meaning(again.open("c"), "w3 w10", 10) == nearest(MANY[:50], "w3 w10")[:10]
    again.close()


def test_the_last_words_of_a_long_chunk_are_found(backend: SqliteBackend) -> None:
    """Every window has its vector, so what stands at the end of a chunk longer than the model reads is near its question."""
    store = backend.open("c")
    long = chunk("1", "Known Issues > Long\n\n" + "filler text goes on " * 60 + "the zebra eats marzipan")
    store.write([*MANY[:20], long])
    assert by_meaning(store, "zebra eats marzipan", 1) == [long.id]


def test_what_is_embedded_is_not_embedded_again(backend: SqliteBackend) -> None:
    """Writing the same chunks again, as after a crash, costs no embedding; other text does."""
    words = WordEmbedder()
    backend.embedder = words
    store = backend.open("c")
    store.write(SAMPLE)
    count = len(words.seen)
    store.write(SAMPLE)
    assert len(words.seen) == count
    store.write([replace(DISK, text="another text")])
    assert words.seen[count:] == ["another text"]


def test_retag_leaves_vectors(backend: SqliteBackend) -> None:
    """New metadata costs no embedding, and the chunk is still near."""
    store = backend.open("c")
    store.write(SAMPLE)
    store.retag([replace(DISK, metadata=DISK.metadata._replace(labels=("moved",)))])
    assert by_meaning(store, "journal fills disk", 1, Filter(labels=("moved",))) == [DISK.id]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (WordEmbedder(dimension=32), "dimension 64 there, 32 now"),
        (WordEmbedder(weights="w2"), "weights w1 there, w2 now"),
        (WordEmbedder(weights="", model="elsewhere"), "model words there, elsewhere now"),
    ],
)
def test_another_model_is_refused(backend: SqliteBackend, path: Path, other: WordEmbedder, told: str) -> None:
    """Writing with a model that did not fill the collection says what differs and the ways out; reading by words goes on."""
    backend.open("c").write(SAMPLE)
    with closing(SqliteBackend(path, other)) as swapped:
        store = swapped.open("c")
        assert store.query("journal disk", 1)[0].chunk_id == DISK.id
        with pytest.raises(SettingsError, match=f"{told}.*--rebuild"):
            store.write([LOGIN])


def test_without_its_model_a_collection_is_read_by_words_and_not_written(backend: SqliteBackend, path: Path) -> None:
    """A reader without the embedder still finds words; a writer is told which model is missing."""
    backend.open("c").write(SAMPLE)
    with closing(SqliteBackend(path)) as reader:
        plain = reader.open("c")
        assert plain.query("journal disk", 1)[0].chunk_id == DISK.id
        with pytest.raises(SettingsError, match="vectors of words"):
            plain.write([chunk("9", "new")])


def test_a_keyword_collection_stays_one(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An embedder that appears later does not mix chunks with and without vectors; the warning says how to get them."""
    with closing(SqliteBackend(path)) as plain:
        plain.open("c").write([DISK])
    with caplog.at_level(logging.WARNING), closing(SqliteBackend(path, WordEmbedder())) as later:
        store = later.open("c")
        store.write([LOGIN])
        assert "--rebuild" in caplog.text
        assert store.facts is None
        assert {hit.chunk_id for hit in store.query("disk cookie", 5)} == {DISK.id, LOGIN.id}


class Broken(WordEmbedder):
    """An endpoint that went away after the sync."""

    broken = False

    def embed(self, texts: Sequence[str]) -> Matrix:
        if self.broken:
            raise ServerFailed("the endpoint is down")
        return super().embed(texts)


def test_an_endpoint_that_is_down_leaves_keyword_search(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A question is answered by words, with a warning, when its vector cannot be had; writing fails and changes nothing."""
    embedder = Broken()
    with closing(SqliteBackend(path, embedder)) as backend:
        store = backend.open("c")
        store.write(SAMPLE)
        embedder.broken = True
        assert store.query("journal disk", 1)[0].chunk_id == DISK.id
        assert "keywords only" in caplog.text
        with pytest.raises(ServerFailed):
            store.write([chunk("9", "new")])
        assert store.identity().count == 3


def test_more_than_sensible_is_said(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Past the size the store is good for, the start of a run says what to move to."""
    monkeypatch.setattr("confluence_sync.stores.sqlite.SENSIBLE", 2)
    store = backend.open("c")
    store.write(SAMPLE)
    store.identity()
    assert "pgvector" in caplog.text


def test_a_folder_that_cannot_hold_the_copy_is_no_obstacle(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the mapped file cannot be written, the matrix stays in memory and the answers are the same."""
    monkeypatch.setattr(sqlite_vectors, "SMALL", 10)
    store = backend.open("c")
    store.write(MANY)
    assert store._vectors is not None
    store._vectors.file = Path("/nonexistent/folder/copy.f32")
    assert by_meaning(store, "w3", 5) == nearest(MANY, "w3")[:5]


def test_vectors_have_length_one(backend: SqliteBackend) -> None:
    """What is stored is normalised, so that a product is a cosine."""
    store = backend.open("c")
    store.write(SAMPLE)
    (blob,) = backend.connections.mine().execute("SELECT windows FROM vectors_1 LIMIT 1").fetchone()
    assert np.isclose(np.linalg.norm(np.frombuffer(blob, dtype=np.float32)[:64]), 1)
