"""A page leaves the store only on proof: a whole listing without it, its own answer, and an account and a space that are still seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from confluence_sync.errors import RemoteError
from confluence_sync.model import Presence
from confluence_sync.plan import Wanted, ceiling
from confluence_sync.simulator.faults import Rule
from confluence_sync.simulator.server import Simulator
from tests.torture.bench import Bench, bench
from tests.torture.world import OTHER, SPACE, strike

Change = Callable[[Simulator], None]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state") as made:
        yield made


WAYS: dict[str, tuple[Change, Presence]] = {
    "purged": (lambda s: s.delete("1003"), Presence.INVISIBLE),
    "restricted": (lambda s: s.restrict("1003"), Presence.INVISIBLE),
    "trashed": (lambda s: s.trash("1003"), Presence.TRASHED),
    "archived": (lambda s: s.archive("1003"), Presence.ARCHIVED),
    "moved to another space": (lambda s: s.move_space("1003", OTHER), Presence.MOVED),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["v2", "v1", "dc"])
def test_what_became_of_a_page_is_told_apart(tmp_path: Path, way: str, kind: str) -> None:
    """Each way to leave a space is proven by the page's own answer and called what it is; a 404 is only "no longer visible"."""
    change, presence = WAYS[way]
    with bench(tmp_path / "state", kind) as filled:
        change(filled.simulator)
        report = filled.sync()
        assert report.exit == 0
        assert report.spaces[0].deleted_pages == {"1003": presence.value}
        assert filled.trouble() == ""


def test_search_alone_proves_nothing(tmp_path: Path) -> None:
    """Where only CQL serves, a page that search does not show is held: its index shows current pages, and may lag."""
    with bench(tmp_path / "state", "cql") as filled:
        filled.simulator.trash("1003")
        report = filled.sync()
        assert (report.exit, report.pages.deleted) == (4, 0)
        assert report.held[0].page_ids == ["1003"]
        assert "1003" in filled.pages()


@pytest.mark.parametrize(("setting", "value", "change"), [
    ("FILTER_FOLDER_ID", "1001", lambda s: s.move("1009", "")),
    ("LABELS", "red", lambda s: s.relabel("1009", ("blue",))),
])  # fmt: skip
def test_a_page_that_leaves_folder_or_label_goes(tmp_path: Path, setting: str, value: str, change: Change) -> None:
    """Out of the scope by its own ancestors or labels is a proof, and the report calls it so."""
    with bench(tmp_path / "state", filled=False) as made:
        scope = {setting: value}
        made.sync(**scope)
        change(made.simulator)
        report = made.sync(**scope)
        assert report.spaces[0].deleted_pages == {"1009": Presence.OUT_OF_SCOPE.value}
        assert made.trouble(**scope) == ""


@pytest.mark.parametrize("fault", ["401", "403", "410", "500", "html200", "half-json", "reset", "wrong-types"])
def test_an_answer_that_is_no_proof_holds_the_page(filled: Bench, fault: str) -> None:
    """Whatever else than an answer about the page comes back, the page stays and is reported as held with exit 4."""
    filled.simulator.trash("1003")
    strike(filled.simulator, "v2", Rule(r"v2/pages\?id=1003|v2/pages/1003|content.*1003", fault))
    report = filled.sync()
    assert (report.exit, report.pages.deleted) == (4, 0)
    assert report.held[0].count == 1
    assert "1003" in filled.pages()
    strike(filled.simulator)
    assert filled.sync().exit == 0
    assert filled.trouble() == ""


@pytest.mark.parametrize("fault", ["401", "403", "404", "500", "html200"])
@pytest.mark.parametrize("route", ["user/current", r"v2/spaces/501$"])
def test_nothing_goes_when_account_or_space_is_not_seen_again(filled: Bench, fault: str, route: str) -> None:
    """A token or permission that ends in the middle makes every page answer 404; without account and space that is no proof."""
    filled.simulator.delete("1003")
    strike(filled.simulator, "v2", Rule(route, fault, after=1 if "user" in route else 0), Rule("rest/api/search.*type=space", fault))
    report = filled.sync()
    assert (report.exit, report.pages.deleted) == (4, 0)
    assert "1003" in filled.pages()


def test_a_permission_that_ends_while_pages_are_confirmed_deletes_nothing(filled: Bench) -> None:
    """The space closes between the listing and the proof: every candidate answers 404, and none may go."""
    filled.simulator.trash("1003")
    strike(filled.simulator, "v2", Rule(r"v2/pages\?id=1003.*status=archived", "close-space", SPACE))
    report = filled.sync()
    assert (report.exit, report.pages.deleted) == (4, 0)
    assert "no longer visible" in report.held[0].why
    assert "1003" in filled.pages()


def test_a_token_that_ends_while_pages_are_confirmed_deletes_nothing(filled: Bench) -> None:
    """The gateway answers 404 to a dead token, for pages as for everything else."""
    filled.simulator.trash("1003")
    strike(filled.simulator, "v2", Rule(r"v2/pages\?id=1003.*status=archived|pages/1003|user/current|spaces/501$|search", "404", after=1))
    report = filled.sync()
    assert (report.exit, report.pages.deleted) == (4, 0)
    assert "1003" in filled.pages()


