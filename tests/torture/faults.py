"""The fault matrix: at each request of a run something goes wrong, once or from then on; the run after must make everything right."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from confluence_sync.config import Settings
from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.http import Patience
from confluence_sync.plan import Wanted
from confluence_sync.run import Means
from confluence_sync.simulator.server import Simulator
from confluence_sync.sync import run
from tests.torture.grounds import FROM_HTTP, GROUNDS, LARGE, QUICK, SLOW, Fault, Ground, Standing, Steps, step_of
from tests.torture.oracle import Contents, difference, fresh, without
from tests.torture.pairwise import cover
from tests.torture.servers import Servers
from tests.torture.world import KINDS, SPACE, first_day, second_day, settings_for, small_steps, strike

LISTINGS = ("next-elsewhere", "repeat-cursor", "empty-with-next", "no-next", "wrong-totals")
FROM_CONFLUENCE = (*FROM_HTTP, *LISTINGS, f"close-space={SPACE}")
CONFLUENCE_STEPS: Steps = (
    ("who", "user/current"),
    ("body", "body"),
    ("labels", r"expand=metadata\.labels"),
    ("listing", "spaces/[0-9]+/pages|cql=space|spaceKey"),
    ("space", "tenant_info|spaces|space"),
    ("proof", "."),
)
HOW_LONG = ("once", "from then on")
CALM = Patience(tries=5, first_wait=0.05, longest_wait=1.0, timeout=30)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
UNPROVEN = {"1007", "1010", "1011", "1013"}  # search proves no deletion, so these pages are held there


@dataclass(frozen=True, slots=True)
class Cell:
    """One run that goes wrong: `side` is who fails (confluence or store), `request` the number of the request at which it begins."""

    kind: str
    store: str
    side: str
    fault: str
    request: int
    how_long: str
    step: str = field(default="", compare=False)

    @property
    def strikes(self) -> Fault:
        return Fault(self.fault, self.request, self.how_long != "once" and self.fault not in LARGE)

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """What a pairwise matrix must meet together at least once."""
        fault, step = f"{self.side} {self.fault}", f"{self.side} {self.step}"
        return frozenset({(fault, self.kind), (fault, step), (self.kind, self.store)})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cell came to: the exit code of the run that went wrong, and "" or what was lost, deleted or left over."""

    cell: Cell
    exit: int
    trouble: str


@dataclass
class Field:
    """The second day of a space that was synced on the first: what every cell of one kind and store begins with."""

    kind: str
    store: str
    simulator: Simulator
    ground: Ground
    folder: Path
    first: Contents = field(default_factory=dict)
    expected: Contents = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)

    @property
    def requests(self) -> dict[str, int]:
        """How many requests an undisturbed run of the second day sends to either side."""
        return {side: len(lines) for side, lines in self.lines.items()}

    def cells(self) -> list[Cell]:
        """Every cell of this kind and store."""
        sides = (("confluence", FROM_CONFLUENCE, CONFLUENCE_STEPS), ("store", self.ground.faults, self.ground.steps))
        return [
            Cell(self.kind, self.store, side, fault, request, how_long, step_of(line, steps))
            for side, faults, steps in sides
            for fault in faults
            for request, line in enumerate(self.lines[side], 1)
            for how_long in HOW_LONG
        ]

    def learn(self) -> None:
        """Notes what either day should leave, and the requests of an undisturbed second day."""
        self._reset()
        self.first = self._wanted()
        second_day(self.simulator)
        self.expected = self._wanted()
        with self.ground.standing(self.folder / "counted", self._fill) as store:
            strike(self.simulator, self.kind)
            self.simulator.forget_requests()
            store.strike(None)
            store.lines.clear()
            assert _run(self, store, CALM)[0] in (0, 4)
            self.lines = {"confluence": list(self.simulator.lines), "store": list(store.lines)}

    def run(self, cell: Cell) -> Outcome:
        """Breaks one run, then looks whether anything that is still upstream was deleted, and whether the next run makes it right."""
        with self.ground.standing(self.folder / "cell", self._fill) as store:
            strike(self.simulator, self.kind, *([cell.strikes.rule] if cell.side == "confluence" else ()))
            store.strike(cell.strikes if cell.side == "store" else None)
            code, trouble = _run(self, store, self.ground.hasty)
            self.simulator.close_space(SPACE, False)
            strike(self.simulator, self.kind)
            store.strike(None)
            trouble = trouble or self._deleted(store)
            after, failure = _run(self, store, CALM)
            calm = (0, 4) if self.kind == "cql" else (0,)
            wrong = "" if after in calm else f"the run after ended with exit {after}"
            return Outcome(cell, code, trouble or failure or wrong or self._left(store))

    def settings(self, store: Standing) -> Settings:
        return settings_for(self.simulator, store.folder / "state", self.kind, **store.settings)

    def _wanted(self) -> Contents:
        return without(fresh(self.simulator, self.kind, **self.ground.cuts), self.ground.stale)

    def _fill(self, store: Standing) -> None:
        """The first day's run, then the second day upstream."""
        self._reset()
        strike(self.simulator, self.kind)
        assert _run(self, store, CALM) == (0, "")
        second_day(self.simulator)

    def _reset(self) -> None:
        self.simulator.replace_all(first_day())

    def _deleted(self, store: Standing) -> str:
        there = {m["page_id"] for _, m in store.contents(self.settings(store)).values()}
        lost = {str(m["page_id"]) for _, m in self.expected.values() if int(str(m["page_id"])) <= 1014} - there
        return f"wrongly deleted: {sorted(lost)}" if lost else ""

    def _left(self, store: Standing) -> str:
        settings = self.settings(store)
        found, expected = without(store.contents(settings), self.ground.stale), self.expected
        if self.kind == "cql" and self.ground.rotated:
            expected = self.first  # a collection is replaced whole or not at all, and here it cannot be told what is gone
        elif self.kind == "cql":
            found = {i: chunk for i, chunk in found.items() if chunk[1]["page_id"] not in UNPROVEN}
        return difference(found, expected) or store.leftover(settings)


