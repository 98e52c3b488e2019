"""One connection: what is repeated and how long it waits, what each status means, and that no secret is ever said."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from confluence_sync.errors import BadAnswer, Gone, NotAllowed, NotFound, RateLimited, Rejected, RemoteError, ServerFailed, TooLarge
from confluence_sync.http import MEGABYTE, Answer, Link, Patience
from confluence_sync.wires import HttpxWire, RequestsWire
from tests.answering import Answering, Got, Reply, answering
from tests.conftest import HASTY

Script = Callable[[Got, int], Reply]


@contextmanager
def linked(reply: Script, patience: Patience = HASTY, **more: object) -> Iterator[tuple[Link, Answering]]:
    """A connection to a server of scripted answers."""
    with answering(reply) as server:
        link = Link(server.url, RequestsWire(), patience=patience, **more)  # type: ignore[arg-type]  # the test's own
        try:
            yield link, server
        finally:
            link.close()


def always(status: int, body: bytes = b"{}", **headers: str) -> Script:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda got, number: Reply(status, body, named)


def first(*statuses: int, **headers: str) -> Script:
    """These statuses, one a request, then 200."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda got, number: Reply(statuses[number - 1], b"{}", named) if number <= len(statuses) else Reply()


def test_a_question_is_sent_as_it_was_asked() -> None:
    """Path, query with repeated names, headers and JSON arrive; the answer is parsed."""
    with linked(always(200, b'{"a": [1]}'), headers={"authorization": "Bearer t"}) as (link, server):
        assert link.get("/x", [("id", "1"), ("id", "2"), ("q", 'a "b"&c')]) == {"a": [1]}
        link.send("POST", "/y", payload={"k": "v"})
        link.send("PUT", "/z", content=b"raw", headers={"content-type": "text/plain"})
        got, posted, put = server.got
    assert (got.method, got.path) == ("GET", "/x?id=1&id=2&q=a+%22b%22%26c")
    assert got.headers["authorization"] == "Bearer t"
    assert (posted.body, posted.headers["content-type"]) == (b'{"k":"v"}', "application/json")
    assert (put.body, put.headers["content-type"]) == (b"raw", "text/plain")
    assert link.requests == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    """Limits and server errors are tried again, and the good answer counts."""
    with linked(first(status, status)) as (link, server):
        assert link.get("/") == {}
        assert len(server.got) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected), (401, NotAllowed), (403, NotAllowed), (404, NotFound), (409, Rejected),
        (410, Gone), (413, Rejected), (422, Rejected), (301, BadAnswer), (304, BadAnswer),
    ],
)  # fmt: skip
def test_what_will_not_pass_is_said_at_once(status: int, kind: type[RemoteError]) -> None:
    """Every other status is an error of its kind after one request, with route and status in its message."""
    with linked(always(status)) as (link, server):
        with pytest.raises(kind, match=f"GET /x answered {status}") as caught:
            link.get("/x")
        assert caught.value.status == status
        assert len(server.got) == 1


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (500, ServerFailed), (503, ServerFailed)])
def test_patience_ends(status: int, kind: type[RemoteError]) -> None:
    """After so many tries the last error is raised."""
    with linked(always(status)) as (link, server):
        with pytest.raises(kind):
            link.get("/")
        assert len(server.got) == HASTY.tries


def test_403_with_an_empty_bucket_is_a_limit() -> None:
    """Some Data Centers say 403 when limited; the header that counts what is left tells it from a missing permission."""
    with linked(first(403, X_RateLimit_Remaining="0")) as (link, _):
        assert link.get("/") == {}


def test_only_what_is_safe_is_repeated() -> None:
    """A request that must not be done twice is not sent again after 500, and is after 429, which did nothing."""
    with linked(always(500)) as (link, server):
        with pytest.raises(ServerFailed) as caught:
            link.send("POST", "/", repeatable=False)
        assert (len(server.got), caught.value.sent) == (1, True)
    with linked(first(429)) as (link, server):
        link.send("POST", "/", repeatable=False)
        assert len(server.got) == 2


@pytest.mark.parametrize("wire", [RequestsWire, HttpxWire])
def test_a_refused_connection_did_nothing(wire: Callable[[], RequestsWire | HttpxWire]) -> None:
    """Nobody listening: tried again even where twice would be wrong, and the error says that nothing was sent."""
    with answering(always(200)) as server:
        url = server.url
    link = Link(url, wire(), patience=HASTY)
    with pytest.raises(ServerFailed) as caught:
        link.send("POST", "/", repeatable=False)
    assert (link.requests, caught.value.sent, caught.value.status) == (HASTY.tries, False, 0)
    link.close()


