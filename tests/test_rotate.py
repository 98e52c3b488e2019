"""Rotation: readers see the old collection or the new one, whole, whatever breaks between any two effects."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from confluence_sync import fill, rotate, workshop
from confluence_sync.errors import Refused, ServerFailed, SettingsError
from confluence_sync.generations import new_name
from confluence_sync.plan import Wanted
from confluence_sync.simulator.faults import Rule
from confluence_sync.simulator.server import Simulator
from confluence_sync.source.confluence import Confluence
from tests.append_only import AppendOnly
from tests.conftest import SettingsFor
from tests.rotation_job import PAGES, Faulty, Job, Killed, pages, without
from tests.simulator_client import family


@pytest.fixture
def store() -> AppendOnly:
    return AppendOnly()


@pytest.fixture
def job(settings_for: SettingsFor, simulator: Simulator, store: AppendOnly, tmp_path: Path) -> Job:
    return Job(settings_for, simulator, store, tmp_path)


def test_a_rotation_replaces_the_collection_whole(job: Job) -> None:
    """An edit and a deletion make a new collection with everything once; the old one is dropped, and the file and report follow."""
    first = job.sync()
    assert (first.exit, first.pages.new, first.live_collection) == (0, PAGES, job.live_file.read_text().strip())
    job.simulator.edit("3", "<p>other words</p>")
    job.simulator.delete("7")
    second = job.sync()
    assert (second.pages.changed, second.pages.deleted, second.live_collection) == (1, 1, job.live_file.read_text().strip())
    assert job.readers_see() == pages("7")
    assert job.store.collections() == [second.live_collection]


def test_nothing_happens_when_nothing_changed(job: Job) -> None:
    """An empty plan writes nothing, makes nothing and names the same live collection."""
    first = job.sync()
    written = job.store.written
    again = job.sync()
    assert (again.exit, job.store.written, again.live_collection) == (0, written, first.live_collection)


def effects_of_a_rotation(job: Job) -> int:
    """Counts the store's effects in a rotation of an edited space."""
    seen: list[str] = []
    job.store.after = seen.append
    job.simulator.edit("3", "<p>counted</p>")
    job.sync()
    return len(seen)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_crash_at_any_effect_leaves_readers_whole(job: Job, where: str, at: int) -> None:
    """The process dies around the store's nth effect: readers have a whole collection at once, and the next run ends with one."""
    job.sync()
    job.simulator.edit("3", "<p>other words</p>")
    countdown = iter(range(at - 1, -1, -1))

    def die(effect: str) -> None:
        if next(countdown, -1) == 0:
            raise Killed(effect)

    setattr(job.store, where, die)
    with suppress(Killed):
        job.sync()
    job.store.before = job.store.after = lambda effect: None
    assert job.readers_see() == pages()
    assert job.sync().exit == 0
    assert job.readers_see() == pages()
    assert len(job.store.collections()) == 1


def test_there_are_as_many_effects_as_are_crashed_at(job: Job) -> None:
    """The parameters above cover making, writing and dropping; a further effect would need a further number."""
    job.sync()
    assert effects_of_a_rotation(job) == 3


@pytest.mark.parametrize("taken", [True, False])
def test_a_write_whose_answer_is_lost_is_looked_up(job: Job, taken: bool) -> None:
    """Whether or not the server took it, every chunk is there once afterwards."""
    lost = iter([True])

    def fail(effect: str) -> None:
        if effect == "write" and next(lost, False):
            raise ServerFailed("connection reset")

    setattr(job.store, "after" if taken else "before", fail)
    seen: list[str] = []
    setattr(job.store, "before" if taken else "after", seen.append)
    assert job.sync().exit == 0
    assert job.readers_see() == pages()
    assert not any(effect.startswith("drop") for effect in seen)


def test_a_cut_run_is_filled_on_not_started_again(job: Job) -> None:
    """What the cut run wrote stays, and the generation keeps its name."""

    def die(effect: str) -> None:
        if effect == "write":
            raise Killed

    job.store.after = die
    with suppress(Killed):
        job.sync()
    begun, written = job.store.collections(), sum(map(len, job.store.held.values()))
    job.store.after = lambda effect: None
    report = job.sync()
    assert [report.live_collection] == begun
    assert (written, job.store.written) == (PAGES, 0)


def texts(job: Job) -> dict[str, str]:
    """What readers find of each page."""
    return {chunk.page_id: chunk.text for chunk in job.store.held[job.live_file.read_text().strip()]}


