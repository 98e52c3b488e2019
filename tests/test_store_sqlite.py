"""The embedded store against the contract, and what it does beside it: scripts, files that are not as they should be, several processes."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import NotFound, Refused, Rejected, ServerFailed, SettingsError
from confluence_sync.model import Filter
from confluence_sync.stores import sqlite_file, sqlite_words
from confluence_sync.stores.sqlite import SqliteBackend, open_backend
from confluence_sync.volumes import on_network
from tests.store_contract import DISK, FRENCH, LOGIN, SAMPLE, StoreContract, chunk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.db"


@pytest.fixture
def backend(path: Path) -> Iterator[SqliteBackend]:
    opened = SqliteBackend(path)
    yield opened
    opened.close()


class TestSqlite(StoreContract):
    """Nothing of its own: the contract."""


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("印刷機のエラー", "印刷機が壊れたとき、エラーコードを確認してください。"),
        ("프린터 오류", "프린터에서 오류가 발생하면 전원을 다시 켜십시오."),
        ("Probleme d'IMPRIMANTE", "Le problème de l’imprimante revient chaque lundi."),
        ("ORA-00942", "The job stops with ORA-00942: table or view does not exist."),
        ("get_user_id", "Call get_user_id() before anything else."),
        ('NEAR(" OR * ^disk:"', "The disk is full."),
    ],
)
def test_finds_words_of_any_script(backend: SqliteBackend, question: str, text: str) -> None:
    """Japanese and Korean, accents in either case, error codes, identifiers, and text that looks like query syntax are all found."""
    store = backend.open("c")
    wanted = chunk("7", text)
    store.write([*SAMPLE[1:], wanted])
    assert store.query(question, 3)[0].chunk_id == wanted.id


def test_a_question_without_words_finds_nothing(backend: SqliteBackend) -> None:
    """Punctuation alone is no query, and no error."""
    store = backend.open("c")
    store.write(SAMPLE)
    assert store.query('"" -- *', 3) == []


def test_a_word_in_the_title_counts_more(backend: SqliteBackend) -> None:
    """Of two chunks with the word, the one whose title has it comes first."""
    store = backend.open("c")
    body = chunk("1", "Known Issues > A\n\nThe toner is empty.")
    titled = chunk("2", "Known Issues > B\n\nThe toner is empty.")
    titled = replace(titled, metadata=titled.metadata._replace(title="Toner"))
    store.write([body, titled])
    assert [hit.chunk_id for hit in store.query("toner", 2)] == [titled.id, body.id]


def test_scores_stay_between_zero_and_one(backend: SqliteBackend) -> None:
    """Keyword scores are scaled, and fall from hit to hit."""
    store = backend.open("c")
    store.write([chunk(str(i), f"alpha {'beta ' * i}") for i in range(5)])
    scores = [hit.score for hit in store.query("alpha beta", 5)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


def test_common_words_are_left_out_where_there_are_rarer_ones(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a large collection words that most chunks have are not looked up, compounds by their rarest part, unless nothing else is asked."""
    monkeypatch.setattr(sqlite_words, "COMMON", 10)
    store = backend.open("c")
    store.write([chunk(str(i), f"every chunk number{i}" + (" zebra" if i % 10 == 0 else "")) for i in range(50)])
    asked = ["every", "chunk", "zebra", "chunk zebra", "nowhere", "number7"]
    connection = backend.connections.mine()
    assert sqlite_words._worth_asking(connection, store.number, asked) == ["zebra", "chunk zebra", "nowhere", "number7"]
    assert len(store.query("every chunk zebra", 50)) == 5
    assert len(store.query("every", 50)) == 50
    assert store.query("nowhere", 50) == []


