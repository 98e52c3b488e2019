"""State lost, store emptied, restored, swapped or shared: the next run notices that they parted and leaves what a fresh sync would."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from confluence_sync.adopt import _entry
from confluence_sync.errors import Refused
from confluence_sync.model import Chunk
from confluence_sync.stores.base import Feature
from confluence_sync.stores.memory import MemoryBackend, MemoryStore
from confluence_sync.stores.sqlite import ALL, SqliteBackend, SqliteStore
from tests.torture.bench import Bench, bench
from tests.torture.world import second_day


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state") as made:
        yield made


def test_a_lost_state_is_rebuilt_from_the_store(filled: Bench) -> None:
    """A pod without a volume writes nothing that is there already, and changes and deletes what the night brought."""
    filled.lose_state()
    report = filled.sync()
    assert (report.chunks.written, report.chunks.deleted, report.pages.unchanged) == (0, 0, 14)
    second_day(filled.simulator)
    filled.lose_state()
    report = filled.sync()
    assert (report.exit, report.pages.new, report.pages.deleted) == (0, 2, 5)
    assert filled.trouble() == ""


def test_an_emptied_store_is_filled_again(filled: Bench) -> None:
    """Never "nothing to do" on an empty store: neither when its chunks went, nor when it was dropped and made anew."""
    for emptied in (lambda: filled.store.delete(list(filled.contents())), filled.store.drop):
        emptied()
        assert filled.sync().pages.new == 14
        assert filled.trouble() == ""


def test_half_of_a_page_that_went_is_written_again(filled: Bench) -> None:
    """A chunk that somebody deleted comes back with the next run."""
    filled.store.delete(sorted(filled.contents())[::7])
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


@pytest.mark.parametrize("day", ["quiet", "busy"])
def test_a_restored_older_copy_is_noticed(tmp_path: Path, day: str) -> None:
    """Yesterday's file is put back, with the same id and as many chunks: the stamp tells, and the store is brought up to date."""
    store, backup = tmp_path / "store.db", tmp_path / "yesterday.db"
    backend = Reopening(store)
    with closing(backend), bench(tmp_path / "state", backend=backend) as made:
        backend.copied(store, backup)
        if day == "busy":
            second_day(made.simulator)
        else:
            made.simulator.edit("1002", made.simulator.body("1002").replace("part 2", "part two"))
        made.sync()
        assert made.trouble() == ""
        backend.copied(backup, store)
        assert made.trouble() != ""
        assert made.sync().exit == 0
        assert made.trouble() == ""


@dataclass
class Reopening:
    """The embedded store, opened anew each time, so that its file can be exchanged between two runs."""

    path: Path
    name: str = "sqlite"
    opened: SqliteBackend | None = None

    @property
    def features(self) -> Feature:
        return ALL

    def open(self, collection: str) -> SqliteStore:
        self.close()
        self.opened = SqliteBackend(self.path)
        return self.opened.open(collection)

    def collections(self) -> list[str]:
        return ["confluence"]

    def close(self) -> None:
        """Also folds the write-ahead log into the file."""
        if self.opened:
            self.opened.close()

    def copied(self, source: Path, target: Path) -> None:
        self.close()
        shutil.copy(source, target)


def test_a_swapped_store_is_noticed(filled: Bench) -> None:
    """Another collection under the same name, filled from the same space a day later or earlier, is compared chunk by chunk."""
    other = copy.deepcopy(filled.store)
    assert isinstance(other, MemoryStore)
    assert isinstance(filled.backend, MemoryBackend)
    second_day(filled.simulator)
    filled.sync()
    filled.backend.stores["confluence"] = replace(other, id="another one")
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


def test_two_pods_without_a_common_state_leave_no_duplicate(filled: Bench, tmp_path: Path) -> None:
    """Pods that take turns with states of their own, each a day behind, end with what a fresh sync would leave."""
    pods = [filled, replace(filled, folder=tmp_path / "other pod")]
    for number, text in enumerate(("one", "two", "three", "four")):
        filled.simulator.edit("1002", f"<h2>A</h2><p>{text}</p>")
        filled.simulator.trash(str(1004 + number))
        assert pods[number % 2].sync().exit == 0
        assert filled.trouble() == ""