def test_a_page_changed_while_a_rotation_is_being_filled_is_in_it_as_changed(job: Job) -> None:
    """An edit between the listing and the filling goes into the new collection, and the run after has nothing to do for it."""
    job.sync()
    job.simulator.edit("3", "<p>other words</p>")
    job.store.after = lambda effect: job.simulator.edit("5", "<p>edited meanwhile</p>") if effect.startswith("make") else None
    assert job.sync().exit == 0
    job.store.after = lambda effect: None
    assert "edited meanwhile" in texts(job)["5"]
    live = job.live_file.read_text()
    assert job.sync().exit == 0
    assert (job.readers_see(), job.live_file.read_text()) == (pages(), live)


def test_a_page_changed_after_its_turn_in_a_cut_rotation_comes_with_the_next_one(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in before the run was killed goes live as it was; pages still to come are read as they are now; the next run has both."""
    monkeypatch.setattr(fill, "CHUNKS_AT_ONCE", 1)
    monkeypatch.setattr(workshop, "GROUP_BYTES", 1)
    writes = iter(range(2, -1, -1))

    def die(effect: str) -> None:
        if effect == "write" and next(writes) == 0:
            raise Killed

    job.store.after = die
    with suppress(Killed):
        job.sync()
    job.store.after = lambda effect: None
    [written] = job.store.held.values()
    assert 0 < len(written) < PAGES
    done, waiting = written[0].page_id, (pages() - Counter(chunk.page_id for chunk in written)).popitem()[0]
    for page_id in (done, waiting):
        job.simulator.edit(page_id, "<p>edited meanwhile</p>")
    assert job.sync().exit == 0
    assert (job.readers_see(), "edited meanwhile" in texts(job)[waiting]) == (pages(), True)
    assert job.sync().exit == 0
    assert [page_id for page_id, text in sorted(texts(job).items()) if "edited meanwhile" in text] == sorted([done, waiting])


@pytest.mark.parametrize("year", [1999, 2999])
def test_a_clock_that_jumps_or_stands_still_changes_nothing(job: Job, monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    """Which collection is live is in the state, not in the order of names: three rotations at one moment, years from the first one."""
    job.sync()
    monkeypatch.setattr(rotate, "new_name", partial(new_name, now=datetime(year, 2, 28, tzinfo=UTC)))
    for turn in range(3):
        job.simulator.edit("3", f"<p>turn {turn}</p>")
        assert job.sync().exit == 0
        assert (job.readers_see(), f"turn {turn}" in texts(job)["3"]) == (pages(), True)
        assert job.store.collections() == [job.live_file.read_text().strip()]


@pytest.mark.parametrize("lost", ["401", "404", "close-space=OPS"])
def test_what_is_lost_during_a_rotation_proves_no_deletion(job: Job, lost: str) -> None:
    """Account or space that can no longer be seen after the pages were asked for: exit 4, and readers keep every page."""
    job.sync()
    live = job.live_file.read_text()
    job.simulator.delete("7")
    action, _, value = lost.partition("=")
    route = r"pages/7$" if value else r"user/current|v2/spaces/\w+$"
    job.simulator.faults.put([Rule(route, action, value, after=0 if value else 1)])
    report = job.sync()
    assert (report.exit, len(report.held), report.pages.deleted) == (4, 1, 0)
    assert (job.readers_see(), job.live_file.read_text()) == (pages(), live)


def test_a_lost_state_is_rotated_away(job: Job, tmp_path: Path) -> None:
    """Without its state the job fills a new generation and drops its old one, which it knows by name and check digits."""
    job.sync()
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    job.sync()
    assert job.readers_see() == pages()
    assert len(job.store.collections()) == 1


def test_foreign_collections_are_left_alone(job: Job) -> None:
    """Names that only look like ours, and the asked name itself, stay; --adopt removes the asked one after the switch."""
    foreign = ["confluence", "confluence--20260101000000-abcdef-000000", "confluence-old", "other"]
    for name in foreign:
        job.store.held[name] = []
    job.sync()
    assert set(foreign) < set(job.store.collections())
    job.sync(adopt=True)
    assert set(job.store.collections()) & set(foreign) == set(foreign) - {"confluence"}


def test_a_second_owner_is_refused(job: Job, settings_for: SettingsFor, tmp_path: Path) -> None:
    """Another space may not rotate the same collection: exit 2, and the first one's stays."""
    job.sync()
    with Simulator([{**one, "space": {"key": "DEV", "name": "Dev"}} for one in family(2)]) as other:
        intruder = Job(settings_for, other, job.store, tmp_path / "other")
        with pytest.raises(SettingsError, match="one owner"):
            intruder.sync(SPACE_NAME="DEV", STATE_DIR=str(tmp_path / "elsewhere"))
    assert job.readers_see() == pages()


def test_a_partial_listing_is_refused(job: Job) -> None:
    """--limit would make a collection of a few pages the live one: exit 4 before anything is made."""
    with pytest.raises(Refused, match="--limit"):
        job.sync(Wanted(limit=2))
    assert job.store.collections() == []


def test_too_many_deletions_hold_the_rotation(job: Job) -> None:
    """The ceiling counts for a rotation, too."""
    job.sync()
    before = job.readers_see()
    for number in range(2, PAGES):
        job.simulator.delete(str(number))
    assert job.sync().exit == 4
    assert job.readers_see() == before


def test_a_page_missing_from_one_listing_goes_along_when_that_is_not_enough(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """With RECONCILE_AFTER_RUNS=2 a page that one listing did not show, and that is still there, is in the next generation."""
    job.sync(RECONCILE_AFTER_RUNS="2")
    job.simulator.edit("3", "<p>other words</p>")
    with monkeypatch.context() as patched:
        patched.setattr(Confluence, "listing", without(Confluence.listing, "6"))
        assert job.sync(RECONCILE_AFTER_RUNS="2").exit == 0
    assert job.readers_see() == pages()


def test_a_small_change_waits_for_rotate_min_change(job: Job) -> None:
    """Below that share of pages the old collection stays live, and the report counts the page as deferred."""
    live = job.sync().live_collection
    job.simulator.edit("3", "<p>other words</p>")
    report = job.sync(ROTATE_MIN_CHANGE="50")
    assert (report.live_collection, report.pages.deferred) == (live, 1)


def test_a_store_that_loses_what_it_took_is_given_up_at_most_twice(job: Job) -> None:
    """Chunks that were acknowledged and are not found make the run fail with 5, and nothing of them goes live."""
    job.store.after = lambda effect: [chunks.clear() for chunks in job.store.held.values()] and None if effect == "write" else None
    with pytest.raises(ServerFailed, match="2 generations"):
        job.sync()
    assert not job.live_file.exists()


def test_a_page_that_cannot_be_read_does_not_leave_readers_without_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that readers have and that fails once holds the switch, exit 4; when it can be read again the same filling goes on."""
    job.sync()
    job.simulator.edit("3", "<p>other words</p>")
    source: Any = Faulty("5")
    with source.breaks(monkeypatch):
        assert job.sync().exit == 4
        assert job.readers_see() == pages()
    assert job.sync().exit == 0
    assert job.readers_see() == pages()


def test_a_page_that_keeps_failing_is_reported_and_makes_no_rotation_of_its_own(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that never got in does not make a new collection every night, and every night's exit is 3."""
    with Faulty("5").breaks(monkeypatch):
        first = job.sync()
        second = job.sync()
    assert (first.exit, second.exit, second.pages.failed) == (3, 3, 1)
    assert second.live_collection == first.live_collection
    assert job.readers_see() == pages("5")
    job.simulator.edit("5", "<p>mended</p>")
    assert job.sync().exit == 0
    assert job.readers_see() == pages()


def test_a_refused_chunk_fails_its_page_and_the_rest_goes_live(job: Job) -> None:
    """The store names the chunk; that page is reported, exit 3, and readers get all others."""
    job.simulator.edit("4", "<p>poison</p>")
    job.store.refuses = "poison"
    report = job.sync()
    assert (report.exit, [page.page_id for page in report.spaces[0].failed]) == (3, ["4"])
    assert job.readers_see() == pages("4")


def test_a_server_that_cannot_be_asked_after_a_lost_answer_is_given_up(job: Job) -> None:
    """Whether the chunks are in cannot be told, so that generation never goes live: exit 5, and the old one stays."""
    job.sync()
    live = job.live_file.read_text()
    job.simulator.edit("3", "<p>other words</p>")

    def fail(effect: str) -> None:
        if effect == "write":
            job.store.mute = True
            raise ServerFailed("connection reset")

    job.store.after = fail
    with pytest.raises(ServerFailed, match="2 generations"):
        job.sync()
    assert job.live_file.read_text() == live
    assert job.readers_see() == pages()