def test_filters_by_page_and_date(backend: SqliteBackend) -> None:
    """Pages and dates filter too, the dates inclusive."""
    store = backend.open("c")
    old = replace(DISK, id="old", metadata=DISK.metadata._replace(page_id="8", last_modified="2020-01-01T00:00:00Z"))
    store.write([DISK, old])
    assert [hit.chunk_id for hit in store.query("disk", 5, Filter(page_ids=("8",)))] == ["old"]
    assert [hit.chunk_id for hit in store.query("disk", 5, Filter(modified_before="2020-01-01T00:00:00Z"))] == ["old"]
    assert [hit.chunk_id for hit in store.query("disk", 5, Filter(modified_since="2021-01-01T00:00:00Z"))] == [DISK.id]


def test_several_collections_share_a_file(backend: SqliteBackend) -> None:
    """Each collection finds its own chunks, and dropping one leaves the other."""
    one, two = backend.open("one"), backend.open("two")
    one.write([DISK])
    two.write([DISK, LOGIN])
    assert backend.collections() == ["one", "two"]
    one.drop()
    assert backend.collections() == ["two"]
    assert two.identity().count == 2


def test_a_transaction_is_all_or_nothing(backend: SqliteBackend) -> None:
    """What fails inside transaction() leaves nothing behind, not even what came before the failure."""
    store = backend.open("c")
    store.write([DISK])
    with pytest.raises(ZeroDivisionError), store.transaction():  # noqa: PT012  # the point is what came before
        store.write([LOGIN])
        store.delete([DISK.id])
        raise ZeroDivisionError
    assert [stored.chunk_id for stored in store.ids()] == [DISK.id]
    assert store.query("journal", 5)[0].chunk_id == DISK.id


def test_replaced_text_is_not_found_by_its_old_words(backend: SqliteBackend) -> None:
    """Writing other text under an id takes the old words out of the index."""
    store = backend.open("c")
    store.write([DISK])
    store.write([replace(DISK, text="Known Issues > Toner\n\nThe toner is empty.")])
    assert store.query("journalctl", 5) == []
    assert store.query("toner", 5)[0].chunk_id == DISK.id


def test_ids_can_be_read_while_deleting(backend: SqliteBackend) -> None:
    """A caller that deletes what it reads, a few at a time, sees every chunk once."""
    store = backend.open("c")
    store.write([chunk(str(i), f"number {i}") for i in range(2500)])
    seen = []
    for stored in store.ids():
        seen.append(stored.chunk_id)
        if len(seen) % 10 == 0:
            store.delete(seen[-10:])
    assert (len(seen), len(set(seen)), store.identity().count) == (2500, 2500, 0)


def test_half_a_character_is_rejected_by_name(backend: SqliteBackend) -> None:
    """A lone surrogate in the text is a Rejected that names the chunk, and its neighbours are not written with it."""
    store = backend.open("c")
    bad = replace(LOGIN, text="half \ud83d of an emoji")
    with pytest.raises(Rejected, match=LOGIN.id):
        store.write([DISK, bad])
    assert store.identity().count == 0


def test_a_title_with_half_a_character_comes_back(backend: SqliteBackend) -> None:
    """Confluence titles can hold lone surrogates; they survive in the metadata."""
    store = backend.open("c")
    store.write([replace(DISK, metadata=DISK.metadata._replace(title="odd \ud83d title"))])
    hit = store.query("journal", 1)[0]
    assert hit.metadata is not None
    assert hit.metadata.title == "odd \ud83d title"


def test_threads_query_while_one_writes(backend: SqliteBackend) -> None:
    """Queries from other threads see whole pages only: five chunks of a page, or none."""
    store = backend.open("c")
    odd: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = [hit.metadata.page_id for hit in store.query("paragraph", 500) if hit.metadata]
            odd.extend(n for page in set(found) if (n := found.count(page)) != 5)

    reader = threading.Thread(target=read)
    reader.start()
    for page in range(40):
        with store.transaction():
            store.write([chunk(str(page), f"paragraph {page} {i}", index=i) for i in range(5)])
    done.set()
    reader.join()
    assert odd == []
    assert store.identity().count == 200


