"""verify finds every way in which space, state and store can differ, and --repair leaves what a fresh sync would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from confluence_sync.cli import main
from confluence_sync.database import SqliteDatabase
from confluence_sync.model import Stored
from confluence_sync.run import Means
from confluence_sync.stores.memory import MemoryBackend, MemoryStore
from confluence_sync.verify import Verdict, Wrong, repair, verify
from tests.torture.bench import Bench, bench
from tests.torture.world import HURRIED, gateway, settings_for


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state") as made:
        yield made


def checked(made: Bench) -> Verdict:
    return verify(settings_for(made.simulator, made.folder), Means(backend=made.backend, patience=HURRIED))


def chunk_ids(made: Bench, page_id: str) -> list[str]:
    return [chunk_id for chunk_id, (_, m) in made.contents().items() if m["page_id"] == page_id]


def memory(made: Bench) -> MemoryStore:
    assert isinstance(made.store, MemoryStore)
    return made.store


def lose_chunk(made: Bench) -> None:
    made.store.delete(chunk_ids(made, "1002")[:1])


def add_chunk(made: Bench) -> None:
    one = memory(made).chunks[chunk_ids(made, "1002")[0]]
    made.store.write([replace(one, id="f" * 32, text="nobody's words")])


def add_page(made: Bench) -> None:
    one = memory(made).chunks[chunk_ids(made, "1002")[0]]
    made.store.write([replace(one, id="f" * 32, metadata=one.metadata._replace(page_id="999999"))])


def spoil_metadata(made: Bench) -> None:
    one = memory(made).chunks[chunk_ids(made, "1002")[0]]
    made.store.retag([replace(one, metadata=one.metadata._replace(title="Somebody's title"))])


def forget_page(made: Bench) -> None:
    database = SqliteDatabase(made.folder / "state.db")
    database.run("delete from entry where page_id = '1002'")
    database.close()


HARM: dict[str, tuple[Callable[[Bench], None], Wrong]] = {
    "a chunk was deleted": (lose_chunk, Wrong.CHUNK_MISSING),
    "a chunk was added": (add_chunk, Wrong.CHUNK_EXTRA),
    "a page was added": (add_page, Wrong.CHUNK_EXTRA),
    "metadata was changed": (spoil_metadata, Wrong.CHUNK_STALE),
    "the state forgot a page": (forget_page, Wrong.PAGE_MISSING),
    "a page was edited": (lambda made: made.simulator.edit("1002", "<p>new</p>"), Wrong.PAGE_STALE),
    "a page has other labels": (lambda made: made.simulator.relabel("1002", ("green",)), Wrong.PAGE_STALE),
    "a page was trashed": (lambda made: made.simulator.trash("1002"), Wrong.PAGE_GONE),
    "a page came": (lambda made: made.simulator.add_page("New", "<p>new</p>", "KB"), Wrong.PAGE_MISSING),
}


def test_a_sound_store_has_no_difference(filled: Bench) -> None:
    """Everything is counted, nothing differs, and neither store nor state is changed by looking."""
    before = filled.contents()
    verdict = checked(filled)
    assert (verdict.sound, verdict.pages, verdict.chunks) == (True, 14, len(before))
    assert filled.contents() == before
    assert filled.sync().chunks.written == 0


@pytest.mark.parametrize("harm", HARM)
def test_each_difference_is_found_and_mended(filled: Bench, harm: str) -> None:
    """Found under its own name, mended by an ordinary run, and gone at the second look."""
    do, wrong = HARM[harm]
    do(filled)
    assert wrong in checked(filled).counts
    settings = settings_for(filled.simulator, filled.folder)
    before, report, after = repair(settings, Means(backend=filled.backend, patience=HURRIED))
    assert wrong in before.counts
    assert report.exit == 0
    assert after.sound, after.counts
    assert filled.trouble() == ""


@dataclass
class Doubling(MemoryStore):
    """Lists some chunks twice until they are deleted, as a store without upsert does."""

    twice: set[str] = field(default_factory=set)

    def ids(self) -> Iterator[Stored]:
        yield from super().ids()
        yield from [Stored(c.id, c.metadata) for c in self.chunks.values() if c.id in self.twice]

    def delete(self, chunk_ids: object) -> None:
        super().delete(chunk_ids)  # type: ignore[arg-type]
        self.twice -= set(chunk_ids)  # type: ignore[call-overload]


def test_a_chunk_that_is_there_twice(filled: Bench) -> None:
    """A doubled chunk is found, and stored once after the repair."""
    assert isinstance(filled.backend, MemoryBackend)
    twice = set(chunk_ids(filled, "1002")[:2])
    filled.backend.stores["confluence"] = Doubling(**vars(filled.store), twice=twice)
    assert checked(filled).counts[Wrong.CHUNK_DOUBLE] == 2
    _, report, after = repair(settings_for(filled.simulator, filled.folder), Means(backend=filled.backend, patience=HURRIED))
    assert (report.exit, after.sound) == (0, True)
    assert filled.trouble() == ""


def test_the_ceiling_holds_for_a_repair_too(filled: Bench) -> None:
    """A repair deletes no more than a sync would, and says so."""
    for number in range(1, 10):
        filled.simulator.trash(str(1000 + number))
    _, report, after = repair(settings_for(filled.simulator, filled.folder), Means(backend=filled.backend, patience=HURRIED))
    assert (report.exit, after.counts[Wrong.PAGE_GONE]) == (4, 9)


def test_the_command_says_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 and one line when sound, 3 with names and numbers when not, 0 after --repair; --json holds the same."""
    with bench(tmp_path / "unused", filled=False) as made:
        for name, value in gateway(made.simulator.url, tmp_path / "state").items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        assert main(["sync"]) == 0
        assert main(["verify"]) == 0
        assert "14 pages in the space, 84 chunks in the store: no difference" in capsys.readouterr().out
        made.simulator.rename("1002", "Page \x1b[31m2")
        assert main(["verify"]) == 3
        said = capsys.readouterr().out
        assert "1 pages stale" in said
        assert "\x1b" not in said
        assert main(["verify", "--json"]) == 3
        assert json.loads(capsys.readouterr().out)["counts"] == {"pages stale": 1}
        assert main(["verify", "--repair"]) == 0
        assert "no difference" in capsys.readouterr().out
