"""State and chunks in one PostgreSQL: a run is stopped at every effect on either, and the next one leaves what a fresh sync would."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from confluence_sync.simulator.faults import Rule
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.pgvector import PgvectorBackend
from tests.torture.fuse import Fuse, FusedBackend, Stop, fused
from tests.torture.oracle import difference, fresh, listed
from tests.torture.world import body, first_day, settings_for, small_steps, strike, sync_once

pytestmark = pytest.mark.integration

EVERY = 3  # effects; another third each day
FIRST = 1 + date.today().toordinal() % EVERY


@dataclass
class Place:
    """One database that holds the state and the chunks of one Confluence."""

    simulator: Simulator
    folder: Path
    address: str

    def run(self, fuse: Fuse) -> None:
        settings = settings_for(self.simulator, self.folder, DATABASE_URL=self.address)
        with closing(PgvectorBackend(self.address)) as backend, fused(fuse):
            assert sync_once(settings, FusedBackend(backend, fuse)).exit == 0

    def day(self, number: int) -> None:
        """Two pages get other texts, and one more comes."""
        for page in (2, 3):
            self.simulator.edit(f"{1000 + page}", body(page, f"day {number}"))
        self.simulator.add_page(f"Of day {number}", body(90 + number), "KB")

    def trouble(self) -> str:
        """How chunks and state differ from those of a fresh sync."""
        wanted = {chunk_id: ("", metadata) for chunk_id, (_, metadata) in fresh(self.simulator).items()}
        with closing(PgvectorBackend(self.address)) as backend:
            found = {chunk_id: ("", metadata) for chunk_id, metadata in listed(backend.open("confluence")).items()}
            with backend.connections.transaction() as connection:
                entries = connection.execute("SELECT chunk_ids, settled FROM entry").fetchall()
        named = {chunk_id for chunk_ids, settled in entries if settled for chunk_id in str(chunk_ids).split()}
        return difference(found, wanted) or (
            "" if named == wanted.keys() and all(settled for _, settled in entries) else "the state differs"
        )


def test_a_cut_at_any_effect_loses_nothing(database: str, tmp_path: Path) -> None:  # a fixture
    """The state names chunks before they are there and settles them after, so the two transactions need not be one."""
    with small_steps(), Simulator(first_day()) as simulator:
        place = Place(simulator, tmp_path, database)
        place.run(Fuse())
        place.day(0)
        whole = Fuse()
        place.run(whole)
        assert {"store commits", "state commits"} <= set(whole.effects)
        for at in range(FIRST, len(whole.effects) + 1, EVERY):
            place.day(at)
            with pytest.raises(Stop):
                place.run(Fuse(at, ("before", "halfway", "after")[at // EVERY % 3]))
            place.run(Fuse())
            assert place.trouble() == "", f"after a cut at {at}: {whole.effects[at - 1]}"


def test_an_answer_without_pages_stops_nothing(database: str, tmp_path: Path) -> None:  # a fixture
    """A hole in a first listing, which the state takes in as no rows: PostgreSQL refuses an empty list of ids, SQLite takes it."""
    with small_steps(), Simulator(first_day()) as simulator:
        strike(simulator, "v2", Rule("spaces/501/pages", "empty-with-next", nth=2))
        place = Place(simulator, tmp_path, database)
        place.run(Fuse())
        strike(simulator)
        place.run(Fuse())
        assert place.trouble() == ""