def test_another_process_reads_while_this_one_writes(backend: SqliteBackend, path: Path) -> None:
    """A service in another process sees the last whole state during a write, without waiting."""
    store = backend.open("c")
    store.write(SAMPLE)
    code = (
        "import sys; from pathlib import Path; from confluence_sync.stores.sqlite import SqliteBackend;"
        "print(SqliteBackend(Path(sys.argv[1])).connections.mine().execute('SELECT count(*) FROM chunks_1').fetchone()[0])"
    )
    with store.transaction():
        store.delete([DISK.id])
        seen = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=30)
    assert seen.stdout.strip() == "3"


def test_a_writer_waits_and_then_says_who_is_in_the_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second writer that cannot get in tells that the file is in use, and changes nothing."""
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.1)
    first, second = SqliteBackend(path), SqliteBackend(path)
    one, two = first.open("c"), second.open("c")
    with one.transaction():
        one.write([DISK])
        with pytest.raises(ServerFailed, match="in use by another program"):
            two.write([LOGIN])
    assert two.identity().count == 1
    first.close()
    second.close()


def test_a_damaged_file_is_named_and_left_alone(path: Path) -> None:
    """A file that is no database any more is an error that says what to do; not one byte of it changes."""
    path.parent.mkdir()
    path.write_bytes(b"not a database " * 1000)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"damaged.*aside"):
        SqliteBackend(path).open("c")
    assert path.read_bytes() == before


def test_damage_in_the_middle_is_told_when_it_is_met(path: Path) -> None:
    """Pages overwritten inside the file surface as the same error, not as wrong answers."""
    backend = SqliteBackend(path)
    store = backend.open("c")
    store.write([chunk(str(i), f"number {i} " + "word " * 200) for i in range(300)])
    backend.close()
    raw = bytearray(path.read_bytes())
    raw[8192 : len(raw) - 4096] = b"\xff" * (len(raw) - 12288)
    path.write_bytes(bytes(raw))
    with closing(SqliteBackend(path)) as again, pytest.raises(SettingsError, match="damaged"):
        list(again.open("c").ids())


def test_a_foreign_file_is_left_alone(path: Path) -> None:
    """A SQLite file of another program is refused before anything is written to it."""
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url)")
    other.close()
    with pytest.raises(Refused, match="another program"):
        SqliteBackend(path).open("c")
    check = sqlite3.connect(path)
    assert [name for (name,) in check.execute("SELECT name FROM sqlite_master")] == ["bookmarks"]
    check.close()


def test_a_newer_layout_is_not_touched(path: Path) -> None:
    """A file of a later version asks for an upgrade instead of being misread."""
    backend = SqliteBackend(path)
    backend.open("c")
    backend.connections.mine().execute("PRAGMA user_version = 99")
    backend.close()
    with pytest.raises(SettingsError, match=r"newer confluence-sync.*99"):
        SqliteBackend(path).open("c")


def test_a_full_disk_takes_the_page_back(backend: SqliteBackend) -> None:
    """When the file cannot grow, the transaction is undone, the error says so, and the store works on."""
    store = backend.open("c")
    store.write([DISK])
    connection = backend.connections.mine()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(ServerFailed, match="disk is full"):
        store.write([chunk(str(i), "word " * 5000 + str(i)) for i in range(20)])
    assert [stored.chunk_id for stored in store.ids()] == [DISK.id]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """STATE_DIR below a file is an error about STATE_DIR."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="STATE_DIR"):
        SqliteBackend(tmp_path / "file" / "store.db").open("c")


def test_a_collection_dropped_elsewhere_is_told(backend: SqliteBackend) -> None:
    """A store whose collection another run dropped says so."""
    store = backend.open("c")
    backend.open("c").drop()
    with pytest.raises(NotFound, match="dropped"):
        store.query("disk", 1)