def test_a_page_that_a_listing_skipped_stays(filled: Bench) -> None:
    """A listing that ends early without saying so loses no page: each candidate is asked, and is still there."""
    strike(filled.simulator, "v2", Rule("spaces/501/pages", "no-next", nth=2))
    before = filled.contents()
    report = filled.sync(MAX_DELETES="100")
    assert (report.exit, report.pages.deleted) == (0, 0)
    assert filled.contents() == before


def test_an_empty_listing_never_deletes(filled: Bench) -> None:
    """Nothing listed means nothing known, whatever --max-deletes says."""
    for page_id in [f"{n}" for n in range(1001, 1015)]:
        filled.simulator.trash(page_id)
    before = filled.contents()
    report = filled.sync(MAX_DELETES="1000")
    assert (report.exit, report.pages.deleted) == (4, 0)
    assert "empty" in report.held[0].why
    assert filled.contents() == before


def test_more_than_the_ceiling_is_held_before_anything_is_asked(filled: Bench) -> None:
    """Over the ceiling nothing is confirmed or deleted; what was edited goes in, and the report, the log and exit 4 say what is held."""
    for number in range(1, 9):
        filled.simulator.trash(str(1000 + number))
    filled.simulator.edit("1009", "<p>edited</p>")
    filled.simulator.forget_requests()
    report = filled.sync()
    assert (report.exit, report.pages.deleted, report.pages.changed) == (4, 0, 1)
    assert report.held[0].count == 8
    assert "--max-deletes 8" in report.held[0].why
    assert not [line for line in filled.simulator.lines if "status=trashed" in line]
    assert filled.sync(MAX_DELETES="7").exit == 4
    assert filled.sync(MAX_DELETES="8").pages.deleted == 8
    assert filled.trouble() == ""


def test_max_deletes_is_no_switch(filled: Bench) -> None:
    """A raised ceiling still wants each page's own proof."""
    filled.simulator.trash("1003")
    strike(filled.simulator, "v2", Rule(r"v2/pages\?id=1003|v2/pages/1003|content.*1003", "500"))
    report = filled.sync(MAX_DELETES="1000")
    assert (report.exit, report.pages.deleted) == (4, 0)


@pytest.mark.parametrize(("known", "allowed"), [(0, 10), (3, 10), (4, 2), (5, 2), (14, 7), (20, 10), (101, 10), (200, 20), (9999, 999)])
def test_the_ceiling(known: int, allowed: int) -> None:
    """At most 10 pages or 10 %, whichever is more, and never more than half of more than three."""
    assert ceiling(known) == allowed


def test_a_second_sighting_is_waited_for(filled: Bench) -> None:
    """With RECONCILE_AFTER_RUNS=2 a page goes after the second whole listing without it, and one that comes back starts anew."""
    sightings = {"RECONCILE_AFTER_RUNS": "2"}
    filled.simulator.trash("1003")
    filled.simulator.trash("1005")
    assert filled.sync(**sightings).pages.deleted == 0
    filled.simulator.restore("1005")
    assert filled.sync(**sightings).spaces[0].deleted_pages.keys() == {"1003"}
    filled.simulator.trash("1005")
    assert filled.sync(**sightings).pages.deleted == 0
    assert filled.sync(**sightings).spaces[0].deleted_pages.keys() == {"1005"}
    assert filled.trouble() == ""


def test_sightings_survive_a_rebuilt_state(filled: Bench) -> None:
    """Another job's write makes the state compare itself with the store; what was missing once is still missing once."""
    filled.simulator.trash("1003")
    assert filled.sync(RECONCILE_AFTER_RUNS="2").pages.deleted == 0
    filled.store.write([])  # as any writer does, this changes the collection's stamp
    assert filled.sync(RECONCILE_AFTER_RUNS="2").pages.deleted == 1


@pytest.mark.parametrize("wanted", [Wanted(limit=3), Wanted(page_ids=("1001",))])
def test_a_partial_run_deletes_nothing(filled: Bench, wanted: Wanted) -> None:
    """--limit and FILTER_PAGE_IDS list a part, and a part cannot tell what is gone."""
    filled.simulator.trash("1003")
    report = filled.sync(wanted)
    assert (report.exit, report.pages.deleted, report.listing_complete) == (0, 0, False)
    assert "1003" in filled.pages()


@pytest.mark.parametrize("fault", ["repeat-cursor", "empty-with-next", "next-elsewhere", "half-json", "html200", "500", "404", "403"])
def test_a_listing_that_breaks_deletes_nothing(filled: Bench, fault: str) -> None:
    """A listing that did not end by itself is none: the store stays chunk for chunk, or the run says 5."""
    filled.simulator.trash("1014")
    strike(filled.simulator, "v2", Rule("spaces/501/pages", fault, after=1))
    before = filled.contents()
    if fault == "next-elsewhere":  # only the cursor is taken from `next`
        assert set(filled.sync().spaces[0].deleted_pages) <= {"1014"}
        return
    with pytest.raises(RemoteError) as failed:
        filled.sync()
    assert failed.value.exit_code == 5
    assert filled.contents() == before


def test_pages_that_fail_do_not_hold_back_what_is_proven(filled: Bench) -> None:
    """Exit 3 for the page that cannot be read; the page that is gone goes nevertheless."""
    filled.simulator.edit("1009", "<p>unreadable</p>")
    filled.simulator.trash("1003")
    strike(filled.simulator, "v2", Rule(".", "500", page="1009"))
    report = filled.sync()
    assert (report.exit, report.pages.failed, report.pages.deleted) == (3, 1, 1)
    assert {"1009"} <= filled.pages()
    assert "1003" not in filled.pages()
