"""A first sync writes pages while their listing comes in; whatever the listing then does, the store ends as it should."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from confluence_sync import first_fill
from confluence_sync.database import SqliteDatabase
from confluence_sync.errors import RemoteError, ServerFailed
from confluence_sync.fetch import as_they_come
from confluence_sync.listing import Arriving
from confluence_sync.model import PageRef, Scope, Space
from confluence_sync.plan import Wanted
from confluence_sync.simulator.faults import Rule
from confluence_sync.simulator.messages import Answer, Request
from confluence_sync.source.confluence import Confluence
from confluence_sync.state import State
from confluence_sync.stores.memory import MemoryBackend
from tests.torture.bench import Bench, bench
from tests.torture.world import PAGES, strike

LISTING = "spaces/501/pages"
BODIES = "body-format"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state", filled=False) as made:
        yield made


def watch(made: Bench, before: Callable[[str], object]) -> None:
    """Calls `before` with the target of each request that the simulator is about to answer."""
    answering = made.simulator.respond

    def respond(request: Request) -> Answer:
        before(request.target)
        return answering(request)

    made.simulator.respond = respond  # type: ignore[method-assign]


def asked(made: Bench, what: str) -> int:
    return sum(what in line for line in made.simulator.lines)


def test_bodies_are_read_before_the_listing_ends(empty: Bench) -> None:
    """The last answer of the listing takes two seconds; a run that waited for it would ask for no body before."""
    strike(empty.simulator, "v2", Rule(LISTING, "latency", "2", nth=3))
    times: dict[str, list[float]] = {LISTING: [], BODIES: []}
    watch(empty, lambda target: [times[what].append(monotonic()) for what in times if what in target])
    report = empty.sync()
    assert times[BODIES][0] - times[LISTING][2] < 1.5
    assert (report.exit, report.pages.listed, report.pages.new, report.listing_complete) == (0, PAGES, PAGES, True)
    assert empty.trouble() == ""


def test_what_a_listing_took_is_given_back(empty: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers wait while pages are written; once all of it is in, the holes that they leave go, before the rest is read."""
    given: list[int] = []
    monkeypatch.setattr(first_fill, "give_back", lambda: given.append(asked(empty, LISTING)))
    assert empty.sync().exit == 0
    assert given == [asked(empty, LISTING)]


def test_a_listing_does_not_wait_for_its_reader() -> None:
    """One that is read over hours shifts under who reads it: all of it is asked for while the first answer is in use."""
    ended = Event()

    def answers() -> Iterator[int]:
        yield from range(5)
        ended.set()

    reading = as_they_come(answers())
    assert next(reading)[0] == 0
    assert ended.wait(10)
    assert list(reading) == [(1, True), (2, True), (3, True), (4, True)]


