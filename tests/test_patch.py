"""Editing one page: only changed chunks are written, new ones before stale ones go, and counts say what the store got."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from confluence_sync.database import SqliteDatabase
from confluence_sync.errors import Rejected, RemoteError, ServerFailed
from confluence_sync.model import Chunk, Page, PageRef, utf8
from confluence_sync.patch import PAGES_AT_ONCE, patch
from confluence_sync.plan import Wanted
from confluence_sync.prepare import Prepared, cut_for, prepare
from confluence_sync.report import SpaceReport
from confluence_sync.source.base import Failure
from confluence_sync.state import State
from confluence_sync.stores.base import Feature, Identity
from confluence_sync.stores.memory import ALL, MemoryBackend, MemoryStore
from tests.torture.bench import Bench, bench
from tests.torture.world import second_day


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state") as made:
        yield made


@dataclass
class Told(MemoryStore):
    """Remembers the order of its calls; refuses chunks that say `poison`; cannot tell what it holds unless it is `open`."""

    calls: list[tuple[str, int]] = field(default_factory=list)
    poison: str = "\0"
    open: bool = True

    def identity(self) -> Identity:
        return super().identity() if self.open else Identity(self.id, None)

    def write(self, chunks: Sequence[Chunk]) -> None:
        bad = [chunk.id for chunk in chunks if self.poison in chunk.text]
        self.calls.append(("write", len(chunks)))
        super().write([chunk for chunk in chunks if chunk.id not in bad])
        if bad:
            raise Rejected("too long", 400, chunk_ids=tuple(bad))

    def delete(self, chunk_ids: Sequence[str]) -> None:
        self.calls.append(("delete", len(chunk_ids)))
        super().delete(chunk_ids)


def tell(made: Bench, **settings: object) -> Told:
    assert isinstance(made.backend, MemoryBackend)
    told = Told(**{k: v for k, v in vars(made.store).items() if k in ("id", "chunks", "features", "stamp")}, **settings)  # type: ignore[arg-type]
    made.backend.stores["confluence"] = told
    return told


def test_one_edited_word_writes_one_chunk(filled: Bench) -> None:
    """The other chunks of the page stay, with the page's new version in their metadata."""
    filled.simulator.replace_text("1002", "begins", "starts")
    report = filled.sync()
    assert (report.chunks.written, report.chunks.deleted) == (1, 1)
    assert report.chunks.retagged > 1
    assert filled.trouble() == ""


def test_new_chunks_are_in_before_stale_ones_go(filled: Bench) -> None:
    """A reader may see a page twice for a moment, never a hole."""
    told = tell(filled)
    filled.simulator.edit("1002", "<p>all new</p>")
    filled.sync()
    assert [name for name, _ in told.calls] == ["write", "delete"]


def test_an_emptied_page_leaves_no_chunk(filled: Bench) -> None:
    """A page without text is a page: its old chunks go, and the next run has nothing to do."""
    filled.simulator.edit("1002", "")
    assert filled.sync().exit == 0
    assert "1002" not in filled.pages()
    assert filled.sync().pages.unchanged == 14


def test_the_report_counts_what_the_store_holds(filled: Bench) -> None:
    """written + retagged + kept is the number of chunks in the store, after each kind of run."""
    second_day(filled.simulator)
    for _ in range(2):
        report = filled.sync()
        assert report.chunks.written + report.chunks.retagged + report.chunks.kept == len(filled.contents())
        pages = report.pages
        assert pages.new + pages.changed + pages.retagged + pages.unchanged + pages.failed == pages.listed


@pytest.mark.parametrize("lists", [True, False])
def test_a_refused_chunk_fails_its_page_alone(filled: Bench, lists: bool) -> None:
    """Exit 3, the page is named with the reason, the others are in; when the store takes it later, everything is right."""
    told = tell(filled, poison="curare", open=lists)
    told.features = ALL if lists else ALL & ~Feature.LIST
    filled.simulator.edit("1002", "<h2>A</h2><p>curare</p>")
    filled.simulator.edit("1003", "<h2>A</h2><p>honey</p>")
    report = filled.sync()
    assert (report.exit, report.pages.failed, report.pages.changed) == (3, 1, 1)
    assert "too long" in report.spaces[0].failed[0].why
    told.poison = "\0"
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


def test_zero_of_n_pages_is_never_success(filled: Bench) -> None:
    """A store that refuses every chunk gives an exit code that is not 0, and the report counts nothing as written."""
    tell(filled, poison="e")
    for number in range(1, 15):
        filled.simulator.edit(str(1000 + number), "<p>new text</p>")
    report = filled.sync()
    assert (report.exit, report.pages.failed, report.pages.changed) == (3, 14, 0)


@dataclass
class Broken(MemoryStore):
    def write(self, chunks: Sequence[Chunk]) -> None:
        raise ServerFailed("the store answered 500", 500)


