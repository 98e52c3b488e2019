"""Reading through v2, CQL, v1 and Data Center against the simulator: which route serves, when the next one does, what is said of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event
from typing import Any

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import BadAnswer, Gone, NotAllowed, ServerFailed
from confluence_sync.http import Answer, Wire
from confluence_sync.model import Page, PageRef, Space
from confluence_sync.simulator.access import Access
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.site import Options
from confluence_sync.source.base import Failure
from confluence_sync.source.confluence import Confluence
from confluence_sync.source.connect import open_source
from tests.conftest import HASTY, SettingsFor
from tests.simulator_client import family, page

Opened = Callable[..., Confluence]
SHAPES = ("gateway", "site", "dc")


@pytest.fixture
def opened(settings_for: SettingsFor) -> Iterator[Opened]:
    """Opens sources on a simulator, in one shape or another, and closes them after the test."""
    made: list[Confluence] = []

    def opening(simulator: Simulator, shape: str = "gateway", **more: str) -> Confluence:
        made.append(open_source(settings_for(simulator, shape, **more), HASTY))
        return made[-1]

    yield opening
    for source in made:
        source.close()


@contextmanager
def granted(*scopes: str, count: int = 7) -> Iterator[Simulator]:
    """A simulator whose token has these scopes only."""
    access = Access(scopes=frozenset({"read:confluence-user", *scopes}))
    with Simulator(family(count), Options(access=access)) as running:
        yield running


def put(simulator: Simulator, spec: str) -> None:
    simulator.faults.put(read_rules(spec))


def only_space(source: Confluence) -> Space:
    [space] = source.spaces()
    return space


def listed(source: Confluence, limit: int = 250) -> list[PageRef]:
    return [ref for batch in source.listing(only_space(source), limit) for ref in batch]


def read(source: Confluence) -> list[Page | Failure]:
    return source.pages(listed(source), only_space(source))


def good(found: list[Page | Failure]) -> list[Page]:
    return [one for one in found if isinstance(one, Page)]


def failed(found: list[Page | Failure]) -> list[Failure]:
    return [one for one in found if isinstance(one, Failure)]


# what every shape gives


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_pages(simulator: Simulator, opened: Opened, shape: str) -> None:
    """Gateway, site and Data Center give the same ids, versions, titles, parents, bodies and labels."""
    pages = {p.ref.id: p for p in good(read(opened(simulator, shape)))}
    assert sorted(pages) == ["1", "2", "3", "4", "5", "6", "7"]
    five = pages["5"]
    assert (five.ref.version, five.ref.title, five.ref.parent_id, five.body) == (3, "Page 5", "2", "<p>Page 5</p>")
    assert five.updated_at == "2026-01-06T08:00:30Z"
    assert [p for p, one in pages.items() if one.labels == ("even",)] == ["2", "4", "6"]


@pytest.mark.parametrize(
    ("shape", "address"),
    [
        ("gateway", "/wiki/spaces/OPS/pages/5/Page+5"),
        ("site", "/wiki/spaces/OPS/pages/5/Page+5"),
        ("dc", "/dc/pages/viewpage.action?pageId=5"),
    ],
)
def test_the_link_for_a_reader_is_the_sites(simulator: Simulator, opened: Opened, shape: str, address: str) -> None:
    """A stored link leads to the site, with /wiki on Cloud, and never to the gateway."""
    urls = {p.ref.id: p.url for p in good(read(opened(simulator, shape)))}
    assert urls["5"] == simulator.url + address


def test_a_site_is_told_from_data_center_by_itself(simulator: Simulator, opened: Opened) -> None:
    """A base address alone is enough: Cloud is known by its cloud id, and a Data Center gets no v2 request."""
    assert opened(simulator, "site").id == f"cloud:{simulator.cloud_id}"
    source = opened(simulator, "dc")
    assert source.id == f"dc:127.0.0.1:{simulator.port}/dc"
    simulator.forget_requests()
    read(source)
    assert not [line for line in simulator.lines if "/api/v2" in line]


def test_the_gateway_and_the_site_are_one_source(simulator: Simulator, opened: Opened) -> None:
    """The same Cloud site keeps its id, and so its chunks, whichever way it is reached."""
    assert opened(simulator, "gateway").id == opened(simulator, "site").id


def test_bodies_come_in_bulk(opened: Opened) -> None:
    """200 pages cost one request for bodies and one for labels, and listing them costs one more."""
    with Simulator(family(200)) as simulator:
        source = opened(simulator)
        space, refs = only_space(source), listed(source)
        simulator.forget_requests()
        assert len(good(source.pages(refs, space))) == 200
        assert dict(simulator.requests) == {"GET /api/v2/pages": 1, "GET /rest/api/content/search": 1}


def test_data_center_bodies_come_fifty_at_a_time(opened: Opened) -> None:
    """On Data Center search brings 50 bodies with their labels in one request."""
    with Simulator(family(100)) as simulator:
        source = opened(simulator, "dc")
        space, refs = only_space(source), listed(source)
        simulator.forget_requests()
        assert len(good(source.pages(refs, space))) == 100
        assert dict(simulator.requests) == {"GET /rest/api/content/search": 2}


def test_data_center_reads_what_search_does_not_show(simulator: Simulator, opened: Opened) -> None:
    """A page that the search index lacks, and all of them when search is blocked, come one by one."""
    source = opened(simulator, "dc")
    put(simulator, "content/search -> 403")
    assert len(good(read(source))) == 7


@pytest.mark.parametrize("shape", SHAPES)
def test_a_page_that_went_after_the_listing_fails_alone(simulator: Simulator, opened: Opened, shape: str) -> None:
    """A page deleted between listing and reading is one failure; the others come."""
    source = opened(simulator, shape)
    refs, space = listed(source), only_space(source)
    simulator.delete("3")
    found = source.pages(refs, space)
    assert [f.page_id for f in failed(found)] == ["3"]
    assert "asking for it by id did not return it" in failed(found)[0].why
    assert len(good(found)) == 6


# the next route


@pytest.mark.parametrize("fault", ["api/v2 -> 410", "api/v2 -> 401=scope", "api/v2 -> 404"])
def test_cql_serves_where_v2_does_not(simulator: Simulator, opened: Opened, fault: str) -> None:
    """410, a missing scope or 404 on v2 mean the next route: everything comes by search."""
    put(simulator, fault)
    assert len(good(read(opened(simulator)))) == 7
    assert simulator.requests["GET /rest/api/content/search"] >= 2


def test_v1_serves_where_nothing_else_does(opened: Opened) -> None:
    """At the site, where the old routes still live, v1 is the last resort, a page a request."""
    with Simulator(family(7)) as simulator:
        put(simulator, "api/v2 -> 410; rest/api/search -> 410; content/search -> 410")
        pages = good(read(opened(simulator, "site")))
        assert len(pages) == 7
        assert pages[1].labels == ("even",)


@pytest.mark.parametrize(
    ("scopes", "named"),
    [
        (("search:confluence",), "read:page:confluence and read:space:confluence"),
        (("read:page:confluence", "read:space:confluence"), "search:confluence (classic) or read:content-details:confluence"),
    ],
)
def test_a_missing_scope_is_named(opened: Opened, scopes: tuple[str, ...], named: str) -> None:
    """A token without a scope still reads what the other routes give, and is told which scope it lacks."""
    with granted(*scopes) as simulator:
        source = opened(simulator)
        assert len(good(read(source))) == 7
        assert named in "\n".join(source.missing())


class Waiting:
    """A wire on which bodies come only after labels were asked for."""

    def __init__(self, real: Wire) -> None:
        self.real, self.asked = real, Event()

    def send(self, method: str, url: str, *rest: Any) -> Answer:
        if "content/search" in url:
            self.asked.set()
        elif "body-format" in url:
            assert self.asked.wait(20), "bodies came without a request for labels beside them"
        return self.real.send(method, url, *rest)

    def close(self) -> None:
        self.real.close()


def test_labels_are_asked_for_beside_bodies(simulator: Simulator, opened: Opened) -> None:
    """On a slow line the labels of a batch do not wait for its bodies, and cost no request more."""
    source = opened(simulator)
    refs, space = listed(source), only_space(source)
    source.link.wire = Waiting(source.link.wire)
    before = source.requests
    assert [p.ref.id for p in good(source.pages(refs, space)) if p.labels == ("even",)] == ["2", "4", "6"]
    assert source.requests - before == 2


class Overtaken:
    """A wire on which somebody edits and labels page 3 after its labels were told and before its body is."""

    def __init__(self, real: Wire, simulator: Simulator) -> None:
        self.real, self.simulator, self.told, self.edited = real, simulator, Event(), False

    def send(self, method: str, url: str, *rest: Any) -> Answer:
        if "body-format" in url and not self.edited:
            self.edited = True
            assert self.told.wait(20), "bodies came without a request for labels beside them"
            self.simulator.edit("3", "<p>edited</p>")
            self.simulator.relabel("3", ("urgent",))
        answer = self.real.send(method, url, *rest)
        if "content/search" in url:
            self.told.set()
        return answer

    def close(self) -> None:
        self.real.close()


def test_labels_are_not_older_than_the_body_they_go_with(simulator: Simulator, opened: Opened) -> None:
    """An edit between the two answers brings the page in a newer version: its labels are asked for again, with one request, for good."""
    source = opened(simulator)
    refs, space = listed(source), only_space(source)
    source.link.wire = Overtaken(source.link.wire, simulator)
    before = source.requests
    labels = {p.ref.id: p.labels for p in good(source.pages(refs, space))}
    assert labels == {"1": (), "2": ("even",), "3": ("urgent",), "4": ("even",), "5": (), "6": ("even",), "7": ()}
    assert source.requests - before == 3


def test_labels_that_search_no_longer_shows_are_asked_of_the_page(
    simulator: Simulator, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that changed and is not in the index again yet must not keep the labels it had before."""
    source = opened(simulator)
    refs, space = listed(source), only_space(source)
    source.link.wire = Overtaken(source.link.wire, simulator)
    real = source.cql.labels
    monkeypatch.setattr(source.cql, "labels", lambda ids: {} if list(ids) == ["3"] else real(ids))  # the simulator's index never lags
    assert [p.labels for p in good(source.pages(refs, space)) if p.ref.id == "3"] == [("urgent",)]
    assert simulator.requests["GET /api/v2/pages/{id}/labels"] == 1


