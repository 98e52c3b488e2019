"""A listing is whole or it is an error: pages of answers are followed by their cursor alone, on our own base."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from confluence_sync.errors import BadAnswer, RemoteError
from confluence_sync.http import Link
from confluence_sync.model import Space
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.source.confluence import Confluence
from confluence_sync.source.connect import open_source
from confluence_sync.source.paging import follow
from confluence_sync.wires import RequestsWire
from tests.answering import Got, Reply, answering
from tests.conftest import HASTY, SettingsFor
from tests.simulator_client import family

SHAPES = ("gateway", "site", "dc")
EVERY = [str(number) for number in range(1, 61)]


@pytest.fixture(scope="module")
def sixty() -> Iterator[Simulator]:
    with Simulator(family(60)) as running:
        yield running


@pytest.fixture
def opened(sixty: Simulator, settings_for: SettingsFor) -> Iterator[Callable[[str], tuple[Confluence, Space]]]:
    """Opens a source with its only space seen; faults end with the test."""
    made: list[Confluence] = []

    def opening(shape: str = "gateway") -> tuple[Confluence, Space]:
        made.append(open_source(settings_for(sixty, shape), HASTY))
        [space] = made[-1].spaces()
        return made[-1], space

    yield opening
    sixty.faults.put([])
    for source in made:
        source.close()


Opened = Callable[..., tuple[Confluence, Space]]


def ids(source: Confluence, space: Space, limit: int = 25) -> list[str]:
    return sorted((ref.id for batch in source.listing(space, limit) for ref in batch), key=int)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limit", [1, 7, 25, 59, 60, 61, 250])
def test_a_listing_is_the_same_whatever_its_pages(opened: Opened, shape: str, limit: int) -> None:
    """All 60 pages come, each once, in requests of any size, also where the last one is exactly full."""
    source, space = opened(shape)
    assert ids(source, space, limit) == EVERY


@pytest.mark.parametrize("shape", SHAPES)
def test_a_short_page_is_not_the_last(sixty: Simulator, opened: Opened, shape: str) -> None:
    """A page with fewer results than asked for, and wrong totals, end nothing: only the absence of next does."""
    source, space = opened(shape)
    sixty.faults.put(read_rules(". -> wrong-totals"))
    assert ids(source, space) == EVERY


@pytest.mark.parametrize("shape", SHAPES)
def test_next_on_another_host_is_followed_at_home(sixty: Simulator, opened: Opened, shape: str) -> None:
    """When next names another host, only its position is used: our token never goes there, and the listing is whole."""
    source, space = opened(shape)
    sixty.faults.put(read_rules(". -> next-elsewhere=https://evil.invalid"))
    assert ids(source, space) == EVERY


@pytest.mark.parametrize("shape", ["gateway", "site"])
def test_a_repeated_cursor_is_an_error(sixty: Simulator, opened: Opened, shape: str) -> None:
    """A listing that repeats its cursor is not whole, however many results came."""
    source, space = opened(shape)
    sixty.faults.put(read_rules("spaces/.*/pages -> repeat-cursor"))
    with pytest.raises(RemoteError):
        ids(source, space)


def test_one_empty_page_with_a_next_is_passed(sixty: Simulator, opened: Opened) -> None:
    """A page without results and with a next happens on real servers, and the listing goes on behind it."""
    source, space = opened()
    sixty.faults.put(read_rules("spaces/.*/pages -> empty-with-next nth=2"))
    assert ids(source, space) == EVERY[:25] + EVERY[50:]


@pytest.mark.parametrize("fault", ["half-json", "html200", "not-an-object", "wrong-types", "redirect", "truncate", "reset", "500", "403"])
@pytest.mark.parametrize("shape", ["gateway", "dc"])
def test_trouble_on_the_way_is_no_end(sixty: Simulator, opened: Opened, shape: str, fault: str) -> None:
    """Whatever goes wrong on a later page of a listing raises: nobody takes what came before for all of it."""
    source, space = opened(shape)
    sixty.faults.put(read_rules(f"(cursor|start)= -> {fault}"))
    came: list[str] = []
    with pytest.raises(RemoteError):
        came += [ref.id for batch in source.listing(space, 25) for ref in batch]


# byte by byte


def pages(*bodies: str) -> Callable[[Got, int], Reply]:
    """These JSON bodies, one a request, the last one for ever."""
    return lambda got, number: Reply(body=bodies[min(number, len(bodies)) - 1].encode())


def followed(reply: Callable[[Got, int], Reply], *params: tuple[str, str]) -> tuple[int, list[str]]:
    """How many answers a listing gave and the addresses it asked for."""
    with answering(reply) as server:
        link = Link(server.url, RequestsWire(), patience=HASTY)
        try:
            count = sum(1 for _ in follow(link, "/list", list(params)))
        finally:
            link.close()
        return count, [got.path for got in server.got]


def test_only_the_position_is_taken_from_next() -> None:
    """Path, host and every other parameter of next are ignored; ours are sent again."""
    first = '{"results": [{}], "_links": {"next": "https://evil.invalid/else/where?limit=1&cursor=a%2Bb%3D&evil=1"}}'
    assert followed(pages(first, '{"results": []}'), ("limit", "9")) == (2, ["/list?limit=9", "/list?limit=9&cursor=a%2Bb%3D"])


def test_a_start_is_counted_here() -> None:
    """Data Center under-counts the start in next when it caps a page; what came is counted instead."""
    first = '{"results": [{}, {}, {}], "_links": {"next": "/rest/api/content?start=1&limit=500"}}'
    assert followed(pages(first, '{"results": [{}]}')) == (2, ["/list", "/list?start=3"])


def test_a_cursor_that_comes_back_later_is_an_error() -> None:
    """A listing that goes round in a circle of two is found, too."""
    round_trip = [f'{{"results": [{{}}], "_links": {{"next": "?cursor={c}"}}}}' for c in "abababab"]
    with pytest.raises(BadAnswer, match=r"repeats the cursor 'a' after 3 results; the listing is not whole"):
        followed(pages(*round_trip))


def test_a_start_that_does_not_advance_is_an_error() -> None:
    """An offset that stays where it is, because nothing came, is not an endless listing."""
    with pytest.raises(BadAnswer, match="the listing is not whole"):
        followed(pages('{"results": [], "_links": {"next": "?start=0"}}'))


def test_many_empty_pages_are_an_error() -> None:
    """Three empty answers in a row, each with a new cursor, are a listing that does not advance."""
    with pytest.raises(BadAnswer, match="3 empty pages in a row"):
        followed(lambda got, n: Reply(body=f'{{"results": [], "_links": {{"next": "?cursor={n}"}}}}'.encode()))


def test_empty_pages_between_others_are_none_of_those() -> None:
    """Empty answers that are not in a row are counted anew."""
    bodies = [f'{{"results": [{"{}" if n % 3 == 0 else ""}], "_links": {{"next": "?cursor={n}"}}}}' for n in range(12)]
    assert followed(pages(*bodies, '{"results": []}'))[0] == 13


@pytest.mark.parametrize("following", ["/list?page=2", "/list", "?cursor=", "http://[bad"])
def test_a_next_without_a_position_is_an_error(following: str) -> None:
    """More follows and there is no telling where: an error that quotes the link."""
    with pytest.raises(BadAnswer):
        followed(pages(f'{{"results": [{{}}], "_links": {{"next": "{following}"}}}}'))


@pytest.mark.parametrize(
    "body", ["[]", "null", '{"results": null}', '{"results": {}}', '{"results": [1]}', '{"results": [], "_links": []}', "{}"]
)
def test_an_answer_of_another_shape_is_an_error(body: str) -> None:
    """What is not a list of results is refused with the field's name, never taken for an empty page."""
    with pytest.raises(BadAnswer, match="/list"):
        followed(pages(body))


@pytest.mark.parametrize("links", ["null", "{}", '{"next": null}', '{"next": ""}', '{"base": "x"}'])
def test_the_end_is_the_absence_of_next(links: str) -> None:
    """No next, whatever else the links say, ends a listing."""
    assert followed(pages(f'{{"results": [{{}}], "_links": {links}}}'))[0] == 1


def test_a_next_that_is_no_text_is_an_error() -> None:
    """A next of another type is refused."""
    with pytest.raises(BadAnswer, match="next must be a text, but is list"):
        followed(pages('{"results": [{}], "_links": {"next": ["x"]}}'))