def test_a_store_that_answers_500_is_exit_5(filled: Bench) -> None:
    """The run says that the store failed, never that chunks went in, and the next one finishes."""
    assert isinstance(filled.backend, MemoryBackend)
    whole = filled.store
    filled.backend.stores["confluence"] = Broken(**vars(whole))
    filled.simulator.edit("1002", "<p>new</p>")
    with pytest.raises(RemoteError) as failed:
        filled.sync()
    assert failed.value.exit_code == 5
    filled.backend.stores["confluence"] = whole  # type: ignore[assignment]
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


def test_without_retag_a_new_title_writes_the_page_again(tmp_path: Path) -> None:
    """Where metadata cannot be replaced, what a reader sees of it is never stale."""
    backend = MemoryBackend(features=ALL & ~Feature.RETAG, stores={"confluence": MemoryStore(features=ALL & ~Feature.RETAG)})
    with bench(tmp_path / "state", backend=backend) as made:
        made.simulator.relabel("1002", ("green",))
        made.simulator.replace_text("1002", "begins", "starts")
        made.sync()
        labels = {tuple(m["labels"]) for _, m in made.contents().values() if m["page_id"] == "1002"}  # type: ignore[arg-type]
        assert labels == {("green",)}
        assert {text for text, _ in made.contents().values()} == {text for text, _ in fresh_texts(made)}


def fresh_texts(made: Bench) -> list[tuple[str, object]]:
    from tests.torture.oracle import fresh

    return list(fresh(made.simulator).values())


def test_rebuild_writes_everything_and_leaves_no_hole(filled: Bench) -> None:
    """--rebuild writes every page over itself: at no moment is a page missing."""
    told = tell(filled)
    report = filled.sync(Wanted(rebuild=True))
    assert report.chunks.written == len(filled.contents())
    assert [name for name, count in told.calls if name == "delete" and count] == []
    assert filled.trouble() == ""


def test_a_store_that_only_upserts_keeps_its_word(tmp_path: Path) -> None:
    """Without DELETE nothing is deleted, gone pages are held with exit 4, and the state goes on naming every chunk that is there."""
    features = Feature.UPSERT | Feature.QUERY
    backend = MemoryBackend(features=features, stores={"confluence": Told(features=features, open=False)})
    with bench(tmp_path / "state", backend=backend) as made:
        made.simulator.edit("1002", "<p>new</p>")
        made.simulator.trash("1003")
        report = made.sync()
        assert (report.exit, report.pages.deleted, report.chunks.deleted) == (4, 0, 0)
        assert "cannot delete" in report.held[0].why
        backend.stores["confluence"].features = ALL & ~Feature.LIST  # the server learned to delete
        made.sync(Wanted(rebuild=True))
        assert made.trouble() == ""


@dataclass
class Slow(Told):
    """Takes `each` seconds for a chunk, by its own clock."""

    each: float = 0.0
    now: float = 0.0

    def write(self, chunks: Sequence[Chunk]) -> None:
        super().write(chunks)
        self.now += self.each * len(chunks)


@pytest.mark.parametrize(("each", "bundles"), [(0.001, [6, 78]), (1.0, [6, 24, 24, 24, 6]), (9.0, [6] * 14)])
def test_a_slow_store_gets_small_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, each: float, bundles: list[int]) -> None:
    """So that a run which is out of time stops within seconds, while a quick store gets everything at once."""
    with bench(tmp_path / "state") as made, monkeypatch.context() as patched:  # undone before the bench puts its own back
        slow = Slow(each=each)
        assert isinstance(made.backend, MemoryBackend)
        made.backend.stores["confluence"] = slow
        patched.setattr("confluence_sync.patch.monotonic", lambda: slow.now)
        patched.setattr("confluence_sync.patch.FIRST_CHUNKS", 1)
        patched.setattr("confluence_sync.patch.PAGES_AT_ONCE", 200)
        made.sync(Wanted(rebuild=True))
        assert [count for name, count in slow.calls if name == "write"] == bundles


def test_a_bundle_is_let_go_before_the_next_is_gathered(tmp_path: Path) -> None:
    """Two at once would be the largest thing in memory."""
    alive: list[int] = []

    def groups() -> Iterator[list[Prepared | Failure]]:
        for number in range(3):
            gc.collect()
            alive.append(sum(isinstance(one, Chunk) for one in gc.get_objects()))
            yield [prepared(number, "<p>Text.</p>")]
            yield [prepared(number + more, "") for more in range(10, 10 + PAGES_AT_ONCE)]

    with closing(State(SqliteDatabase(tmp_path / "state.db"))) as state:
        assert list(patch(state, Forgetful(), "s", groups(), SpaceReport("OPS", "Ops"))) == [201, 402, 603]
    assert alive == [alive[0]] * 3


class Forgetful(MemoryStore):
    """Keeps nothing, so that what is alive is the run's."""

    def write(self, chunks: Sequence[Chunk]) -> None:
        assert len(chunks) == 1


def prepared(number: int, body: str) -> Prepared:
    page = Page(PageRef(str(number), 1, f"Page {number}"), "cloud:x", "OPS", "Ops", "https://x.test", "https://x.test", utf8(body))
    [made] = prepare([page], cut_for(1000, 180), {})
    return made
