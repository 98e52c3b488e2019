"""What must hold when another embedding model takes over a collection, in every store whose vectors we make; their files inherit it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from confluence_sync.errors import ConfluenceSyncError, NotFound, Refused, SettingsError
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.base import COMING, Backend, Store
from tests.store_contract import chunk
from tests.torture.fuse import Fuse, FusedBackend, Stop, fused
from tests.torture.oracle import difference, fresh, listed
from tests.torture.world import first_day, settings_for, small_steps, sync_once
from tests.word_embedder import WordEmbedder

OLD, NEW = WordEmbedder(), WordEmbedder(dimension=32, weights="w2", model="better words")
REBUILD = Wanted(rebuild=True)
CUTS = ((11, "halfway"), (35, "before"), (35, "after"), (36, "after"))  # 35 is the exchange where a store has no commits, the last but two
Connect = Callable[[WordEmbedder], Backend]


class RebuildContract:
    """Inherit and give a `connect` fixture: a fresh, empty store each test, opened with the model that is given."""

    @pytest.fixture
    def filled(self, connect: Connect, tmp_path: Path) -> Iterator[Scene]:
        with small_steps(), Simulator(first_day()) as simulator:
            scene = Scene(simulator, tmp_path / "state", connect)
            assert scene.sync(OLD).exit == 0
            yield scene

    def test_another_model_is_refused_by_name(self, filled: Scene) -> None:
        """Nothing is written; the message names both models and the way out; readers go on with what is there."""
        before = filled.held(OLD)
        with pytest.raises(SettingsError, match=r"filled with words, and the embedder is better words.*sync --rebuild"):
            filled.sync(NEW)
        assert filled.held(OLD) == before
        assert filled.sync(OLD).chunks.written == 0

    def test_a_rebuild_takes_its_place(self, filled: Scene) -> None:
        """The collection is what a fresh sync with the new model makes; the next runs have nothing to do; the old model is refused."""
        report = filled.sync(NEW, REBUILD)
        assert (report.exit, report.pages.changed, report.pages.new) == (0, 14, 0)
        assert filled.trouble(NEW) == ""
        again = filled.sync(NEW)
        assert (again.exit, again.pages.unchanged, again.chunks.written) == (0, 14, 0)
        with filled.opened(NEW) as store:
            assert store.query("first words about part 2 of page 5", 1)[0].metadata
        with pytest.raises(SettingsError, match=r"filled with better words, and the embedder is words"):
            filled.sync(OLD)

    def test_a_reader_finds_something_at_every_moment(self, filled: Scene) -> None:
        """One that asks without end while the collection is rebuilt never gets an empty answer."""
        stop, answers, troubles = threading.Event(), [0], []

        def read() -> None:
            with filled.opened(OLD) as store:
                while not stop.is_set():
                    try:
                        answers.append(len(store.query("words about part 2", 5)))
                    except NotFound:  # it must be opened again, and then finds the new one by words
                        return
                    except ConfluenceSyncError as error:
                        troubles.append(str(error))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            assert filled.sync(NEW, REBUILD).exit == 0
        finally:
            stop.set()
            reader.join()
        assert troubles == []
        assert min(answers[1:]) > 0

    @pytest.mark.parametrize(("at", "when"), CUTS)
    def test_a_cut_rebuild_goes_on(self, filled: Scene, at: int, when: str) -> None:
        """Cut at any effect, readers have one model's collection, whole; the next plain run ends it, or asks for --rebuild again."""
        before = filled.held(OLD)
        with pytest.raises(Stop):
            filled.sync(NEW, REBUILD, Fuse(at, when))
        assert filled.held(OLD) == before
        with contextlib.suppress(SettingsError):  # which asks for --rebuild when nothing was begun
            filled.sync(NEW)
            assert filled.trouble(NEW) == ""
        filled.sync(NEW, REBUILD)
        assert filled.trouble(NEW) == ""
        assert filled.sync(NEW).pages.unchanged == 14

    def test_what_would_be_lost_is_not_given_up(self, filled: Scene) -> None:
        """Pages of a space that this run does not bring keep the old collection, and are named."""
        with filled.opened(OLD) as store:
            store.write([chunk("9", "another space's page", space="ELSEWHERE")])
        before = filled.held(OLD)
        with pytest.raises(Refused, match="space ELSEWHERE"):
            filled.sync(NEW, REBUILD)
        assert filled.held(OLD) == before

    def test_a_vanished_page_goes_only_with_its_proof(self, filled: Scene) -> None:
        """A page that was deleted upstream is not there afterwards; one that the listing lost keeps readers at the old collection."""
        filled.simulator.delete("1002")
        report = filled.sync(NEW, REBUILD)
        assert (report.exit, report.pages.deleted) == (0, 1)
        assert filled.trouble(NEW) == ""

    def test_too_many_vanished_pages_keep_the_old_one(self, filled: Scene) -> None:
        """The ceiling for deletions holds for a rebuild, too: readers keep all they had."""
        before = filled.held(OLD)
        for number in range(2, 14):
            filled.simulator.delete(str(1000 + number))
        report = filled.sync(NEW, REBUILD)
        assert report.exit == 4
        assert filled.held(OLD) == before


class Scene:
    """A simulator, a state folder and a store that is opened with one model after the other."""

    def __init__(self, simulator: Simulator, folder: Path, connect: Connect) -> None:
        self.simulator, self.folder, self.connect = simulator, folder, connect

    def sync(self, model: WordEmbedder, wanted: Wanted | None = None, fuse: Fuse | None = None) -> Report:
        fuse = fuse or Fuse()
        with closing(self.connect(model)) as backend, fused(fuse):
            return sync_once(settings_for(self.simulator, self.folder), FusedBackend(backend, fuse), wanted=wanted)

    @contextmanager
    def opened(self, model: WordEmbedder) -> Iterator[Store]:
        with closing(self.connect(model)) as backend:
            yield backend.open("confluence")

    def held(self, model: WordEmbedder) -> set[str]:
        """Ids of the chunks that readers find, each once."""
        with self.opened(model) as store:
            return set(listed(store))

    def fresh(self) -> set[str]:
        return set(fresh(self.simulator))

    def trouble(self, model: WordEmbedder) -> str:
        """How the collection differs from a fresh one in chunks and metadata; and nothing may be left beside it."""
        wanted = {chunk_id: ("", metadata) for chunk_id, (_, metadata) in fresh(self.simulator).items()}
        with closing(self.connect(model)) as backend:
            found = {chunk_id: ("", metadata) for chunk_id, metadata in listed(backend.open("confluence")).items()}
            beside = backend.open("confluence" + COMING)
            left = list(beside.ids())
            beside.drop()
        return difference(found, wanted) or (f"{len(left)} chunks are left beside it" if left else "")
