"""The join of a listing with what is stored finds each kind of change, and what is partial concludes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.plan import Kind, Wanted
from confluence_sync.run import Means
from confluence_sync.simulator.faults import Rule
from confluence_sync.sync import plans
from tests.torture.bench import Bench, bench
from tests.torture.world import HURRIED, second_day, settings_for, strike


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state") as made:
        yield made


def counts(made: Bench, wanted: Wanted | None = None, **settings: str) -> dict[Kind, int]:
    means = Means(backend=made.backend, patience=HURRIED)
    [plan] = [plan for _, plan in plans(settings_for(made.simulator, made.folder, **settings), wanted or Wanted(), means)]
    return plan.counts


def test_a_plan_names_every_change_and_does_none(filled: Bench) -> None:
    """New, edited, moved and missing pages are counted; the store stays as it is and the run after does exactly that."""
    second_day(filled.simulator)
    before = filled.contents()
    assert counts(filled) == {Kind.CREATE: 2, Kind.UPDATE: 5, Kind.RETAG: 1, Kind.DELETE: 5}
    assert filled.contents() == before
    report = filled.sync()
    assert (report.pages.new, report.pages.changed, report.pages.retagged, report.pages.deleted) == (2, 5, 1, 5)


def test_a_quiet_day_is_an_empty_plan(filled: Bench) -> None:
    """Nothing changed, nothing to do, and not one body is asked for."""
    assert counts(filled) == {}
    filled.simulator.forget_requests()
    filled.sync()
    assert not [line for line in filled.simulator.lines if "body" in line]


def test_old_pages_wait_but_known_ones_never_do(filled: Bench) -> None:
    """SINCE_HOURS defers pages that were never stored; an old edit of a stored page and a deletion are found all the same."""
    filled.simulator.replace_text("1002", "part 2", "part two")
    filled.simulator.trash("1003")
    filled.simulator.add({"id": "77", "type": "page", "title": "Old", "space": {"key": "KB"}, "version": {"when": "2020-01-01T00:00:00Z"}})
    found = counts(filled, Wanted(since_hours=1))
    assert found == {Kind.DEFER: 1, Kind.UPDATE: 1, Kind.DELETE: 1}
    report = filled.sync(Wanted(since_hours=1))
    assert (report.exit, report.pages.deferred, report.pages.changed, report.pages.deleted) == (0, 1, 1, 1)


def test_labels_alone_are_found_when_asked_for(filled: Bench) -> None:
    """Labels do not raise a version: REFRESH_LABELS finds them, and then the metadata is replaced and no text written."""
    filled.simulator.relabel("1002", ("green",))
    assert counts(filled) == {}
    report = filled.sync(Wanted(refresh_labels=True))
    assert (report.pages.retagged, report.chunks.written) == (1, 0)
    assert filled.trouble() == ""


def test_other_chunk_settings_are_priced_before_they_run(filled: Bench) -> None:
    """CHUNK_TOKENS changes every page, and the plan says so; the run leaves what a fresh sync with them would."""
    assert counts(filled, CHUNK_TOKENS="120") == {Kind.UPDATE: 14}
    filled.sync(CHUNK_TOKENS="120")
    assert filled.trouble(CHUNK_TOKENS="120") == ""


def test_a_server_that_fails_on_large_pages_is_asked_for_smaller_ones(filled: Bench) -> None:
    """A 500 on a request for five is asked from the start for four; nothing of the broken listing stays."""
    strike(filled.simulator, "v2", Rule("spaces/501/pages", "500", more_than=4))
    second_day(filled.simulator)
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


def test_a_listing_while_people_work(filled: Bench) -> None:
    """Pages edited, created, moved and deleted between two requests of a listing are right after the next run at the latest."""
    pending = [
        lambda s: s.edit("1001", "<p>while</p>"),
        lambda s: s.add_page("Born meanwhile", "<p>new</p>", "KB"),
        lambda s: s.delete("1014"),
        lambda s: s.move("1012", ""),
        lambda s: s.trash("1002"),
    ]
    answering = filled.simulator.respond

    def respond(request: object) -> object:
        if pending and "spaces/501/pages" in request.target:  # type: ignore[attr-defined]
            pending.pop(0)(filled.simulator)
        return answering(request)  # type: ignore[arg-type]

    filled.simulator.respond = respond  # type: ignore[method-assign, assignment]
    while pending:
        assert filled.sync().exit in (0, 3)
    assert filled.sync().exit == 0
    assert filled.trouble() == ""
