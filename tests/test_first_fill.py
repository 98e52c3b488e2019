"""A first sync writes pages while their listing comes in; whatever the listing then does, the store ends as it should."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from confluence_sync.errors import RemoteError
from confluence_sync.model import PageRef, Space
from confluence_sync.plan import Wanted
from confluence_sync.simulator.faults import Rule
from confluence_sync.simulator.messages import Answer, Request
from confluence_sync.source.confluence import Confluence
from tests.torture.bench import Bench, bench
from tests.torture.world import PAGES, strike

LISTING = "spaces/501/pages"
BODIES = "body-format"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state", filled=False) as made:
        yield made


def watch(made: Bench, before: Callable[[str], None]) -> None:
    """Calls `before` with the target of each request that the simulator is about to answer."""
    answering = made.simulator.respond

    def respond(request: Request) -> Answer:
        before(request.target)
        return answering(request)

    made.simulator.respond = respond  # type: ignore[method-assign]


def asked(made: Bench, what: str) -> int:
    return sum(what in line for line in made.simulator.lines)


def test_bodies_are_read_before_the_listing_ends(empty: Bench) -> None:
    """The last answer of the listing is held back until a body was asked for: a run that waited for the listing would never ask."""
    body, listings, in_time = threading.Event(), [0], [False]

    def before(target: str) -> None:
        listings[0] += LISTING in target
        if BODIES in target:
            body.set()
        elif LISTING in target and listings[0] == 3:
            in_time[0] = body.wait(10)

    watch(empty, before)
    report = empty.sync()
    assert in_time == [True]
    assert (report.exit, report.pages.listed, report.pages.new, report.listing_complete) == (0, PAGES, PAGES, True)
    assert empty.trouble() == ""


def test_a_listing_that_breaks_off_is_asked_for_again(empty: Bench) -> None:
    """Pages that went in before are neither read nor counted twice, and the second listing is a whole one."""
    strike(empty.simulator, "v2", Rule(LISTING, "500", after=2, times=2))
    report = empty.sync()
    assert (report.exit, report.pages.listed, report.pages.new, report.pages.unchanged) == (0, PAGES, PAGES, 0)
    assert report.listing_complete
    assert asked(empty, BODIES) == 4  # 4, 4 and 2 pages of the listing that broke off, 4 of the second
    assert empty.trouble() == ""


def test_a_listing_that_never_ends_well_keeps_what_went_in(empty: Bench) -> None:
    """The run fails, its report says how far it came, and the next one reads only what is missing."""
    strike(empty.simulator, "v2", Rule(LISTING, "500", after=2))
    with pytest.raises(RemoteError):
        empty.sync()
    there = empty.pages()
    assert 0 < len(there) < PAGES
    strike(empty.simulator)
    report = empty.sync()
    assert (report.exit, report.pages.new, report.pages.unchanged) == (0, PAGES - len(there), len(there))
    assert empty.trouble() == ""


def test_a_listing_with_a_hole_is_not_called_whole(empty: Bench) -> None:
    """What it shows goes in, and the report says that it was not complete."""
    strike(empty.simulator, "v2", Rule(LISTING, "empty-with-next", nth=2))
    report = empty.sync()
    assert (report.exit, report.listing_complete) == (0, False)


def test_a_page_that_cannot_be_read_is_tried_once(empty: Bench) -> None:
    """The plan of what is left does not name it again: it fails once, and the next run tries it."""
    strike(empty.simulator, "v2", Rule(BODIES, "500", page="1003"))
    report = empty.sync()
    assert (report.exit, report.pages.new, report.pages.failed, report.pages.unchanged) == (3, PAGES - 1, 1, 0)
    assert [page.page_id for page in report.spaces[0].failed] == ["1003"]
    strike(empty.simulator)
    assert empty.sync().pages.new == 1
    assert empty.trouble() == ""


def test_a_page_that_is_listed_twice_goes_in_once(empty: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that moves while it is read shows the end of one answer at the beginning of the next."""
    listing = Confluence.listing

    def moving(source: Confluence, space: Space, limit: int) -> Iterator[list[PageRef]]:
        last: list[PageRef] = []
        for refs in listing(source, space, limit):
            yield [*last[-2:], *refs]
            last = refs

    monkeypatch.setattr(Confluence, "listing", moving)
    report = empty.sync()
    assert (report.exit, report.pages.listed, report.pages.new, report.pages.unchanged) == (0, PAGES, PAGES, 0)
    assert asked(empty, BODIES) == 4  # 14 pages, four at a time
    assert empty.trouble() == ""


def test_a_page_edited_on_the_way_is_right_in_the_next_run(empty: Bench) -> None:
    """It was listed with one version and read with the next: it is written once, as it was read."""
    edits = [lambda: empty.simulator.edit("1001", "<p>while it was listed</p>")]
    watch(empty, lambda target: edits.pop()() if BODIES in target and edits else None)
    report = empty.sync()
    assert (report.exit, report.pages.new, report.pages.changed) == (0, PAGES, 0)
    assert empty.sync().exit == 0
    assert empty.trouble() == ""


@pytest.mark.parametrize(("wanted", "new"), [(Wanted(limit=6), 6), (Wanted(page_ids=("1001", "1002")), 2), (Wanted(since_hours=1), 0)])
def test_a_part_of_a_space_is_planned_first(empty: Bench, wanted: Wanted, new: int) -> None:
    """Where a run may leave pages out, what it leaves out is not read."""
    report = empty.sync(wanted)
    assert (report.exit, report.pages.new) == (0, new)
    assert len(empty.pages()) == new