@dataclass
class Meddled(MemoryStore):
    """Another pod finishes its run just before this one's last look at the store."""

    meddle: list[Chunk] = field(default_factory=list)

    def write(self, chunks: Sequence[Chunk]) -> None:
        super().write([*chunks, *self.meddle])


def test_what_another_pod_wrote_meanwhile_is_not_taken_for_known(filled: Bench) -> None:
    """Chunks that appear beside ours during a run make the next one look chunk by chunk, and stale ones go."""
    assert isinstance(filled.backend, MemoryBackend)
    stale = next(iter(filled.backend.open("confluence").chunks.values()))
    extra = replace(stale, id="0" * 32, text="stale words of another pod")
    filled.backend.stores["confluence"] = Meddled(**vars(filled.backend.open("confluence")), meddle=[extra])
    filled.simulator.edit("1014", "<p>one</p>")
    filled.sync()
    assert "0" * 32 in filled.contents()
    filled.backend.stores["confluence"] = MemoryStore(**{k: v for k, v in vars(filled.store).items() if k != "meddle"})
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


@dataclass
class Forgetful(MemoryStore):
    """Says yes to everything and keeps every second chunk."""

    def write(self, chunks: Sequence[Chunk]) -> None:
        super().write(chunks[::2])


def test_a_store_that_says_yes_and_keeps_nothing_is_no_success(filled: Bench) -> None:
    """A run whose chunks are not there at the end exits 5 and says how many; the next run writes them again."""
    assert isinstance(filled.backend, MemoryBackend)
    filled.backend.stores["confluence"] = Forgetful()
    report = filled.sync()
    assert report.exit == 5
    assert "does not hold" in report.error
    filled.backend.stores["confluence"] = MemoryStore(**vars(filled.store))
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


def test_a_copy_of_the_state_from_yesterday(filled: Bench, tmp_path: Path) -> None:
    """A state restored from a backup beside today's store leads to the same store."""
    shutil.copytree(filled.folder, tmp_path / "backup")
    second_day(filled.simulator)
    filled.sync()
    shutil.rmtree(filled.folder)
    shutil.copytree(tmp_path / "backup", filled.folder)
    filled.simulator.edit("1008", "<p>later</p>")
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


def test_sqlite_backend_reopens(tmp_path: Path) -> None:
    """The embedded store's stamp changes with every kind of write, and with nothing else."""
    from tests.store_contract import DISK

    with closing(SqliteBackend(tmp_path / "store.db")) as backend:
        store = backend.open("c")
        stamps = [store.identity().stamp]
        for write in (lambda: store.write([DISK]), lambda: store.retag([DISK]), lambda: store.delete([DISK.id])):
            write()
            stamps.append(store.identity().stamp)
        assert len(set(stamps)) == 4
        assert backend.open("c").identity().stamp == stamps[-1]


def memory_of(made: Bench) -> MemoryStore:
    assert isinstance(made.store, MemoryStore)
    return made.store


def test_a_page_whose_chunks_are_of_two_versions_is_read_again(filled: Bench) -> None:
    """One chunk with the metadata of an older version is enough for a rebuilt state to doubt the page."""
    store = memory_of(filled)
    one = max((chunk for chunk in store.chunks.values() if chunk.page_id == "1002"), key=lambda chunk: chunk.id)
    store.retag([replace(one, metadata=one.metadata._replace(version=0, fingerprint="older"))])
    filled.lose_state()
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


def test_a_server_that_lost_its_features_is_not_believed(filled: Bench) -> None:
    """A store that could be listed yesterday and calls itself something else without a list today is refused, and nothing is written."""
    store = memory_of(filled)
    full = store.features
    store.features, store.id = Feature.UPSERT | Feature.QUERY, "legacy"
    before = dict(store.chunks)
    with pytest.raises(Refused, match="offers neither"):
        filled.sync()
    assert store.chunks == before
    store.features = full
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


def test_a_page_with_chunks_of_two_versions_shows_readers_neither() -> None:
    """A run that ended between two chunks left old labels on one of them: whichever comes first, the page is not taken for the new one."""
    rows = [("1", f"c{n}", 2, "f", "r", n, 2, "t", "red", shown) for n, shown in enumerate(("new", "old"))]
    assert _entry("1", [*rows], "").reader_hash == _entry("1", rows[::-1], "").reader_hash == ""
    assert _entry("1", [rows[0], (*rows[1][:9], "new")], "").reader_hash == "new"