def test_answers_of_a_listing_wait_packed(tmp_path: Path) -> None:
    """Fifty of them, which come while a bundle is written, take 1 MB; as they are used, they would take 4."""
    ended = Event()

    class Ahead:
        """Lists 12,500 pages at once, however slow the reader is."""

        def listing(self, _: Space, limit: int) -> Iterator[list[PageRef]]:
            for start in range(0, 50 * limit, limit):
                numbers = range(start, start + limit)
                yield [PageRef(str(10**9 + n), n, f"A page of its own {n}", str(10**9 + n // 9), f"2026-{n:06}Z") for n in numbers]
            ended.set()

    state = State(SqliteDatabase(tmp_path / "state.db"))
    space = Space("501", "OPS", "Operations")
    tracemalloc.start()
    try:
        coming = Arriving(state, Ahead(), "key", Scope(space)).batches(250)  # type: ignore[arg-type]  # of a source, only what lists
        first = next(coming)
        assert ended.wait(10)
        waiting = tracemalloc.get_traced_memory()[0]
        listed = first + [ref for refs in coming for ref in refs]
    finally:
        tracemalloc.stop()
        state.close()
    assert waiting < 2_000_000
    assert [ref.id for ref in listed] == [str(10**9 + n) for n in range(12_500)]
    assert listed[-1] == PageRef("1000012499", 12499, "A page of its own 12499", "1000001388", "2026-012499Z")


def test_what_a_listing_raises_reaches_its_reader() -> None:
    """After the answers before it, and whatever it is."""

    def answers() -> Iterator[int]:
        yield 1
        raise ServerFailed("gone")

    reading = as_they_come(answers())
    assert next(reading)[0] == 1
    with pytest.raises(ServerFailed, match="gone"):
        next(reading)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_listing_that_breaks_off_is_asked_for_again(empty: Bench, after: int) -> None:
    """Pages that went in before are neither read nor counted twice, and the next run finds everything as it is."""
    strike(empty.simulator, "v2", Rule(LISTING, "500", after=after, times=2))
    report = empty.sync()
    assert (report.exit, report.pages.listed, report.pages.new, report.pages.unchanged) == (0, PAGES, PAGES, 0)
    assert report.listing_complete
    assert asked(empty, BODIES) == 4  # 14 pages, four at a time
    second = empty.sync()
    assert (second.exit, second.pages.unchanged, second.pages.retagged) == (0, PAGES, 0)
    assert empty.trouble() == ""


def test_the_second_space_is_cut_as_itself_when_its_listing_breaks_off(empty: Bench) -> None:
    """Its key and name are in every chunk, so the space before it must not lend its own."""
    strike(empty.simulator, "v2", Rule("spaces/502/pages", "500", times=2))
    assert empty.sync(SPACE_NAME="KB,OPS").pages.new == PAGES + 2
    second = empty.sync(SPACE_NAME="KB,OPS")
    assert (second.pages.unchanged, second.pages.retagged, second.pages.changed) == (PAGES + 2, 0, 0)


@pytest.mark.parametrize("status", ["500", "401"])
def test_a_listing_that_never_ends_well_keeps_what_went_in(empty: Bench, status: str) -> None:
    """The run fails, its report says how far it came, and the next one reads only what is missing."""
    strike(empty.simulator, "v2", Rule(LISTING, status, after=2))
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
    assert 0 < report.pages.new == len(empty.pages()) <= PAGES


def test_a_page_that_cannot_be_read_is_tried_once(empty: Bench) -> None:
    """The plan of what is left does not name it again: it fails once, and the next run tries it."""
    strike(empty.simulator, "v2", Rule(BODIES, "500", page="1003"))
    report = empty.sync()
    assert (report.exit, report.pages.new, report.pages.failed, report.pages.unchanged) == (3, PAGES - 1, 1, 0)
    assert [page.page_id for page in report.spaces[0].failed] == ["1003"]
    strike(empty.simulator)
    assert empty.sync().pages.new == 1
    assert empty.trouble() == ""


@pytest.mark.parametrize("within", [False, True], ids=["across answers", "within one"])
def test_a_page_that_is_listed_twice_goes_in_once(empty: Bench, monkeypatch: pytest.MonkeyPatch, within: bool) -> None:
    """A listing that moves while it is read shows the end of one answer again, in the next or in the same."""
    listing = Confluence.listing

    def moving(source: Confluence, space: Space, limit: int) -> Iterator[list[PageRef]]:
        last: list[PageRef] = []
        for refs in listing(source, space, limit):
            yield [*refs, *refs[-2:]] if within else [*last[-2:], *refs]
            last = refs

    monkeypatch.setattr(Confluence, "listing", moving)
    strike(empty.simulator, "v2", Rule(LISTING, "latency", "0.15"))  # so that each answer is handed on before the next is there
    report = empty.sync()
    assert (report.exit, report.pages.listed, report.pages.new, report.pages.unchanged) == (0, PAGES, PAGES, 0)
    assert asked(empty, BODIES) == 4  # 14 pages, four at a time
    assert report.chunks.written == len(empty.contents())
    assert empty.trouble() == ""


def test_a_page_edited_on_the_way_is_written_as_it_was_read(empty: Bench) -> None:
    """It was listed with one version and read with the next: it is written once, and the next run has nothing to do."""
    edits = [lambda: empty.simulator.edit("1001", "<p>while it was listed</p>")]
    watch(empty, lambda target: edits.pop()() if BODIES in target and edits else None)
    report = empty.sync()
    assert (report.exit, report.pages.new, report.pages.changed) == (0, PAGES, 0)
    second = empty.sync()
    assert (second.exit, second.pages.unchanged, second.chunks.written) == (0, PAGES, 0)
    assert empty.trouble() == ""


def test_names_that_were_missing_in_an_emptied_store_are_no_matter(empty: Bench) -> None:
    """Pages once went in without names; filled anew with names, they are not read again for them."""
    strike(empty.simulator, "v2", Rule("users-bulk", "403"))
    empty.sync()
    strike(empty.simulator)
    empty.backend = MemoryBackend()
    assert empty.sync().pages.new == PAGES
    assert empty.sync().pages.unchanged == PAGES


@pytest.mark.parametrize(("wanted", "new"), [(Wanted(limit=6), 6), (Wanted(page_ids=("1001", "1002")), 2), (Wanted(since_hours=1), 0)])
def test_a_part_of_a_space_is_planned_first(empty: Bench, wanted: Wanted, new: int) -> None:
    """Where a run may leave pages out, what it leaves out is not read."""
    report = empty.sync(wanted)
    assert (report.exit, report.pages.new) == (0, new)
    assert len(empty.pages()) == new
