"""Milvus, real ones: a Lite file and a standalone server pass the same contract, and strangers' collections are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from milvus_lite.engine import collection

from confluence_sync.config import Settings
from confluence_sync.errors import NotFound, Refused, Rejected, ServerFailed, SettingsError
from confluence_sync.model import Filter
from confluence_sync.stores.milvus import MilvusBackend, open_backend
from confluence_sync.stores.milvus_names import milvus_name
from tests.integration import milvus_server
from tests.store_contract import DISK, LOGIN, SAMPLE, StoreContract, chunk
from tests.test_store_sqlite_vectors import MANY, nearest
from tests.word_embedder import WordEmbedder

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pymilvus.*"),
]


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusBackend]:
    opened = MilvusBackend(str(tmp_path_factory.mktemp("lite") / "milvus.db"), WordEmbedder())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def standalone(milvus: str) -> Iterator[MilvusBackend]:  # a fixture
    opened = MilvusBackend(milvus, WordEmbedder())
    yield opened
    opened.close()


class TestMilvusLite(StoreContract):
    @pytest.fixture
    def backend(self, lite: MilvusBackend) -> MilvusBackend:
        return lite


class TestMilvusStandalone(StoreContract):
    @pytest.fixture
    def backend(self, standalone: MilvusBackend) -> MilvusBackend:
        return standalone


Connect = Callable[..., MilvusBackend]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Makes backends on one Lite file, closed after the test."""
    made: list[MilvusBackend] = []

    def open_one(embedder: WordEmbedder | None = None) -> MilvusBackend:
        made.append(MilvusBackend(str(tmp_path / "milvus.db"), embedder or WordEmbedder()))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


def test_the_best_window_counts_and_filters_hold(connect: Connect) -> None:
    """Vector hits are those of brute force over all windows, also under a filter."""
    store = connect().open("c")
    store.write(MANY)
    for where in (Filter(), Filter(labels=("l2", "l3")), Filter(page_ids=("1", "2", "3"))):
        vector = WordEmbedder().embed(["w3 w10 w17"])[0]
        assert [chunk_id for chunk_id, _ in store._by_meaning(vector, 5, where)][:3] == nearest(MANY, "w3 w10 w17", where)[:3]


def test_words_are_found_where_the_server_keeps_them(connect: Connect) -> None:
    """Milvus Lite 3 has BM25: an error code is found among chunks that mean the same."""
    store = connect().open("c")
    wanted = chunk("7", "The job stops with ORA-00942.")
    store.write([*MANY[:50], wanted])
    assert store.about.words
    assert store._by_words("why ORA-00942?", 3, Filter())[0][0] == wanted.id


@pytest.mark.parametrize("other", [WordEmbedder(dimension=32), WordEmbedder(weights="w2")])
def test_another_model_or_dimension_is_refused(connect: Connect, other: WordEmbedder) -> None:
    """Writing with a model that did not fill the collection says what differs and the ways out; reading by words goes on."""
    connect().open("c").write(SAMPLE)
    store = connect(other).open("c")
    assert store.query("journal disk", 1)[0].chunk_id == DISK.id
    with pytest.raises(SettingsError, match=r"Vectors of two models cannot be compared.*sync --rebuild"):
        store.write([LOGIN])


def test_without_an_embedder_there_is_nothing_to_store(tmp_path: Path) -> None:
    """Milvus cannot keep a chunk without a vector, and says so at the start."""
    with pytest.raises(SettingsError, match="needs vectors"):
        MilvusBackend(str(tmp_path / "m.db"), None).open("c")


def test_a_foreign_collection_is_left_alone(connect: Connect) -> None:
    """A collection that holds rows of another program is refused."""
    backend = connect()
    store = backend.open("c")
    store.write([DISK])
    backend.client().delete(store.name, filter='id == "~about"', timeout=10)
    with pytest.raises(Refused, match="another program"):
        backend.open("c")


def test_a_half_made_collection_is_finished(connect: Connect) -> None:
    """A crash between making a collection and describing it is no obstacle for the next run."""
    backend = connect()
    store = backend.open("c")
    backend.client().delete(store.name, filter='id == "~about"', timeout=10)
    backend.open("c").write([DISK])
    assert backend.open("c").identity().count == 1


