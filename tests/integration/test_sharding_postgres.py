"""Shards that share one PostgreSQL: collection and state in one database, four runs at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.run import Means
from confluence_sync.settings_kinds import Secret
from confluence_sync.simulator.server import Simulator
from confluence_sync.sync import run
from tests.conftest import HASTY
from tests.simulator_client import family
from tests.test_sharding import PAGES, settings

pytestmark = pytest.mark.integration


@pytest.fixture
def confluence() -> Iterator[Simulator]:
    with Simulator(family(PAGES)) as simulator:
        yield simulator


def sync(what: Settings) -> Report:
    return run(what, Wanted(), Means(patience=HASTY))


def test_four_shards_share_one_database(confluence: Simulator, database: str, tmp_path: Path) -> None:  # the fixture
    """Four runs at the same time, whose state and chunks are in one database, are one run; the next night has little to do."""

    def shard(number: int) -> Settings:
        stored = {"database_url": Secret(database), "vector_backend": "pgvector", "embedding_backend": "none"}
        return replace(settings(confluence, tmp_path, number, 4), **stored)

    for night, changed in enumerate((PAGES, 1)):
        with ThreadPoolExecutor(4) as pool:
            reports = list(pool.map(sync, map(shard, range(4))))
        assert [report.exit for report in reports] == [0] * 4, night
        assert sum(report.pages.new + report.pages.changed for report in reports) == changed
        confluence.edit("7", "<p>Seven has another text.</p>")
    alone = sync(replace(shard(0), shard_count=1))
    assert (alone.exit, alone.chunks.written, alone.pages.deleted) == (0, 0, 0)
