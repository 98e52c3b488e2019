"""Runs side by side, as an Indexed Job makes them: each lists, writes and deletes only its own pages, and together they are one run."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.model import Scope, Space
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.run import Means, open_state
from confluence_sync.settings_kinds import Secret
from confluence_sync.simulator.sample import day_of_changes
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.memory import MemoryBackend
from confluence_sync.sync import run
from tests.conftest import HASTY
from tests.simulator_client import family
from tests.torture.crash import Unlisted

PAGES = 61


@pytest.fixture
def confluence() -> Iterator[Simulator]:
    with Simulator(family(PAGES)) as simulator:
        yield simulator


def settings(confluence: Simulator, folder: Path, shard: int = 0, shards: int = 1) -> Settings:
    access = confluence.options.access
    return Settings(
        conf_gateway_url=confluence.url,
        conf_cloud_id=confluence.cloud_id,
        conf_user=access.user,
        conf_api_token=Secret(access.token),
        space_name=("OPS",),
        state_dir=folder / f"{shard} of {shards}",
        job_completion_index=shard,
        shard_count=shards,
    )


def sync(what: Settings, backend: MemoryBackend) -> Report:
    return run(what, Wanted(), Means(backend=backend, patience=HASTY))


def sync_all(confluence: Simulator, folder: Path, shards: int, backend: MemoryBackend) -> list[Report]:
    return [sync(settings(confluence, folder, shard, shards), backend) for shard in range(shards)]


def contents(backend: MemoryBackend) -> dict[str, tuple[str, str, int]]:
    return {i: (chunk.text, chunk.metadata.title, chunk.metadata.version) for i, chunk in backend.open("confluence").chunks.items()}


def fresh(confluence: Simulator, folder: Path) -> dict[str, tuple[str, str, int]]:
    """What one run without shards puts into an empty store."""
    backend = MemoryBackend()
    assert sync(settings(confluence, folder / "fresh"), backend).exit == 0
    return contents(backend)


def pages_of(backend: MemoryBackend) -> set[str]:
    return {chunk.metadata.page_id for chunk in backend.open("confluence").chunks.values()}


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 7])
def test_every_page_has_one_owner(shards):
    """Each page belongs to exactly one shard, and the split is about even."""
    scopes = [Scope(Space("1", "OPS", "Ops"), shard=shard, shards=shards) for shard in range(shards)]
    ids = [str(number) for number in range(100_000, 102_000)]
    owners = [[scope.shard for scope in scopes if scope.owns(page_id)] for page_id in ids]
    assert all(len(owner) == 1 for owner in owners)
    sizes = [sum(owner == [shard] for owner in owners) for shard in range(shards)]
    assert min(sizes) > 0.8 * len(ids) / shards


def test_the_split_is_the_same_on_every_machine():
    """Who owns which page is written down: another version or platform must not shuffle them."""
    scopes = [Scope(Space("1", "OPS", "Ops"), shard=shard, shards=4) for shard in range(4)]
    owners = [next(scope.shard for scope in scopes if scope.owns(str(page_id))) for page_id in range(100001, 100009)]
    assert owners == [0, 0, 0, 3, 3, 2, 1, 1]


def test_four_shards_equal_one_run(confluence, tmp_path):
    """Four runs, each with a state of its own, fill the store exactly as one run does, and no page is written twice."""
    backend = MemoryBackend()
    reports = sync_all(confluence, tmp_path, 4, backend)
    assert [report.exit for report in reports] == [0] * 4
    assert sum(report.pages.new for report in reports) == PAGES
    assert all(0 < report.pages.new < PAGES for report in reports)
    assert contents(backend) == fresh(confluence, tmp_path)


def test_a_missing_shard_deletes_nothing(confluence, tmp_path):
    """When one shard does not run, its pages stay as they were, whatever the others do."""
    backend = MemoryBackend()
    sync_all(confluence, tmp_path, 4, backend)
    before = pages_of(backend)
    for shard in (0, 1, 3):
        report = sync(settings(confluence, tmp_path, shard, 4), backend)
        assert (report.exit, report.pages.deleted, report.chunks.deleted) == (0, 0, 0)
    assert pages_of(backend) == before


@pytest.mark.parametrize(("before", "after"), [(4, 3), (3, 4), (4, 1), (1, 4), (2, 5)])
def test_a_changed_number_moves_pages_without_a_hole(confluence, tmp_path, before, after):
    """After another SHARD_COUNT, with an edit and a deletion in between, the store equals a fresh one; nothing is missing on the way."""
    backend = MemoryBackend()
    sync_all(confluence, tmp_path, before, backend)
    everything = pages_of(backend)
    confluence.edit("5", "<p>Page 5 has another text now.</p>")
    confluence.trash("61")
    for shard in range(after):
        assert sync(settings(confluence, tmp_path, shard, after), backend).exit == 0
        assert pages_of(backend) >= everything - {"61"}
    assert contents(backend) == fresh(confluence, tmp_path)


def test_a_changed_number_with_the_same_states_leaves_each_page_to_one_state(confluence, tmp_path):
    """Volumes stay when SHARD_COUNT changes: pages that moved to another shard are no deletions, also where no store lists them."""
    backend = MemoryBackend(stores={"confluence": Unlisted()})
    for shards in (2, 3):
        for shard in range(shards):
            what = replace(settings(confluence, tmp_path, shard, shards), state_dir=tmp_path / str(shard))
            report = sync(what, backend)
            assert (report.exit, report.held, report.pages.deleted) == (0, [], 0)
            with closing(open_state(what)) as state:
                rows = state.database.rows("select page_id from entry")
            mine = Scope(Space("1", "OPS", "Ops"), shard=shard, shards=shards)
            assert rows
            assert all(mine.owns(str(page_id)) for (page_id,) in rows)
    assert contents(backend) == fresh(confluence, tmp_path)


def test_lost_states_are_rebuilt_from_the_store(confluence, tmp_path):
    """Pods with an empty volume each night rebuild their part from the store: nothing is written twice, and a deletion is found."""
    backend = MemoryBackend()
    sync_all(confluence, tmp_path / "first night", 4, backend)
    confluence.trash("60")
    reports = sync_all(confluence, tmp_path / "second night", 4, backend)
    assert sum(report.chunks.written for report in reports) == 0
    assert sum(report.pages.deleted for report in reports) == 1
    assert contents(backend) == fresh(confluence, tmp_path)


def test_side_by_side(confluence, tmp_path):
    """Four shards at the same time end as one run does, twice, with changes in between."""
    backend = MemoryBackend()
    for night in range(2):
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(sync, settings(confluence, tmp_path, shard, 4), backend) for shard in range(4)]
            assert [job.result().exit for job in jobs] == [0] * 4, night
        assert contents(backend) == fresh(confluence, tmp_path / str(night))
        confluence.edit("7", f"<p>Night {night} left this.</p>")
        confluence.trash(str(50 + night))
        confluence.rename("9", f"Ninth page, night {night}")


def test_shards_of_the_sample_space_keep_step_with_a_day(tmp_path):
    """A day of edits, moves, deletions and a restored page arrives through three shards as through one."""
    from confluence_sync.simulator.sample import SAMPLE

    with Simulator(SAMPLE) as confluence:
        backend = MemoryBackend()

        def night() -> list[Report]:
            each = [replace(settings(confluence, tmp_path, shard, 3), space_name=("Known Issues",)) for shard in range(3)]
            return [sync(one, backend) for one in each]

        night()
        for change in day_of_changes():
            confluence.apply(change)
        reports = night()
        alone = MemoryBackend()
        sync(replace(settings(confluence, tmp_path / "alone"), space_name=("Known Issues",)), alone)
    assert [report.exit for report in reports] == [0, 0, 0]
    assert sum(report.pages.deleted for report in reports) > 0
    assert contents(backend) == contents(alone)