@contextmanager
def prepared(folder: Path, kind: str, store: str, servers: Servers | None = None) -> Iterator[Field]:
    """A field with the first day synced and the second one upstream."""
    with ExitStack() as stack:
        servers = servers or stack.enter_context(Servers())
        stack.enter_context(small_steps())
        simulator = stack.enter_context(Simulator(first_day()))
        simulator.now = lambda: NOON  # so that every cell's second day is the same
        made = Field(kind, store, simulator, GROUNDS[store](servers, folder / "ground"), folder)
        made.learn()
        yield made


def _run(field: Field, store: Standing, patience: Patience) -> tuple[int, str]:
    """One run's exit code; anything but our own kind of failure is a trouble of its own."""
    try:
        settings = field.settings(store)
        with closing(store.backend(settings, patience)) as backend:
            return run(settings, Wanted(), Means(backend=backend, patience=patience)).exit, ""
    except ConfluenceSyncError as error:
        return error.exit_code, f"a bug: exit 1 with {error}" if error.exit_code == 1 else ""
    except Exception as error:  # noqa: BLE001  # the matrix goes on and reports it
        return 1, f"a bug: {type(error).__name__}: {error}"


def matrix(folder: Path, seed: int, cells: int = 0, kinds: Sequence[str] = KINDS, stores: Sequence[str] = QUICK) -> Iterator[Outcome]:
    """Every cell, or `cells` of each kind and store that the seed picks, which are never those that cost a second of CPU."""
    for kind in kinds:
        for store in stores:
            with prepared(folder / kind / store, kind, store) as field:
                every = field.cells()
                cheap = [cell for cell in every if cell.fault not in (*LARGE, *SLOW)]
                picked = random.Random(f"{seed} {kind} {store}").sample(cheap, min(cells, len(cheap))) if cells else every
                yield from map(field.run, picked)


def pairwise(folder: Path, seed: int, kinds: Sequence[str], stores: Sequence[str]) -> Iterator[Outcome]:
    """So many cells that each fault meets each kind and each step, and each kind each store; where any store does, the first one named."""
    with ExitStack() as stack:
        servers = stack.enter_context(Servers())
        every = [stack.enter_context(prepared(folder / kind / store, kind, store, servers)) for store in stores for kind in kinds]
        fields = {(one.kind, one.store): one for one in every}
        picked = cover([cell for one in every for cell in one.cells()], seed)
        for cell in picked:
            yield fields[cell.kind, cell.store].run(cell)
