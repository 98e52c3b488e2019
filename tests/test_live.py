"""Readers are told the name under which they find a collection, whether it was rotated or got its id from the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.live import LiveStore, tell_live
from confluence_sync.model import Chunk
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.run import Means
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.vector_stores import open_backend
from confluence_sync.sync import run
from tests.conftest import HASTY, SettingsFor
from tests.store_contract import DISK
from tests.vector_api_stub import stub_api
from tests.vector_stores_stub import StubStores


def test_the_servers_own_id_reaches_report_and_file(settings_for: SettingsFor, simulator: Simulator, tmp_path: Path) -> None:
    """Vector stores get their id from the server: it is in the report and in LIVE_COLLECTION_FILE, and opens the same store."""
    file = tmp_path / "here" / "conf_known_issues.vdb"
    with stub_api(StubStores) as api:
        settings = settings_for(simulator, LLAMA_BASE_URL=api.url, VECTOR_DB_ID="wiki", LIVE_COLLECTION_FILE=str(file))
        report = run(settings, Wanted(), Means(patience=HASTY))
        assert report.live_collection == file.read_text().strip() == next(iter(api.stores))
        backend = open_backend(settings)
        assert backend.open(report.live_collection).id == backend.open("wiki").id
        assert {"wiki", report.live_collection} <= set(backend.collections())
        backend.close()


def test_a_name_that_stays_is_not_written_again(tmp_path: Path) -> None:
    """A file that says it already keeps its time, and no half-written one is left beside it."""
    settings, report = Settings(live_collection_file=tmp_path / "live.vdb"), Report()
    tell_live(settings, report, "one")
    before = (tmp_path / "live.vdb").stat().st_mtime_ns
    tell_live(settings, report, "one")
    assert (tmp_path / "live.vdb").stat().st_mtime_ns == before
    tell_live(settings, report, "two")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir() if file.is_file()] == [("live.vdb", "two\n")]


def test_before_the_first_generation_there_is_nothing_to_read() -> None:
    """A rotated collection that was never filled answers like an empty one, and takes no writes."""
    empty = LiveStore(None, None)
    assert (empty.query("disk", 5), empty.identity().count, empty.address) == ([], 0, "")
    chunks: list[Chunk] = [DISK]
    for write in (lambda: empty.write(chunks), lambda: empty.delete([DISK.id]), lambda: empty.retag(chunks), lambda: list(empty.ids())):
        with pytest.raises(NotImplementedError):
            write()
    empty.delete([])
    empty.drop()
    empty.close()
