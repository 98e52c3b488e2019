"""Faults on request: each goes wrong in the way it says, for the requests it is meant for, and for no others."""

from __future__ import annotations

import socket
import time
from asyncio import Transport
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
import requests

from confluence_sync.errors import SettingsError
from confluence_sync.simulator.faults import Faults, Rule, read_rules, rule_from
from confluence_sync.simulator.messages import Answer
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.wire import Connection
from tests.simulator_client import Client, family

PAGES = "/api/v2/pages"
STAYS = b"GET /_edge/tenant_info HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSES = STAYS.replace(b"Host: x", b"Connection: close")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(family(60)) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    with Client(simulator) as made:
        yield made


def put(simulator: Simulator, spec: str) -> None:
    simulator.faults.put(read_rules(spec))


def statuses(client: Client, count: int) -> list[int]:
    return [client.raw(PAGES, limit=1).status_code for _ in range(count)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 502, 503, 504])
def test_a_status_is_answered(simulator: Simulator, client: Client, status: int) -> None:
    """Any error status can be asked for on a route; other routes go on."""
    put(simulator, f"v2/pages -> {status}")
    assert client.raw(PAGES).status_code == status
    assert client.raw("/api/v2/spaces").status_code == 200


@pytest.mark.parametrize(
    ("spec", "struck"),
    [
        ("pages -> 500 nth=2", [200, 500, 200, 200, 200, 200]),
        ("pages -> 500 every=3", [200, 200, 500, 200, 200, 500]),
        ("pages -> 500 times=2", [500, 500, 200, 200, 200, 200]),
        ("pages -> 403 after=4", [200, 200, 200, 200, 403, 403]),
        ("pages -> 500 nth=1; pages -> 502 nth=1", [500, 502, 200, 200, 200, 200]),
    ],
)
def test_a_fault_strikes_when_it_is_told_to(simulator: Simulator, client: Client, spec: str, struck: list[int]) -> None:
    """nth, every, times and after count the requests that match; the first rule that strikes decides."""
    put(simulator, spec)
    assert statuses(client, 6) == struck


def test_chance_is_repeatable(simulator: Simulator, client: Client) -> None:
    """A probability strikes a share of the requests, the same ones each time it is set."""
    put(simulator, "pages -> 500 probability=0.5")
    first = statuses(client, 20)
    put(simulator, "pages -> 500 probability=0.5")
    assert statuses(client, 20) == first
    assert {200, 500} == set(first)


def test_retry_after_comes_in_three_forms(simulator: Simulator, client: Client) -> None:
    """429 carries Retry-After in seconds, as a date, or not at all."""
    waits = []
    for value in ("7", "date:30", "none"):
        put(simulator, f". -> 429={value}")
        waits.append(client.raw(PAGES).headers.get("Retry-After"))
    assert waits[0] == "7"
    assert waits[1] is not None
    assert waits[1].endswith("GMT")
    assert waits[2] is None


def test_big_requests_can_fail(simulator: Simulator, client: Client) -> None:
    """more-than strikes by the number of ids, in parameters and in CQL, or by the limit where there are none."""
    put(simulator, ". -> 500 more-than=20")
    ids = [str(number) for number in range(1, 22)]
    assert client.raw(PAGES, limit=21).status_code == 500
    assert client.raw(PAGES, limit=20).status_code == 200
    assert client.raw(PAGES, limit=250, id=ids).status_code == 500
    assert client.raw(PAGES, limit=250, id=ids[:20]).status_code == 200
    assert client.raw("/rest/api/content/search", cql=f"id in ({','.join(ids)})").status_code == 500
    assert client.raw("/rest/api/content/search", cql="id in (1,2)", limit=200).status_code == 200


def test_a_poison_page_fails_whatever_holds_its_body(simulator: Simulator, client: Client) -> None:
    """`page` strikes every answer with the body of that page, alone or in bulk, and no list without bodies."""
    put(simulator, ". -> 500 page=13")
    assert client.raw(f"{PAGES}/13", **{"body-format": "storage"}).status_code == 500
    assert client.raw(PAGES, id=["12", "13"], **{"body-format": "storage"}).status_code == 500
    assert client.raw("/rest/api/content/search", cql="id=13", expand="body.storage").status_code == 500
    assert client.raw(PAGES, id=["12"], **{"body-format": "storage"}).status_code == 200
    assert client.raw(PAGES, limit=250).status_code == 200


