"""One connection to one server: retry, Retry-After, size limits and redaction live here, and nothing else sleeps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from confluence_sync.errors import (
    BadAnswer,
    Gone,
    NotAllowed,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    ServerFailed,
)
from confluence_sync.jsontext import dumps, loads

log = logging.getLogger(__name__)

Params = Iterable[tuple[str, str]]
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response. Header names are lower case; `body` is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray
    url: str

    def json(self) -> object:
        """Raises BadAnswer for anything that is not JSON, and says when it looks like a login page."""
        try:
            return loads(self.body)
        except (ValueError, RecursionError) as error:  # the latter for arrays nested ten thousand deep
            raise BadAnswer(f"{_path(self.url)} answered {self.status} with {self._what()} instead of JSON", self.status) from error

    @property
    def is_json(self) -> bool:
        try:
            self.json()
        except BadAnswer:
            return False
        return True

    def _what(self) -> str:
        start = self.body[:512].lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return "an HTML page (a login page or a proxy in between; check the address and the token)"
        return f"{len(self.body)} bytes that break off or are no JSON" if self.body else "an empty body"


class Wire(Protocol):
    """Sends one request, once.

    Raises ServerFailed when no whole answer came (its `sent` says whether the request may have taken effect), TooLarge over `limit` bytes.
    """

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout: float, limit: int) -> Answer: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a request is tried: seconds; a Retry-After over `longest_wait` is cut down to it."""

    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    timeout: float = 60.0


@dataclass
class Link:
    """A base address, what to send with every request, and how patient to be. Thread-safe."""

    base: str
    wire: Wire
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    patience: Patience = Patience()
    requests: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _not_before: float = 0.0

    def get(self, path: str, params: Params = (), *, limit: int = 64 * MEGABYTE) -> object:
        """The JSON answer of a GET, which may always be repeated."""
        return self.send("GET", path, params, limit=limit).json()

    def send(
        self,
        method: str,
        path: str,
        params: Params = (),
        *,
        payload: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        timeout: float | None = None,
        limit: int = 64 * MEGABYTE,
    ) -> Answer:
        """A 2xx answer, or a RemoteError.

        `repeatable` says that doing it twice is the same as once; if it is not, only a request that surely had no effect is sent again.
        `payload` is sent as JSON; `content` as it is (give its type in `headers`).
        """
        from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

        query = urlencode(list(params))
        url = f"{self.base}{path}{'?' + query if query else ''}"
        body = dumps(payload) if payload is not None else content
        sent = {**self.headers, **({"content-type": "application/json"} if payload is not None else {}), **(headers or {})}

        def wait(state: RetryCallState) -> float:
            return self._wait(state.attempt_number, state.outcome.exception() if state.outcome else None)

        retrying = Retrying(
            stop=stop_after_attempt(self.patience.tries),
            wait=wait,
            retry=retry_if_exception(lambda error: _worth_repeating(error, repeatable)),
            before_sleep=self._tell,
            reraise=True,
        )
        return retrying(self._once, method, url, sent, body, timeout or self.patience.timeout, limit)

    def close(self) -> None:
        self.wire.close()

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float, limit: int) -> Answer:
        self._hold_back()
        with self._lock:
            self.requests += 1
        started = time.monotonic()
        answer = self._sent(method, url, headers, body, timeout, limit)
        seconds = time.monotonic() - started
        log.debug("%s %s -> %d, %d bytes, %.2f s", method, self.redact(url), answer.status, len(answer.body), seconds)
        self._heed(answer.headers)
        if 200 <= answer.status < 300:
            return answer
        raise self._failure(method, answer)

    def _sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float, limit: int) -> Answer:
        try:
            return self.wire.send(method, url, headers, body, timeout, limit)
        except RemoteError as error:
            raise type(error)(self.redact(str(error)), error.status, sent=error.sent) from None

    def _failure(self, method: str, answer: Answer) -> RemoteError:
        what = f"{method} {self.redact(_path(answer.url))} answered {answer.status}"
        said = self.redact(_said(answer))
        message = f"{what}: {said}" if said else what
        if answer.status == 429 or (answer.status == 403 and answer.headers.get("x-ratelimit-remaining") == "0"):
            return _Limited(message, answer.status, _retry_after(answer.headers))
        if 300 <= answer.status < 400:
            target = urlsplit(answer.headers.get("location", "")).netloc
            return BadAnswer(f"{what}, a redirect to {target or 'nowhere'}, which is not followed; check the address", answer.status)
        if answer.status == 404:
            return NotFound(message, 404, by_service=answer.is_json)
        kinds: dict[int, type[RemoteError]] = {401: NotAllowed, 403: NotAllowed, 410: Gone}
        kind = kinds.get(answer.status, ServerFailed if answer.status >= 500 else Rejected)
        return kind(message, answer.status)

    def redact(self, text: str) -> str:
        """`text` without any secret this connection knows."""
        for secret in filter(None, self.secrets):
            text = text.replace(secret, "***")
        return text

    def _wait(self, attempt: int, error: BaseException | None) -> float:
        asked = error.retry_after if isinstance(error, _Limited) else None
        growing: float = self.patience.first_wait * 2 ** (attempt - 1)
        jittered = growing * (0.75 + 0.5 * (hash((attempt, threading.get_ident())) % 100) / 100)
        return min(asked if asked is not None else jittered, self.patience.longest_wait)

    def _tell(self, state: object) -> None:
        outcome = getattr(state, "outcome", None)
        log.info("trying again: %s", outcome.exception() if outcome else "")

    def _heed(self, headers: Mapping[str, str]) -> None:
        """Slows down before a limit bites: Atlassian says when less than a fifth of it is left."""
        if headers.get("x-ratelimit-nearlimit", "").lower() == "true":
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic()) + self.patience.first_wait

    def _hold_back(self) -> None:
        pause = min(self._not_before - time.monotonic(), self.patience.longest_wait)
        if pause > 0:
            time.sleep(pause)


class _Limited(RateLimited):
    def __init__(self, message: str, status: int, retry_after: float | None) -> None:
        super().__init__(f"{message} (too many requests; run again later or lower CONCURRENCY)", status, sent=False)
        self.retry_after = retry_after


def _worth_repeating(error: BaseException, repeatable: bool) -> bool:
    if isinstance(error, RateLimited):
        return True
    return isinstance(error, ServerFailed) and (repeatable or not error.sent)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number or an HTTP date; None when the server does not say or says nonsense."""
    raw = headers.get("retry-after", "").strip()
    if not raw:
        return None
    try:
        return max(0.0, float(raw))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(raw).timestamp() - time.time())
    except ValueError:
        return None


def _path(url: str) -> str:
    return urlsplit(url).path or "/"


def _said(answer: Answer) -> str:
    """The server's own words, one line, short; nothing for HTML."""
    try:
        value = loads(answer.body)
    except (ValueError, RecursionError):
        return "" if b"<" in answer.body[:100] else " ".join(answer.body[:200].decode("utf-8", "replace").split())
    return " ".join(_message(value).split())[:300]


def _message(value: object) -> str:
    """The message inside the usual error shapes: {"message"}, {"detail"}, {"error": ...}, {"errors": [...]}."""
    if isinstance(value, dict):
        found = next((value[key] for key in ("message", "detail", "error", "title", "errors", "data") if value.get(key)), None)
        return _message(found) if found is not None else dumps(value).decode()
    if isinstance(value, list):
        return "; ".join(_message(item) for item in value[:3])
    return "" if value is None else str(value)