@pytest.mark.parametrize("wire", [RequestsWire, HttpxWire])
def test_half_an_answer_is_none(wire: Callable[[], RequestsWire | HttpxWire]) -> None:
    """A connection that breaks in the middle of a body is a failure, tried again."""
    with answering(lambda got, n: Reply(body=b"[1, 2, 3]", sent=4 if n == 1 else -1)) as server:
        link = Link(server.url, wire(), patience=HASTY)
        assert link.get("/") == [1, 2, 3]
        assert len(server.got) == 2
        link.close()


@pytest.mark.parametrize("wire", [RequestsWire, HttpxWire])
def test_a_slow_server_times_out(wire: Callable[[], RequestsWire | HttpxWire]) -> None:
    """No answer within the time given is a failure that may have taken effect."""

    def slow(got: Got, number: int) -> Reply:
        time.sleep(0.5)
        return Reply()

    with answering(slow) as server:
        link = Link(server.url, wire(), patience=Patience(tries=1, timeout=0.1))
        with pytest.raises(ServerFailed, match="gave no answer") as caught:
            link.get("/secret-path?token=abc")
        assert caught.value.sent
        assert "token=abc" not in str(caught.value)
        link.close()


# how long it waits


def waits(retry_after: str) -> float:
    """What a connection would wait after 429 with this Retry-After, without waiting; its own first wait is a second."""
    link = Link("http://x", RequestsWire(), patience=Patience(first_wait=1.0))
    link.close()
    return link._wait(1, link._failure("GET", Answer(429, {"retry-after": retry_after}, b"", "http://x/")))


def test_retry_after_is_obeyed_in_seconds() -> None:
    """Retry-After: 0 is at once."""
    with linked(first(429, Retry_After="0"), Patience(tries=2, first_wait=30)) as (link, _):
        started = time.monotonic()
        link.get("/")
        assert time.monotonic() - started < 5
    assert waits("7") == 7


def test_retry_after_is_obeyed_as_a_date() -> None:
    """A date in the future is waited for, one in the past is at once."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < waits(soon) < 31
    assert waits("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize("value", ["", "soon", "Wed, 99 Foo", "nan"])
def test_a_retry_after_that_says_nothing_leaves_it_to_us(value: str) -> None:
    """Without a usable Retry-After the wait grows from the first one, with some jitter."""
    assert 0 <= waits(value) <= 1.25


@pytest.mark.parametrize("value", ["86400", "1e300", "inf", "99999999999999999999"])
def test_an_absurd_retry_after_is_cut_down(value: str) -> None:
    """A server that asks for a day gets a minute, then the error."""
    assert waits(value) == 60


def test_waiting_grows_up_to_a_bound() -> None:
    """Each wait is about twice the one before, never longer than the longest."""
    link = Link("http://x", RequestsWire(), patience=Patience(first_wait=1.0, longest_wait=10.0))
    grown = [link._wait(attempt, ServerFailed("x")) for attempt in range(1, 9)]
    assert 0.75 <= grown[0] <= 1.25
    assert 1.5 <= grown[1] <= 2.5
    assert grown[-1] == 10.0
    link.close()


def test_a_limit_that_is_near_slows_down() -> None:
    """When the server says that its limit is near, the next request waits a little."""
    with linked(always(200, X_RateLimit_NearLimit="true"), Patience(first_wait=0.2)) as (link, _):
        link.get("/")
        started = time.monotonic()
        link.get("/")
        assert time.monotonic() - started > 0.15


def test_the_end_of_patience_with_a_limit_says_what_to_do() -> None:
    """429 for too long is exit 5 and names CONCURRENCY."""
    with linked(always(429, b'{"message": "Rate limited"}')) as (link, _), pytest.raises(RateLimited, match="CONCURRENCY") as caught:
        link.get("/")
    assert caught.value.exit_code == 5
    assert not caught.value.sent


# what is said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message": "No  such\\n space"}', "No such space"),
        (b'{"detail": [{"msg": "x", "title": "field missing"}]}', "field missing"),
        (b'{"errors": [{"title": "Bad"}, {"title": "Worse"}]}', "Bad; Worse"),
        (b'{"error": {"message": "deep"}}', "deep"),
        (b'{"code": 7}', '{"code":7}'),
        (b'"plain"', "plain"),
        (b"null", ""),
        (b"just words", "just words"),
        (b"<html>nothing to quote</html>", ""),
        (b"", ""),
    ],
)
def test_the_servers_own_words_are_passed_on(body: bytes, said: str) -> None:
    """The message inside the usual shapes of an error, on one line; nothing of an HTML page."""
    with linked(always(400, body)) as (link, _), pytest.raises(Rejected) as caught:
        link.get("/x")
    assert str(caught.value) == f"GET /x answered 400{': ' if said else ''}{said}"


def test_long_words_are_cut() -> None:
    """A server's essay is cut down to a line."""
    with linked(always(400, b'{"message": "' + b"x" * 5000 + b'"}')) as (link, _), pytest.raises(Rejected) as caught:
        link.get("/")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html>", "an HTML page (a login page or a proxy in between"),
        (b"\n <HTML>", "an HTML page"),
        (b'{"a": [1,', "9 bytes that break off or are no JSON"),
        (b"", "an empty body"),
        (b"\xff\xfe", "2 bytes"),
    ],
)
def test_success_without_json_is_a_bad_answer(body: bytes, words: str) -> None:
    """200 with a login page, half a document or nothing is told apart and never taken for an answer."""
    with linked(always(200, body)) as (link, _), pytest.raises(BadAnswer) as caught:
        link.get("/x")
    assert words in str(caught.value)