def test_network_volumes_are_recognised(tmp_path: Path) -> None:
    """The mount that is nearest to the file decides."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path}/net nfs4 rw 0 0\n/dev/sdb {tmp_path}/net/local ext4 rw 0 0\n")
    assert on_network(tmp_path / "net" / "store.db", mounts)
    assert not on_network(tmp_path / "net" / "local" / "store.db", mounts)
    assert not on_network(tmp_path / "store.db", mounts)
    assert not on_network(tmp_path / "store.db", tmp_path / "missing")


def test_a_network_volume_gets_a_rollback_journal(path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where write-ahead logging cannot work it is not used, and a warning says what that costs."""
    monkeypatch.setattr(sqlite_file, "on_network", lambda path: True)
    backend = SqliteBackend(path)
    with caplog.at_level(logging.WARNING):
        store = backend.open("c")
    store.write(SAMPLE)
    assert "network volume" in caplog.text
    assert backend.connections.mine().execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    backend.close()


def test_collections_of_a_missing_file_are_none(path: Path) -> None:
    """Looking does not make the file."""
    assert SqliteBackend(path).collections() == []
    assert not path.exists()


def test_settings_say_where(tmp_path: Path) -> None:
    """open_backend puts the file into STATE_DIR, without an embedder when none is set."""
    backend = open_backend(Settings(state_dir=tmp_path))
    assert backend.path == tmp_path / "store.db"
    backend.open("c").write([FRENCH])
    assert "numpy" not in sys.modules or backend.embedder is None
    backend.close()


def test_a_query_inside_a_transaction_sees_what_was_written(backend: SqliteBackend) -> None:
    """Reading is part of a transaction that is open on the same thread."""
    store = backend.open("c")
    with store.transaction():
        store.write(SAMPLE)
        assert store.query("journal", 1)[0].chunk_id == DISK.id


LAYOUT_1 = "ALTER TABLE collections DROP COLUMN stamp; PRAGMA user_version = 1;"
LAYOUT_2 = """
ALTER TABLE collection RENAME TO collections;
CREATE TRIGGER chunks_1_in AFTER INSERT ON chunks_1 BEGIN
    INSERT INTO words_1 (rowid, heading, pairs, text) VALUES (new.number, new.heading, new.pairs, new.text);
END;
CREATE TRIGGER chunks_1_out AFTER DELETE ON chunks_1 BEGIN
    INSERT INTO words_1 (words_1, rowid, heading, pairs, text) VALUES ('delete', old.number, old.heading, old.pairs, old.text);
    DELETE FROM vectors_1 WHERE chunk = old.number;
END;
PRAGMA user_version = 2;
"""
LAYOUT_3 = "ALTER TABLE collection RENAME TO collections; PRAGMA user_version = 3;"
SEALED = "INSERT INTO words_1 (words_1, rank) VALUES ('integrity-check', 1)"  # fails when the index says other than the chunks


def written_in(path: Path, layout: str) -> None:
    """A file with the samples, as an earlier version left it."""
    backend = SqliteBackend(path)
    backend.open("c").write(SAMPLE)
    backend.connections.mine().executescript(layout)
    backend.close()


@pytest.mark.parametrize("layout", [LAYOUT_2 + LAYOUT_1, LAYOUT_2, LAYOUT_3], ids=["1", "2", "3"])
def test_a_file_of_an_earlier_layout_keeps_its_index(path: Path, layout: str) -> None:
    """After the upgrade, what was in is found once, what is new is found, what goes is not."""
    written_in(path, layout)
    backend = SqliteBackend(path)
    store = backend.open("c")
    new = chunk("new", "A journal of another kind")
    store.write([new])
    assert {hit.chunk_id for hit in store.query("journal", 5)} == {DISK.id, new.id}
    store.delete([DISK.id])
    assert [hit.chunk_id for hit in store.query("journal", 5)] == [new.id]
    assert store.identity().count == 3
    backend.connections.mine().execute(SEALED)
    backend.close()