def test_names_that_milvus_does_not_take_are_changed(connect: Connect) -> None:
    """Dashes and spaces are allowed in a collection's name, and two names never become one."""
    backend = connect()
    backend.open("conf-known-issues").write([DISK])
    assert backend.open("conf_known_issues").identity().count == 0
    assert backend.collections() == ["conf-known-issues", "conf_known_issues"]
    assert len({milvus_name(name) for name in ("a-b", "a b", "a_b", "1a", "é")}) == 5


def test_too_much_text_is_rejected_by_name(connect: Connect) -> None:
    """A chunk over Milvus's limit, and half a character, name the chunk."""
    store = connect().open("c")
    for text in ("x" * 70_000, "half \ud83d"):
        with pytest.raises(Rejected, match=LOGIN.id):
            store.write([replace(LOGIN, text=text)])


def test_a_dropped_collection_is_told(connect: Connect) -> None:
    """A store whose collection another run dropped says so."""
    backend = connect()
    store = backend.open("c")
    backend.open("c").drop()
    with pytest.raises(NotFound, match="dropped"):
        store.identity()


def test_rows_that_are_being_put_away_are_waited_for(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Milvus Lite's rows are in neither place for a moment while it moves them from memory to a file, here for a fifth of a second."""
    store = connect().open("c")
    store.write(SAMPLE)
    away, log = threading.Event(), collection.WAL

    def slow_log(*args: object, **more: object) -> object:
        away.set()
        time.sleep(0.2)
        return log(*args, **more)

    monkeypatch.setattr(collection, "WAL", slow_log)
    flush = threading.Thread(target=store.client.flush, args=(store.name,))
    flush.start()
    try:
        assert away.wait(10)
        assert store.query("login", 5)
    finally:
        flush.join()


def test_nobody_listening_is_a_failure_that_may_pass() -> None:
    """A server that is down is not a wrong setting."""
    with pytest.raises(ServerFailed, match=r"127\.0\.0\.1:1"):
        MilvusBackend("http://127.0.0.1:1", WordEmbedder()).open("c")


def test_a_server_that_hangs_ends_a_call_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pymilvus repeats what fails, and stops at the time that every call is given; the error names the server and what to do."""
    monkeypatch.setattr("confluence_sync.stores.milvus.PATIENCE", 3.0)
    with milvus_server.standalone(tmp_path) as (address, pid):
        backend = MilvusBackend(address, WordEmbedder())
        store = backend.open("c")
        store.write([DISK])
        os.killpg(pid, signal.SIGSTOP)
        began = time.monotonic()
        try:
            with pytest.raises(ServerFailed, match=rf"{address} did not answer in time"):
                store.delete([DISK.id])
        finally:
            os.killpg(pid, signal.SIGCONT)
        assert time.monotonic() - began < 20
        backend.close()


def test_a_file_is_open_in_one_program_at_a_time(connect: Connect, tmp_path: Path) -> None:
    """A second process is told that the file is in use; after close() it is free, even while this process lives."""
    backend = connect()
    backend.open("c").write([DISK])
    again = [sys.executable, "-W", "ignore", "-m", "tests.integration.kill_child", "milvus", str(tmp_path / "milvus.db"), "once"]
    root = Path(__file__).parents[2]
    refused = subprocess.run(again, capture_output=True, text=True, cwd=root, timeout=60)
    assert "is open in another program" in refused.stderr
    backend.close()
    assert subprocess.run(again, capture_output=True, text=True, cwd=root, timeout=60).stdout == "ready\n"


def test_settings_say_where(tmp_path: Path) -> None:
    """A file address is Milvus Lite, an http address a server, nothing a Lite file in STATE_DIR."""
    assert open_backend(Settings(state_dir=tmp_path)).where == str(tmp_path / "milvus.db")
    assert open_backend(Settings(state_dir=tmp_path, vector_api_base_url="file:///data/m%20x.db")).where == "/data/m x.db"
    assert open_backend(Settings(state_dir=tmp_path, vector_api_base_url="http://milvus:19530")).where == "http://milvus:19530"
