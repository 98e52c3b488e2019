"""A simulator, a state folder and a store together, so that a test reads as what happened and what must hold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.base import Backend, Store
from confluence_sync.stores.memory import MemoryBackend
from tests.torture.oracle import Contents, contents, difference, fresh
from tests.torture.world import first_day, settings_for, small_steps, strike, sync_once


@dataclass
class Bench:
    """`folder` holds the state; `kind` is one of KINDS."""

    simulator: Simulator
    folder: Path
    backend: Backend
    kind: str = "v2"

    def sync(self, wanted: Wanted | None = None, *, adopt: bool = False, **settings: str) -> Report:
        """One run; the store stays open afterwards."""
        return sync_once(settings_for(self.simulator, self.folder, self.kind, **settings), self.backend, wanted=wanted, adopt=adopt)

    @property
    def store(self) -> Store:
        return self.backend.open("confluence")

    def contents(self) -> Contents:
        return contents(self.store)

    def pages(self) -> set[str]:
        """Ids of the pages of which the store holds a chunk."""
        return {str(metadata["page_id"]) for _, metadata in self.contents().values()}

    def trouble(self, **settings: str) -> str:
        """How the store differs from a fresh sync; "" when it does not."""
        return difference(self.contents(), fresh(self.simulator, self.kind, **settings))

    def lose_state(self) -> None:
        shutil.rmtree(self.folder)


@contextmanager
def bench(folder: Path, kind: str = "v2", backend: Backend | None = None, *, filled: bool = True) -> Iterator[Bench]:
    """A bench with the first day's space, and with a first run behind it unless `filled` is False."""
    with small_steps(), Simulator(first_day()) as simulator:
        strike(simulator, kind)
        made = Bench(simulator, folder, backend or MemoryBackend(), kind)
        if filled:
            report = made.sync()
            assert report.exit == 0, report.summary()
        yield made
