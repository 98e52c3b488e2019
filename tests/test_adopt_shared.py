"""A collection is shared: with another program, another Confluence, other spaces and other shards. Each keeps to its own chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from confluence_sync.database import SqliteDatabase
from confluence_sync.errors import Refused
from confluence_sync.model import Stored
from confluence_sync.plan import Wanted
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.memory import MemoryBackend, MemoryStore
from tests.torture.bench import Bench, bench
from tests.torture.oracle import contents, difference, fresh
from tests.torture.world import OTHER, first_day, settings_for, small_steps, sync_once


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state") as made:
        yield made


def test_a_collection_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Without --adopt it is refused with that hint; with it our chunks come first, and then what was there goes."""
    backend = MemoryBackend()
    with bench(tmp_path / "state", backend=Mixed(backend), filled=False) as made:
        before = list(foreign().ids())
        with pytest.raises(Refused, match="--adopt"):
            made.sync()
        assert list(made.store.ids()) == before
        assert made.sync(adopt=True).exit == 0
        assert made.trouble() == ""
        assert made.sync().exit == 0


@pytest.mark.parametrize("wanted", [Wanted(limit=2), Wanted(page_ids=("1001",))])
def test_adopting_a_part_keeps_what_nothing_replaces(tmp_path: Path, wanted: Wanted) -> None:
    """A partial run with --adopt deletes nothing of the other program, and says so with exit 4."""
    with bench(tmp_path / "state", backend=Mixed(MemoryBackend()), filled=False) as made:
        report = made.sync(wanted, adopt=True)
        assert report.exit == 4
        assert "another program" in report.held[0].why
        assert {"theirs-1", "theirs-2"} <= {one.chunk_id for one in made.store.ids()}


@dataclass
class Shared(MemoryStore):
    """A collection in which another program's chunks carry no metadata of ours."""

    theirs: set[str] = field(default_factory=set)

    def ids(self) -> Iterator[Stored]:
        yield from [Stored(c.id, None if c.id in self.theirs else c.metadata) for c in self.chunks.values()]


def foreign() -> Shared:
    from tests.store_contract import DISK

    chunks = {name: replace(DISK, id=name) for name in ("theirs-1", "theirs-2")}
    return Shared(chunks=chunks, theirs=set(chunks))


@dataclass
class Mixed(MemoryBackend):
    """Its one collection was begun by another program."""

    def __init__(self, inner: MemoryBackend) -> None:
        super().__init__(stores={"confluence": foreign()})


def test_two_spaces_share_a_collection(filled: Bench, tmp_path: Path) -> None:
    """Two jobs with a space each never touch each other's chunks, also when each compares itself with the store."""
    other = replace(filled, folder=tmp_path / "other job")
    assert other.sync(SPACE_NAME=OTHER).pages.new == 2
    filled.simulator.edit("1002", "<p>new</p>")
    filled.simulator.edit("1031", "<p>new</p>")
    assert filled.sync().chunks.deleted > 0
    assert other.sync(SPACE_NAME=OTHER).exit == 0
    assert filled.trouble(SPACE_NAME=f"KB,{OTHER}") == ""


@pytest.mark.parametrize("order", [("KB", OTHER), (OTHER, "KB")])
def test_a_page_that_moves_between_two_spaces_of_one_collection(filled: Bench, order: tuple[str, str]) -> None:
    """Whichever space is done first, the page is in the collection once, under its new space."""
    spaces = ",".join(order)
    filled.sync(SPACE_NAME=spaces)
    filled.simulator.move_space("1003", OTHER)
    assert filled.sync(SPACE_NAME=spaces).exit == 0
    assert filled.trouble(SPACE_NAME=spaces) == ""
    filled.simulator.move_space("1003", "KB")
    assert filled.sync(SPACE_NAME=spaces).exit == 0
    assert filled.trouble(SPACE_NAME=spaces) == ""


@pytest.mark.parametrize("counts", [(1, 2), (2, 1), (2, 3), (4, 2)])
def test_another_number_of_shards(tmp_path: Path, counts: tuple[int, int]) -> None:
    """Pages that another shard filled are taken over with their chunks, and edits and deletions of the day are found by the new one."""
    with small_steps(), Simulator(first_day()) as simulator:
        backend = MemoryBackend()
        for day, count in enumerate(counts):
            for shard in range(count):
                settings = settings_for(simulator, tmp_path / f"shard {shard}", SHARD_COUNT=str(count), JOB_COMPLETION_INDEX=str(shard))
                assert sync_once(settings, backend).exit == 0
            assert difference(contents(backend.open("confluence")), fresh(simulator)) == ""
            if not day:
                simulator.edit("1002", "<h2>A</h2><p>edited</p>")
                simulator.edit("1005", "<h2>B</h2><p>edited</p>")
                simulator.trash("1007")


def test_chunks_of_another_confluence_are_not_ours(filled: Bench) -> None:
    """Another Confluence whose space has the same key may share the collection: a rebuilt state leaves its chunks alone."""
    ours = next(iter(filled.store.ids())).chunk_id
    theirs = replace(memory_of(filled).chunks[ours], id="e" * 32)
    theirs = replace(theirs, metadata=theirs.metadata._replace(source="dc:elsewhere.example.com", page_id="424242"))
    filled.store.write([theirs])
    filled.lose_state()
    report = filled.sync()
    assert (report.exit, report.pages.deleted, report.chunks.deleted) == (0, 0, 0)
    assert theirs.id in filled.contents()


def memory_of(made: Bench) -> MemoryStore:
    assert isinstance(made.store, MemoryStore)
    return made.store


def test_a_shard_knows_its_own_pages_only(tmp_path: Path) -> None:
    """With another SHARD_COUNT a page leaves the state of the shard that had it, so that no shard asks what became of another's pages."""
    with small_steps(), Simulator(first_day()) as simulator:
        backend = MemoryBackend()
        for count in (2, 3):
            for shard in range(count):
                settings = settings_for(simulator, tmp_path / f"shard {shard}", SHARD_COUNT=str(count), JOB_COMPLETION_INDEX=str(shard))
                sync_once(settings, backend)
        named = 0
        for shard in range(3):
            with closing(SqliteDatabase(tmp_path / f"shard {shard}" / "state.db")) as database:
                named += len(database.rows("select page_id from entry"))
        assert named == 14