def test_bodies_that_bring_their_labels_cost_no_request_for_them(simulator: Simulator, opened: Opened) -> None:
    """Where v2 does not serve bodies, search brings both: nothing is asked for beside it."""
    put(simulator, "api/v2 -> 410")
    source = opened(simulator)
    refs, space = listed(source), only_space(source)
    assert len(good(source.pages(refs, space))) == 7
    before = source.requests
    source.pages(refs, space)
    assert source.requests - before == 1


def test_without_search_labels_come_one_by_one(opened: Opened) -> None:
    """A token with the v2 scopes alone gets every label, a request a page."""
    with granted("read:page:confluence", "read:space:confluence") as simulator:
        pages = good(read(opened(simulator)))
        assert [p.ref.id for p in pages if p.labels == ("even",)] == ["2", "4", "6"]
        assert simulator.requests["GET /api/v2/pages/{id}/labels"] == 7


def test_without_any_right_to_labels_pages_come_without(simulator: Simulator, opened: Opened) -> None:
    """Labels that may not be read are left out, said once, and not asked for again."""
    put(simulator, "content/search -> 403; labels -> 403")
    source = opened(simulator)
    assert {p.labels for p in good(read(source))} == {()}
    before = simulator.requests["GET /api/v2/pages/{id}/labels"]
    read(source)
    assert before == simulator.requests["GET /api/v2/pages/{id}/labels"] == 1
    assert "read:label:confluence" in "\n".join(source.missing())