def test_deep_json_is_a_bad_answer() -> None:
    """JSON nested a hundred thousand deep is a bad answer, not a crash."""
    with linked(always(200, b"[" * 100_000 + b"]" * 100_000)) as (link, _), pytest.raises(BadAnswer):
        link.get("/")


@pytest.mark.parametrize(("location", "named"), [("https://login.elsewhere.invalid/x?token=1", "login.elsewhere.invalid"), ("", "nowhere")])
def test_redirects_are_not_followed(location: str, named: str) -> None:
    """A redirect names its target's host and goes nowhere: credentials stay here."""
    with linked(always(302, b"", Location=location)) as (link, server):
        with pytest.raises(BadAnswer, match=f"a redirect to {named}, which is not followed"):
            link.get("/x")
        assert len(server.got) == 1


@pytest.mark.parametrize("wire", [RequestsWire, HttpxWire])
def test_a_redirect_on_the_same_host_is_not_followed_either(wire: Callable[[], RequestsWire | HttpxWire]) -> None:
    """Neither client follows a redirect by itself."""
    with answering(lambda got, n: Reply(302, b"", {"Location": "/y"}) if got.path == "/x" else Reply()) as server:
        link = Link(server.url, wire(), patience=HASTY)
        with pytest.raises(BadAnswer):
            link.get("/x")
        assert [got.path for got in server.got] == ["/x"]
        link.close()


def test_no_secret_is_ever_said(caplog: pytest.LogCaptureFixture) -> None:
    """A token that a server echoes, or that stands in an address, is *** in every error and log line."""
    with linked(always(400, b'{"message": "bad token s3cret-token"}'), secrets=("s3cret-token", "")) as (link, _):
        caplog.set_level(logging.DEBUG, "confluence_sync")
        with pytest.raises(Rejected) as caught:
            link.get("/s3cret-token", [("key", "s3cret-token")])
    assert "-> 400" in caplog.text
    assert "s3cret-token" not in str(caught.value) + caplog.text
    assert "***" in str(caught.value)


def test_no_secret_is_said_when_the_wire_breaks() -> None:
    """A token in an address that cannot be reached does not show either; nor does the cause it came from."""
    link = Link("http://127.0.0.1:1", RequestsWire(), secrets=("s3cret-token",), patience=Patience(tries=1))
    with pytest.raises(ServerFailed) as caught:
        link.get("/s3cret-token")
    assert "s3cret-token" not in str(caught.value)
    assert caught.value.__cause__ is None
    link.close()


def test_a_link_does_not_show_its_secrets() -> None:
    """repr() of a connection, as a traceback or a debugger prints it, holds no credential."""
    link = Link("http://x", RequestsWire(), {"authorization": "Bearer s3cret-token"}, ("s3cret-token",))
    assert "s3cret-token" not in repr(link)
    link.close()


@pytest.mark.parametrize("wire", [RequestsWire, HttpxWire])
def test_an_answer_has_a_limit(wire: Callable[[], RequestsWire | HttpxWire]) -> None:
    """More bytes than the limit are not read on, and not asked for again."""
    with answering(always(200, b" " * (3 * MEGABYTE))) as server:
        link = Link(server.url, wire(), patience=HASTY)
        with pytest.raises(TooLarge, match="more than 1 MB"):
            link.get("/x?y", limit=MEGABYTE)
        assert len(server.got) == 1
        link.close()