@pytest.mark.parametrize("spec", ["reset", "reset-after", "truncate", "truncate=1"])
def test_a_connection_can_break(simulator: Simulator, client: Client, spec: str) -> None:
    """A reset closes without an answer, a cut leaves out part of what was promised; the next request works."""
    put(simulator, f"pages -> {spec} nth=1")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.raw(PAGES)
    assert client.raw(PAGES).status_code == 200


def test_html_comes_with_status_200(simulator: Simulator, client: Client) -> None:
    """A login page is HTML with status 200."""
    put(simulator, ". -> html200")
    answer = client.raw(PAGES)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html;charset=UTF-8")


@pytest.mark.parametrize("action", ["half-json", "not-an-object"])
def test_json_can_be_wrong(simulator: Simulator, client: Client, action: str) -> None:
    """Half a document, or a document that is no object, arrives as if it were whole."""
    put(simulator, f". -> {action}")
    answer = client.raw(PAGES)
    assert answer.status_code == 200
    if action == "half-json":
        with pytest.raises(requests.JSONDecodeError):
            answer.json()
    else:
        assert isinstance(answer.json(), list)


def test_values_can_have_the_wrong_type(simulator: Simulator, client: Client) -> None:
    """The names are right and the values are not, in lists and in single objects; errors stay as they are."""
    put(simulator, ". -> wrong-types")
    assert client.get(PAGES)["results"][0]["id"] == ["?"]
    assert client.get(f"{PAGES}/1")["id"] == [None]
    assert client.raw(f"{PAGES}/999").json()["errors"][0]["status"] == 404


def test_paging_can_lie(simulator: Simulator, client: Client) -> None:
    """next on another host, a cursor for ever, an empty page with next, an early end, and wrong totals."""

    def links(action: str, limit: int = 9) -> dict[str, str]:
        put(simulator, f". -> {action}")
        answer = client.get(PAGES, limit=limit)
        return dict(answer["_links"], results=len(answer["results"]), size=answer.get("size"))

    assert links("next-elsewhere")["next"].startswith("https://elsewhere.invalid/wiki/api")
    assert links("next-elsewhere", 250)["base"] == "https://elsewhere.invalid/wiki"
    assert links("repeat-cursor=AGAIN")["next"].endswith("cursor=AGAIN")
    assert links("repeat-cursor", 250)["next"]
    assert links("empty-with-next")["results"] == 0
    assert links("empty-with-next", 250)["next"]
    assert "next" not in links("no-next")
    assert links("wrong-totals")["size"] == 99_999


def test_data_center_can_count_wrong(simulator: Simulator, client: Client) -> None:
    """overlap lets `next` go back, so that items come twice; the last page still has no next."""
    put(simulator, ". -> overlap=2")
    assert client.data_center("/content", limit=10).json()["_links"]["next"].startswith("/rest/api/content?start=8")
    assert "next" not in client.data_center("/content", limit=100).json()["_links"]


def test_a_redirect_leads_elsewhere(simulator: Simulator, client: Client) -> None:
    """A redirect names another host, which must never get our credentials."""
    put(simulator, ". -> redirect")
    answer = client.raw(PAGES)
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://elsewhere.invalid/login")


def test_bodies_can_be_far_too_large(simulator: Simulator, client: Client) -> None:
    """A bomb is small on the wire and unpacks to what was asked for; a huge body is as large as it looks."""
    put(simulator, "pages -> gzip-bomb=3000000; spaces -> huge=2000000")
    bomb = client.raw(PAGES)
    assert int(bomb.headers["Content-Length"]) < 10_000
    assert len(bomb.content) == 3_000_000
    assert int(client.raw("/api/v2/spaces").headers["Content-Length"]) > 2_000_000


@pytest.mark.parametrize("action", ["slow=0.01", "latency=0.1"])
def test_answers_can_take_their_time(simulator: Simulator, client: Client, action: str) -> None:
    """A slow body comes in ten pieces, latency comes before the first; both arrive whole."""
    put(simulator, f". -> {action}")
    begun = time.perf_counter()
    assert len(client.get(PAGES, limit=50)["results"]) == 50
    assert time.perf_counter() - begun > 0.08


def test_latency_holds_for_every_request() -> None:
    """latency_ms delays each answer."""
    with Simulator(family(), latency_ms=60) as simulator, Client(simulator) as client:
        begun = time.perf_counter()
        client.get(PAGES)
        assert time.perf_counter() - begun > 0.055


