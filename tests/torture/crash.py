"""The crash matrix: one run is stopped at every effect in turn, the next one is not, and the store must equal a fresh sync."""

from __future__ import annotations

import contextlib
import copy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.plan import Wanted
from confluence_sync.run import open_state
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.base import Backend, Feature, Identity
from confluence_sync.stores.memory import ALL, MemoryBackend, MemoryStore
from confluence_sync.stores.sqlite import SqliteBackend
from tests.torture.fuse import WHEN, Fuse, FusedBackend, Stop, fused
from tests.torture.oracle import Contents, contents, difference, fresh
from tests.torture.world import first_day, second_day, settings_for, small_steps, sync_once

STORES = ("memory", "sqlite", "unlisted")
TRIES = 5  # runs, of which one is cut where it is to be


class Unlisted(MemoryStore):
    """A store that cannot say what it holds: nothing but the state can tell the next run what a killed one left."""

    def __init__(self) -> None:
        super().__init__(features=ALL & ~Feature.LIST)

    def identity(self) -> Identity:
        return Identity(self.id, None)


@dataclass(frozen=True, slots=True)
class Cut:
    """One cell: which store, which run is cut (the first fill, or the day after), where, and what came of it ("" when all is well)."""

    store: str
    scenario: str
    at: int
    when: str
    effect: str
    trouble: str


@dataclass
class Ground:
    """A simulator with a state folder and a store as they were before the run that is to be cut."""

    simulator: Simulator
    folder: Path
    store: str
    memory: MemoryBackend

    def backend(self) -> Backend:
        return SqliteBackend(self.folder / "state" / "store.db") if self.store == "sqlite" else self.memory

    def run(self, fuse: Fuse, wanted: Wanted) -> None:
        backend = self.backend()
        with fused(fuse), contextlib.closing(backend):
            sync_once(settings_for(self.simulator, self.folder / "state"), FusedBackend(backend, fuse), wanted=wanted)

    def copied(self, folder: Path) -> Ground:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return Ground(self.simulator, folder, self.store, copy.deepcopy(self.memory))

    def contents(self) -> Contents:
        with contextlib.closing(self.backend()) as backend:
            return contents(backend.open("confluence"))


def nothing(simulator: Simulator) -> None:
    """The space stays as it is."""


Scenario = tuple[bool, Callable[[Simulator], None], Wanted]
SCENARIOS: dict[str, Scenario] = {
    "first fill": (False, nothing, Wanted()),
    "a day of changes": (True, second_day, Wanted()),
    "rebuild": (True, second_day, Wanted(rebuild=True)),
}


def crash_matrix(
    folder: Path, store: str, scenario: str, every: int = 1, first: int = 1, *, twice: bool = False, edited: bool = False
) -> Iterator[Cut]:
    """Every cell of one store and one scenario, or every n-th from `first` on.

    `twice` cuts the run after the cut one, too; `edited` edits a page in between.
    """
    filled, change, wanted = SCENARIOS[scenario]
    with small_steps(), Simulator(first_day()) as simulator:
        ground = Ground(
            simulator, folder / "ground", store, MemoryBackend(stores={"confluence": Unlisted()} if store == "unlisted" else {})
        )
        (ground.folder / "state").mkdir(parents=True)
        if filled:
            ground.run(Fuse(), Wanted())
        change(simulator)
        expected = fresh(simulator)
        whole = Fuse()
        ground.copied(folder / "whole").run(whole, wanted)
        for when in WHEN:
            for at in range(first, len(whole.effects) + 1, every):
                if edited:
                    simulator.edit("1002", "<p>as the cut run finds it</p>")
                cut = _stopped(ground, folder / "cell", at, when, wanted)
                trouble = _after(cut, Fuse(at, when), wanted, expected, twice, edited) if cut else "the run was not cut"
                yield Cut(store, scenario, at, when, whole.effects[at - 1], trouble)


def _stopped(ground: Ground, folder: Path, at: int, when: str, wanted: Wanted) -> Ground | None:
    """A copy in which a run was cut there. Where two answers of a listing come at once, one run in forty has an effect fewer and ends
    before its last: then another is cut."""
    for _ in range(TRIES):
        cell = ground.copied(folder)
        try:
            cell.run(Fuse(at, when), wanted)
        except Stop:
            return cell
    return None


def _after(ground: Ground, again: Fuse, wanted: Wanted, expected: Contents, twice: bool, edited: bool) -> str:
    """What is wrong after the run that follows the cut one."""
    if twice:
        with contextlib.suppress(Stop):
            ground.run(again, wanted)
    if edited:
        ground.simulator.edit("1002", "<p>as the next run finds it</p>")
        expected = fresh(ground.simulator)
    try:
        ground.run(Fuse(), Wanted())
    except ConfluenceSyncError as error:
        return f"the next run failed: {error}"
    return difference(ground.contents(), expected) or _state_trouble(ground, expected)


def _state_trouble(ground: Ground, expected: Contents) -> str:
    """The state must name exactly the chunks that are there, all settled."""
    state = open_state(settings_for(ground.simulator, ground.folder / "state"))
    try:
        rows = state.database.rows("select chunk_ids, settled from entry")
    finally:
        state.close()
    named = {chunk_id for row in rows for chunk_id in str(row[0]).split()}
    if not all(row[1] for row in rows):
        return "pages stay unsettled"
    return "" if named == expected.keys() else "the state names other chunks than the store holds"