@pytest.mark.parametrize("layout", ["", LAYOUT_2, LAYOUT_3], ids=["none", "2", "3"])
def test_several_open_a_file_that_must_be_laid_out(tmp_path: Path, layout: str) -> None:
    """Threads of a service and a job open the file at once: one lays it out, and the others find it so."""
    for attempt in range(10):
        path = tmp_path / str(attempt) / "store.db"
        if layout:
            written_in(path, layout)
        together = threading.Barrier(4)

        def opened(path: Path = path, together: threading.Barrier = together) -> list[str]:
            backend = SqliteBackend(path)
            together.wait(20)
            with closing(backend):
                backend.connections.mine()
                return backend.collections()

        with ThreadPoolExecutor(4) as pool:
            found = [future.result() for future in [pool.submit(opened) for _ in range(4)]]
        assert found == [["c"] if layout else []] * 4


def test_an_earlier_version_that_has_the_file_open_can_read_it_and_not_write(path: Path) -> None:
    """A job that began before the upgrade would write chunks that no index knows: each of its transactions ended with this statement."""
    written_in(path, LAYOUT_2)
    earlier = sqlite3.connect(path, isolation_level=None)
    named = "SELECT number, name, id, vectors, generation, stamp FROM collections"
    before = earlier.execute(named).fetchall()
    later = SqliteBackend(path)
    assert later.collections() == ["c"]
    later.close()
    assert earlier.execute(named).fetchall() == before
    for written in ("UPDATE collections SET stamp = hex(randomblob(8))", "INSERT INTO collections (name, id) VALUES ('d', 'd')"):
        with pytest.raises(sqlite3.OperationalError, match="view"):
            earlier.execute(written)
    earlier.close()


def test_an_index_that_an_earlier_version_wrote_past_is_made_anew(path: Path) -> None:
    """Layout 3 let such a job write. What it added is found, and what it deleted is not."""
    written_in(path, LAYOUT_3)
    earlier = sqlite3.connect(path, isolation_level=None)
    earlier.execute("DELETE FROM chunks_1 WHERE id = ?", (DISK.id,))
    earlier.execute(
        """INSERT INTO chunks_1 SELECT 99, 'added', space, page, modified, labels, metadata, heading, pairs, 'a zebra'
           FROM chunks_1 WHERE id = ?""",
        (LOGIN.id,),
    )
    earlier.close()
    backend = SqliteBackend(path)
    assert [hit.text for hit in backend.open("c").query("journal zebra", 5)] == ["a zebra"]
    backend.connections.mine().execute(SEALED)
    backend.close()


def test_the_index_is_written_once_a_call(backend: SqliteBackend) -> None:
    """Index segments are made by calls, not by chunks: a trigger wrote one for each chunk and cost three times the whole."""
    store = backend.open("c")
    made = [chunk(f"{number}", f"text number {number} of many words") for number in range(300)]
    store.write(made)
    segments = "SELECT count(DISTINCT segid) FROM words_1_idx"
    assert backend.connections.mine().execute(segments).fetchone() == (1,)
    store.delete([one.id for one in made[:200]])
    assert backend.connections.mine().execute(segments).fetchone() == (2,)
    backend.connections.mine().execute(SEALED)


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ("no such module: fts5", SettingsError, "use a build with FTS5"),
        ("disk I/O error", ServerFailed, "check the disk"),
    ],
)
def test_what_sqlite_says_becomes_advice(path: Path, said: str, kind: type[Exception], told: str) -> None:
    """A Python without FTS5 is a setting, a failing disk is not; each message has a next step."""
    with pytest.raises(kind, match=told), sqlite_file.said_plainly(path):
        raise sqlite3.OperationalError(said)


def test_a_path_that_is_a_folder_is_told(path: Path) -> None:
    """STATE_DIR with a folder in place of the file is an error about STATE_DIR."""
    path.mkdir(parents=True)
    with pytest.raises(SettingsError, match="set STATE_DIR"):
        SqliteBackend(path).open("c")