def test_what_making_an_answer_takes_is_part_of_its_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a line: a client waits so long as it was told, unless the answer takes longer to make than that."""
    clock, waits = iter([10.0, 10.04, 20.0, 20.2, 20.2]), list[float]()
    loop = SimpleNamespace(time=lambda: next(clock), call_later=lambda wait, *_: waits.append(wait))
    monkeypatch.setattr("confluence_sync.simulator.wire.asyncio.get_running_loop", lambda: loop)
    for _ in range(2):
        line, sent = Connection(lambda request: Answer(200, b"{}", delay=0.1), set()), list[bytes]()
        line.connection_made(cast(Transport, SimpleNamespace(write=sent.append)))
        line.data_received(STAYS)
    assert waits == [pytest.approx(0.06)]
    assert sent[-1] == b"{}"


def test_a_space_can_be_lost_in_the_middle(simulator: Simulator, client: Client) -> None:
    """close-space takes the permission away after some requests, and every list shrinks with status 200."""
    put(simulator, "pages -> close-space=OPS after=2")
    assert [len(client.get(PAGES, limit=5)["results"]) for _ in range(4)] == [5, 5, 0, 0]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("pages", "expected"),
        ("pages ->", "expected"),
        ("pages -> melt", "melt"),
        ("( -> 500", "regular expression"),
        ("a -> 500 now=1", "now"),
        ("a -> 500 nth=x", "x"),
    ],
)
def test_a_fault_that_does_not_exist_is_named(spec: str, says: str) -> None:
    """What cannot be read as a fault is an error that says what was given."""
    with pytest.raises(SettingsError, match=says):
        read_rules(spec)


def test_an_answer_that_is_no_json_stays_as_it_is() -> None:
    """A fault that changes JSON leaves HTML alone."""
    with Simulator(family()) as simulator:
        put(simulator, ". -> no-next")
        assert "Page Not Found" in requests.get(f"{simulator.url}/login", timeout=10).text


def test_rules_come_from_text_and_from_values() -> None:
    """The notation of the command line and plain values make the same rule."""
    assert read_rules("content/search -> 429=2 every=5 ;") == [Rule("content/search", "429", "2", every=5)]
    assert rule_from({"route": "a", "action": "slow", "probability": 0.5}).probability == 0.5
    assert Faults(read_rules("")).rules == []


def ask(simulator: Simulator, *sent: bytes) -> bytes:
    """What comes back for raw bytes until the server closes the connection."""
    with socket.create_connection((simulator.host, simulator.port), timeout=10) as line:
        for part in sent:
            line.sendall(part)
            time.sleep(0.02)
        received = b""
        while more := line.recv(65536):
            received += more
        return received


def test_requests_may_come_in_pieces_and_together(simulator: Simulator) -> None:
    """A request split over packets is answered once, two in one packet are answered in order, and then the line is closed."""
    assert ask(simulator, CLOSES[:20], CLOSES[20:]).count(b"200 OK") == 1
    assert ask(simulator, STAYS + CLOSES).count(b"200 OK") == 2
    put(simulator, ". -> latency=0.1 nth=1")
    assert ask(simulator, STAYS, CLOSES).count(b"200 OK") == 2
    assert b"cloudId" not in ask(simulator, CLOSES.replace(b"GET", b"HEAD"))


def test_a_client_may_leave(simulator: Simulator) -> None:
    """A client that has gone before a late answer harms nobody."""
    simulator.latency = 0.05
    for action in ("slow=0.02", "reset", "html200"):
        put(simulator, f". -> {action}")
        with socket.create_connection((simulator.host, simulator.port)) as line:
            line.sendall(STAYS)
            time.sleep(0.07 if action == "slow=0.02" else 0.02)
        time.sleep(0.3)
    put(simulator, "")
    assert b"200 OK" in ask(simulator, CLOSES)


@pytest.mark.parametrize("sent", [b"HELLO\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET /" + b"a" * 300_000])
def test_what_is_not_http_is_refused(simulator: Simulator, sent: bytes) -> None:
    """Anything that cannot be read as a request answers 400 and closes."""
    assert ask(simulator, sent).startswith(b"HTTP/1.1 400")


def test_a_slow_route_that_is_closed_says_so_slowly(simulator: Simulator, client: Client) -> None:
    """A fault that lets the answer through does not open what another one closes."""
    put(simulator, "pages -> slow=0.001; pages -> 410")
    assert statuses(client, 2) == [410, 410]
    assert simulator.faults.struck == {0: 2, 1: 2}
