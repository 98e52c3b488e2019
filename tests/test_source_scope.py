"""What a run takes of a space: a folder or page tree, labels, single pages, a first few, or what is young enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from confluence_sync.errors import SettingsError
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.run import Means
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.memory import MemoryBackend
from confluence_sync.sync import run
from tests.conftest import HASTY, SettingsFor
from tests.simulator_client import page

SHAPES = ("gateway", "site", "dc")


def below(number: int, *above: tuple[str, int], **more: object) -> dict[str, object]:
    """A page under these contents, root first, each a kind and an id."""
    names = [{"id": str(i), "type": kind, "title": f"{kind} {i}"} for kind, i in above]
    return page(number, **more) | {"ancestors": names}


@pytest.fixture
def tree() -> Iterator[Simulator]:
    """Pages 1 to 8: 2 in folder 100, 3 and 4 in folder 101 inside it, 5 below 4, 6 below page 1, 7 and 8 outside."""
    with Simulator(
        [
            page(1),
            below(2, ("page", 1), ("folder", 100)),
            below(3, ("page", 1), ("folder", 100), ("folder", 101)),
            below(4, ("page", 1), ("folder", 100), ("folder", 101)),
            below(5, ("page", 1), ("folder", 100), ("folder", 101), ("page", 4)),
            below(6, ("page", 1)),
            page(7),
            below(8, ("folder", 102)),
        ]
    ) as running:
        yield running


def synced(simulator: Simulator, settings_for: SettingsFor, wanted: Wanted | None = None, shape: str = "gateway", **more: str) -> Report:
    return run(settings_for(simulator, shape, **more), wanted or Wanted(), Means(patience=HASTY, backend=MemoryBackend()))


def written(report: Report) -> list[str]:
    return sorted(one.page_id for space in report.spaces for one in space.written_pages)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("folder", "inside"),
    [("100", "2 3 4 5"), ("101", "3 4 5"), ("4", "5"), ("1", "2 3 4 5 6"), ("102", "8"), ("5", "")],
)
def test_a_folder_takes_what_lies_below(tree: Simulator, settings_for: SettingsFor, shape: str, folder: str, inside: str) -> None:
    """A folder or page takes all that lies below it, through nested folders; not itself, and nothing beside it."""
    report = synced(tree, settings_for, shape=shape, FILTER_FOLDER_ID=folder)
    assert written(report) == inside.split()
    assert (report.pages.listed, report.exit) == (len(inside.split()), 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_folder_that_nobody_sees_is_an_error_and_not_an_empty_listing(tree: Simulator, settings_for: SettingsFor, shape: str) -> None:
    """A mistyped or deleted folder must not look like a scope whose pages have all gone."""
    with pytest.raises(SettingsError, match="no page or folder 999 is visible"):
        synced(tree, settings_for, shape=shape, FILTER_FOLDER_ID="999")


def test_a_folder_costs_a_request_for_each_folder_and_not_for_each_page(settings_for: SettingsFor) -> None:
    """Parents that no listing shows are asked for once each, however many pages lie in them."""
    things = [below(n, ("folder", 100), ("folder", 101)) for n in range(1, 60)]
    with Simulator(things) as simulator:
        report = synced(simulator, settings_for, FILTER_FOLDER_ID="100")
        assert report.pages.listed == 59
        assert simulator.requests["GET /api/v2/pages/{id}/ancestors"] == 1


def test_a_tree_with_a_ring_ends(settings_for: SettingsFor) -> None:
    """Pages that are each other's parents, as a moving tree may show them, do not hang the run."""
    with Simulator([page(1, parent=2), page(2, parent=1), page(3)]) as simulator:
        assert synced(simulator, settings_for, FILTER_FOLDER_ID="3").pages.listed == 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("labels", "inside"), [("even", "2 4 6 8"), ("even,other", "2 4 6 8"), ("other", "")])
def test_labels_take_the_pages_that_carry_one(tree: Simulator, settings_for: SettingsFor, shape: str, labels: str, inside: str) -> None:
    """A page with one of the labels is in."""
    assert written(synced(tree, settings_for, shape=shape, LABELS=labels)) == inside.split()