def test_labels_come_by_v1_where_nothing_else_gives_them(simulator: Simulator, opened: Opened) -> None:
    """Search and v2 may end while v1 still answers: no label is lost between them."""
    put(simulator, "content/search -> 410; labels$ -> 410")
    pages = good(read(opened(simulator, "site")))
    assert [p.ref.id for p in pages if p.labels == ("even",)] == ["2", "4", "6"]
    assert all(p.labels_known for p in pages)


def test_the_page_that_search_does_not_show_yet_has_its_labels(
    simulator: Simulator, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label that the search index lacks is asked of the page itself."""
    source = opened(simulator)
    monkeypatch.setattr(source.cql, "labels", lambda page_ids: {"2": ("even",)})  # the simulator's index never lags
    pages = good(read(source))
    assert simulator.requests["GET /api/v2/pages/{id}/labels"] == 6
    assert [p.ref.id for p in pages if p.labels] == ["2", "4", "6"]


def test_a_page_whose_labels_are_gone_fails_alone(simulator: Simulator, opened: Opened) -> None:
    """A page whose labels answer 404 went while it was read: it must not be stored without labels, and that stops nobody else."""
    put(simulator, "content/search -> 410; pages/4/labels -> 404")
    answers = read(opened(simulator))
    assert [one.page_id for one in answers if isinstance(one, Failure)] == ["4"]
    assert {p.ref.id: p.labels for p in good([one for one in answers if not isinstance(one, Failure)])}["6"] == ("even",)


@pytest.mark.parametrize("fault", ["500", "html200"])
def test_search_that_fails_costs_requests_not_the_run(simulator: Simulator, opened: Opened, fault: str) -> None:
    """An error from the search for labels is answered by asking page by page, this once."""
    source = opened(simulator)
    put(simulator, f"content/search -> {fault} times=3")
    assert [p.ref.id for p in good(read(source)) if p.labels] == ["2", "4", "6"]
    put(simulator, "nothing -> 500")
    simulator.forget_requests()
    read(source)
    assert simulator.requests["GET /api/v2/pages/{id}/labels"] == 0


def test_nothing_serves(simulator: Simulator, opened: Opened) -> None:
    """When no route serves, the error names the question, every route and what each said."""
    put(simulator, "api/v2 -> 410; rest/api/search -> 403; /space -> 410")
    with pytest.raises(Gone) as caught:
        list(opened(simulator).spaces())
    assert "does not give spaces by any route" in str(caught.value)
    for said in ("v2: ", "CQL: ", "v1: ", "410", "403", "search:confluence"):
        assert said in str(caught.value)
    with pytest.raises(Gone):
        list(opened(simulator).spaces())


def test_a_route_that_served_is_not_replaced(simulator: Simulator, opened: Opened) -> None:
    """A refusal after a route has served is the token's trouble, not the route's: half a listing is never continued elsewhere."""
    source = opened(simulator)
    assert len(listed(source)) == 7
    put(simulator, "v2/spaces/.*/pages -> 403")
    with pytest.raises(NotAllowed):
        listed(source)


def test_a_route_that_was_removed_is_replaced_even_after_it_served(simulator: Simulator, opened: Opened) -> None:
    """410 between two questions means that the route was removed just now: the next one serves from then on."""
    source = opened(simulator)
    assert len(listed(source)) == 7
    put(simulator, "v2/spaces/.*/pages -> 410")
    assert len(listed(source)) == 7
    assert simulator.requests["GET /rest/api/content/search"] == 1


def test_half_a_listing_is_none(opened: Opened) -> None:
    """410 on the second page of a listing raises; what CQL would say is not mixed in."""
    with Simulator(family(60)) as simulator:
        source = opened(simulator)
        space = only_space(source)
        put(simulator, "v2/spaces/.*/pages.*cursor -> 410")
        batches = source.listing(space, 25)
        assert len(next(batches)) == 25
        with pytest.raises(Gone):
            next(batches)


# bodies that are hard to get


@pytest.mark.parametrize("shape", SHAPES)
def test_a_poisoned_page_fails_alone(opened: Opened, shape: str) -> None:
    """A page whose body always breaks the server is found by halving; it fails with the reason and the other 59 come."""
    with Simulator(family(60)) as simulator:
        source = opened(simulator, shape)
        refs, space = listed(source), only_space(source)
        simulator.faults.put(read_rules(". -> 500 page=37"))
        found = source.pages(refs, space)
        assert [f.page_id for f in failed(found)] == ["37"]
        assert "500" in failed(found)[0].why
        assert len(good(found)) == 59


def test_many_poisoned_pages_are_not_a_server_that_fails(opened: Opened) -> None:
    """Eight bad pages among sixty fail by name, because good ones come between them."""
    with Simulator(family(60)) as simulator:
        source = opened(simulator)
        refs, space = listed(source), only_space(source)
        bad = [str(number) for number in range(4, 60, 7)]
        simulator.faults.put(read_rules("; ".join(f"v2/pages -> html200 page={number}" for number in bad)))
        found = source.pages(refs, space)
        assert sorted(f.page_id for f in failed(found)) == sorted(bad)
        assert len(good(found)) == 60 - len(bad)


def test_large_requests_are_halved(opened: Opened) -> None:
    """A server that fails on more than 20 bodies at once gives all of them in smaller requests."""
    with Simulator(family(100)) as simulator:
        source = opened(simulator)
        refs, space = listed(source), only_space(source)
        put(simulator, "v2/pages -> 504 more_than=20")
        assert len(good(source.pages(refs, space))) == 100


@pytest.mark.parametrize("fault", ["huge=70000000 times=1", "half-json times=1", "wrong-types times=1", "html200 times=1"])
def test_an_answer_that_cannot_be_read_is_asked_for_in_halves(simulator: Simulator, opened: Opened, fault: str) -> None:
    """Too large, cut off, of wrong types or no JSON at all: the pages come in two smaller requests."""
    source = opened(simulator)
    refs, space = listed(source), only_space(source)
    put(simulator, f"v2/pages -> {fault}")
    assert len(good(source.pages(refs, space))) == 7


@pytest.mark.parametrize("fault", ["500", "html200", "reset"])
def test_a_server_that_fails_on_everything_ends_the_run(opened: Opened, fault: str) -> None:
    """When one page after the other fails, it is the server: the error comes soon, and not one failure for each page."""
    with Simulator(family(100)) as simulator:
        source = opened(simulator)
        refs, space = listed(source), only_space(source)
        put(simulator, f"v2/pages -> {fault}")
        simulator.forget_requests()
        with pytest.raises((ServerFailed, BadAnswer)):
            source.pages(refs, space)
        assert len(simulator.lines) < 60


def test_a_server_that_went_away_is_not_asked_in_halves(opened: Opened) -> None:
    """A refused connection ends the run at once: nothing was sent, and less would not get there either, for bodies and for labels."""
    with Simulator(family(10)) as simulator:
        source = opened(simulator)
        refs, space = listed(source), only_space(source)
    before = source.requests
    with pytest.raises(ServerFailed):
        source.pages(refs, space)
    assert HASTY.tries <= source.requests - before <= 2 * HASTY.tries


@pytest.mark.parametrize("shape", SHAPES)
def test_an_empty_page_is_a_page(opened: Opened, shape: str) -> None:
    """A body of no characters is a page without text, not a failure."""
    with Simulator([page(1, body={"storage": {"value": ""}})]) as simulator:
        [found] = good(read(opened(simulator, shape)))
        assert found.body == ""
        assert found.representation == "storage"


@pytest.mark.parametrize(("form", "shape"), [(form, shape) for form in ("export_view", "view") for shape in SHAPES])
def test_a_page_without_storage_is_read_as_it_is_rendered(opened: Opened, form: str, shape: str) -> None:
    """Where storage format is missing, export_view and then view is asked for, and the page says which it is."""
    with Simulator([page(1), page(2, body={form: {"value": "<p>As seen.</p>"}})]) as simulator:
        pages = good(read(opened(simulator, shape)))
        assert [(p.ref.id, p.body) for p in pages] == [("1", "<p>Page 1</p>"), ("2", "<p>As seen.</p>")]
        assert pages[1].representation in ("view", "export_view")
        assert pages[1].labels == ("even",)


def test_a_rendered_page_comes_by_cql_too(opened: Opened) -> None:
    """Without v2 the rendered page comes through search."""
    with Simulator([page(1, body={"view": {"value": "<p>As seen.</p>"}})]) as simulator:
        put(simulator, "api/v2 -> 410")
        [found] = good(read(opened(simulator)))
        assert found.body == "<p>As seen.</p>"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_page_without_any_body_fails(opened: Opened, shape: str) -> None:
    """A page with no body at all is a failure that says so, never an empty page; its neighbour comes."""
    with Simulator([page(1), page(2, body={})]) as simulator:
        found = read(opened(simulator, shape))
        assert [f.page_id for f in failed(found)] == ["2"]
        assert "neither a storage format nor a rendered body" in failed(found)[0].why
        assert len(good(found)) == 1


def test_no_body_by_cql_either(opened: Opened) -> None:
    """The same through search: a page without any body is a failure."""
    with Simulator([page(2, body={})]) as simulator:
        put(simulator, "api/v2 -> 410")
        [failure] = failed(read(opened(simulator)))
        assert "neither a storage format nor a rendered body" in failure.why


def test_a_title_of_any_kind_is_read(opened: Opened) -> None:
    """Quotes, emoji, NUL and lone surrogates in a title: text that any store takes, NUL and surrogates as U+FFFD."""
    title = 'He said "no" \U0001f680 a\0b \ud83d end'
    with Simulator([page(1, title)]) as simulator:
        [found] = good(read(opened(simulator)))
        assert found.ref.title == 'He said "no" \U0001f680 a\ufffdb \ufffd end'


def test_five_megabytes_are_a_page(opened: Opened) -> None:
    """A body of 5 MB arrives whole."""
    body = "<p>" + "word " * 1_000_000 + "</p>"
    with Simulator([page(1, body={"storage": {"value": body}})]) as simulator:
        [found] = good(read(opened(simulator)))
        assert found.body == body


# single questions


@pytest.mark.parametrize("shape", SHAPES)
def test_pages_by_id(simulator: Simulator, opened: Opened, shape: str) -> None:
    """FILTER_PAGE_IDS gets those that are there and current, whatever their space; the others are left out."""
    simulator.trash("4")
    source = opened(simulator, shape)
    only_space(source)
    assert sorted(ref.id for ref in source.refs(["2", "4", "999", "7"])) == ["2", "7"]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_above_a_page(simulator: Simulator, opened: Opened, shape: str) -> None:
    """Ancestors come from the root down, nearest last."""
    source = opened(simulator, shape)
    assert source.ancestors("6") == ["1", "3"]
    assert source.ancestors("1") == []


def test_what_is_above_a_page_by_cql(simulator: Simulator, opened: Opened) -> None:
    """The same through search."""
    put(simulator, "api/v2 -> 410")
    assert opened(simulator).ancestors("6") == ["1", "3"]


@pytest.mark.parametrize("fault", ["", "api/v2 -> 410", "api/v2 -> 410; rest/api/search -> 410"])
def test_a_space_by_its_id(simulator: Simulator, opened: Opened, fault: str) -> None:
    """A space is seen again by its id, and None when this account does not see it, by every route."""
    put(simulator, fault)
    source = opened(simulator, "site")
    space = only_space(source)
    assert source.space(space.id) == space
    assert source.space("12345") is None


@pytest.mark.parametrize("shape", SHAPES)
def test_labels_of_a_space(simulator: Simulator, opened: Opened, shape: str) -> None:
    """Labels of all pages, and the pages with one of several labels, come through search."""
    source = opened(simulator, shape)
    space = only_space(source)
    labels = {i: names for batch in source.labels_of_space(space) for i, names in batch.items()}
    assert labels["2"] == ("even",)
    assert labels["3"] == ()
    assert [i for batch in source.labelled(space, ["odd", "even"]) for i in batch] == ["2", "4", "6"]


def test_names_of_users(simulator: Simulator, opened: Opened) -> None:
    """Cloud gives display names by account id; nobody is asked for nobody."""
    source = opened(simulator)
    assert set(source.names(["712020:a", "712020:b"])) == {"712020:a", "712020:b"}
    before = source.requests
    assert source.names([]) == {}
    assert source.requests == before


def test_names_are_no_reason_to_fail(simulator: Simulator, opened: Opened) -> None:
    """Without the scope for users names are left out, and not asked for again."""
    source = opened(simulator)
    put(simulator, "users-bulk -> 403")
    assert source.names(["712020:a"]) is None
    before = source.requests
    assert source.names(["712020:a"]) is None
    assert source.requests == before
    assert "read:user:confluence" in "\n".join(source.missing())


def test_half_an_answer_about_users_is_none(simulator: Simulator, opened: Opened) -> None:
    """An answer that says that more follows must not pass for users without names: pages would keep their ids for good."""
    source = opened(simulator)
    put(simulator, "users-bulk -> empty-with-next")
    assert source.names(["712020:a"]) is None
    assert "gave 0 of 1 users" in "\n".join(source.missing())


def test_data_center_knows_no_names_by_account_id(simulator: Simulator, opened: Opened) -> None:
    """There is no such question on Data Center, so none is asked."""
    source = opened(simulator, "dc")
    assert source.names(["someone"]) == {}
    assert source.requests == 0


def test_warnings_are_said_once(simulator: Simulator, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """A route that does not serve is named once for each question, however often that is asked."""
    put(simulator, "api/v2 -> 410")
    source = opened(simulator)
    with caplog.at_level(logging.WARNING):
        listed(source)
        listed(source)
    assert len([r for r in caplog.records if "the listing of pages is not served by v2" in r.message]) == 1


def test_a_source_is_closed_for_good(simulator: Simulator, opened: Opened, settings_for: SettingsFor) -> None:
    """Closing gives the connections back and may be done twice."""
    settings: Settings = settings_for(simulator)
    with closing(open_source(settings, HASTY)) as source:
        assert source.whoami().id
    source.close()