def test_a_label_may_hold_quotes(settings_for: SettingsFor) -> None:
    """A label that would end a CQL text is quoted."""
    odd = 'a"b\\c'
    with Simulator([page(1, metadata={"labels": {"results": [{"name": odd}]}}), page(2)]) as simulator:
        assert written(synced(simulator, settings_for, LABELS=odd)) == ["1"]


def test_folder_and_labels_both_hold(tree: Simulator, settings_for: SettingsFor) -> None:
    """With both, a page must be below the folder and carry a label."""
    assert written(synced(tree, settings_for, FILTER_FOLDER_ID="100", LABELS="even")) == ["2", "4"]


def test_labels_that_cannot_be_asked_for_end_the_run(tree: Simulator, settings_for: SettingsFor) -> None:
    """Where labels are the scope and search does not serve, nothing is concluded: an error, not an empty collection."""
    tree.faults.put(read_rules("content/search -> 403"))
    with pytest.raises(Exception, match="answered 403") as caught:
        synced(tree, settings_for, LABELS="even")
    assert getattr(caught.value, "exit_code", 1) == 5


@pytest.mark.parametrize("shape", SHAPES)
def test_single_pages(tree: Simulator, settings_for: SettingsFor, shape: str) -> None:
    """FILTER_PAGE_IDS takes these pages alone, says that the listing is not complete, and leaves out what is not there."""
    report = synced(tree, settings_for, Wanted(page_ids=("2", "7", "999")), shape)
    assert written(report) == ["2", "7"]
    assert not report.listing_complete


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limit", [1, 3, 8, 100])
def test_a_first_few(tree: Simulator, settings_for: SettingsFor, shape: str, limit: int) -> None:
    """--limit takes the first pages and no more, and the listing counts as partial."""
    report = synced(tree, settings_for, Wanted(limit=limit), shape)
    assert len(written(report)) == min(limit, 8)
    assert not report.listing_complete


def test_young_pages(settings_for: SettingsFor) -> None:
    """SINCE_HOURS leaves older pages that were never stored, counts them as deferred, and keeps stored ones up to date."""

    def at(number: int, hours: float) -> dict[str, object]:
        when = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")
        return page(number, version={"number": 1, "when": when})

    with Simulator([at(1, 0.5), at(2, 23), at(3, 25), at(4, 1000)]) as simulator:
        settings, backend = settings_for(simulator, SINCE_HOURS="24"), MemoryBackend()
        first = run(settings, Wanted(since_hours=24), Means(patience=HASTY, backend=backend))
        assert written(first) == ["1", "2"]
        assert (first.pages.deferred, first.pages.listed, first.listing_complete) == (2, 4, True)
        simulator.edit("4", "<p>new</p>")
        second = run(settings, Wanted(since_hours=24), Means(patience=HASTY, backend=backend))
        assert written(second) == ["4"]
        assert second.pages.deferred == 1


def test_a_large_listing_request_that_fails_is_asked_smaller(settings_for: SettingsFor) -> None:
    """A server that fails on 250 titles a request gives them 60 at a time, each once."""
    with Simulator([page(n) for n in range(1, 200)]) as simulator:
        simulator.faults.put(read_rules("spaces/.*/pages -> 500 more_than=100"))
        assert synced(simulator, settings_for, Wanted(limit=0)).pages.listed == 199


def test_spaces_beside_each_other(settings_for: SettingsFor) -> None:
    """Several spaces go into one collection in one run, each with its own row in the report."""
    with Simulator([page(1), page(2, space="KB"), page(3, space="KB"), page(4, space="~712020abc")]) as simulator:
        report = synced(simulator, settings_for, SPACE_NAME="OPS,Kb handbook")
        assert [(space.key, space.pages.new) for space in report.spaces] == [("OPS", 1), ("KB", 2)]


def test_one_wrong_space_is_exit_3(settings_for: SettingsFor) -> None:
    """A name that means nothing does not keep the other space out; the run says so with exit 3."""
    with Simulator([page(1)]) as simulator:
        report = synced(simulator, settings_for, SPACE_NAME="OPS,Nowhere land")
        assert (report.pages.new, report.exit) == (1, 3)
        assert "no visible space is called 'Nowhere land'" in report.spaces[0].error
