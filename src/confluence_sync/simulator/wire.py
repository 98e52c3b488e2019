"""HTTP/1.1 on a socket, kept small so that the simulator costs little CPU: keep-alive, gzip, and answers that break on purpose."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from http.client import responses
from typing import cast

from confluence_sync.simulator.messages import Answer, Request, gateway_problem

Respond = Callable[[Request], Answer]
Packed = tuple[bytes, dict[str, str]]  # a body as it travels, and the headers that say so
HEAD_LIMIT = 256 * 1024
GZIP_ABOVE = 1024
PACKED_KEPT = 64  # answers; 200 bodies of 16 KB are a megabyte
LINGER_SECONDS = 2.0

_PACKED: dict[tuple[int, int], bytes] = {}  # by length and hash of what they are made of


class Malformed(Exception):
    """What arrived is not HTTP/1.1 as we speak it."""


class Connection(asyncio.Protocol):
    """One client connection; answers its requests one after the other."""

    def __init__(self, respond: Respond, open_connections: set[Connection]) -> None:
        self.respond = respond
        self.open_connections = open_connections
        self.received = bytearray()
        self.busy = False
        self.refused = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.open_connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.discard(self)
        self.transport = None

    def drop(self) -> None:
        """Breaks the connection without a word."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        self.received += data
        self._answer_next()

    def _answer_next(self) -> None:
        if self.busy or self.transport is None:
            return
        asked = asyncio.get_running_loop().time()
        try:
            request = take_request(self.received)
        except Malformed as error:
            self._refuse(gateway_problem(400, str(error)))
            return
        if request is not None:
            self.busy = True
            answer = self.respond(request)
            self._send_later(request, answer, packed(request, answer), asked)

    def _refuse(self, answer: Answer) -> None:
        """Answers, then reads on for a moment: closing with bytes unread resets the connection, and the client may never see the answer."""
        if self.transport is None:
            return
        self.refused = True
        self.transport.write(head(answer, len(answer.body), {}, closing=True) + answer.body)
        self.transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.drop)

    def _send_later(self, request: Request, answer: Answer, ready: Packed, asked: float) -> None:
        """So late as the answer says, with the time that making it took: a line's latency is what the client waits."""
        loop = asyncio.get_running_loop()
        wait = asked + answer.delay - loop.time()
        if wait > 0:
            loop.call_later(wait, self._send, request, answer, ready)
        else:
            self._send(request, answer, ready)

    def _send(self, request: Request, answer: Answer, ready: Packed) -> None:
        if answer.cut < 0:
            self.drop()
        if self.transport is None or answer.cut < 0:
            return
        body, extra = ready
        closing = bool(answer.cut) or request.headers.get("connection", "").lower() == "close"
        self.transport.write(head(answer, len(body), extra, closing))
        whole = b"" if request.method == "HEAD" else body[: len(body) - answer.cut]
        if answer.slow:
            self._drip(whole, answer.slow, closing)
            return
        self.transport.write(whole)
        self._done(closing)

    def _drip(self, body: bytes, pause: float, closing: bool) -> None:
        size = max(1, -(-len(body) // 10))
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        loop = asyncio.get_running_loop()
        for number, piece in enumerate(pieces):
            loop.call_later(number * pause, self._write, piece)
        loop.call_later(len(pieces) * pause, self._done, closing)

    def _write(self, piece: bytes) -> None:
        if self.transport is not None:
            self.transport.write(piece)

    def _done(self, closing: bool) -> None:
        self.busy = False
        if self.transport is None:
            return
        if closing:
            self.transport.close()
        else:
            self._answer_next()


def take_request(received: bytearray) -> Request | None:
    """Takes the first whole request out of `received`; None when it has not arrived in full."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if len(received) > HEAD_LIMIT:
            raise Malformed("the request's head is too long")
        return None
    first, *lines = received[:end].decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    words = first.split(" ")
    if len(words) != 3 or not length.isdecimal() or "transfer-encoding" in headers:
        raise Malformed("expected METHOD TARGET HTTP/1.1 and a Content-Length")
    stop = end + 4 + int(length)
    if len(received) < stop:
        return None
    body = bytes(received[end + 4 : stop])
    del received[:stop]
    return Request(words[0], words[1], headers, body)


def packed(request: Request, answer: Answer) -> Packed:
    """The body as it travels, gzipped when the client takes that, and the header that says so."""
    wanted = "gzip" in request.headers.get("accept-encoding", "")
    if not wanted or len(answer.body) < GZIP_ABOVE or "Content-Encoding" in answer.headers:
        return answer.body, {}
    return _gzipped(answer.body), {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


def _gzipped(body: bytes) -> bytes:
    """Packed once for all who ask: 4 MB take 24 ms, in which everybody else waits, and whoever measures a run measures that, too."""
    key = (len(body), hash(body))
    known = _PACKED.get(key)
    if known is None:
        squeeze = zlib.compressobj(level=1, wbits=31)
        known = squeeze.compress(body) + squeeze.flush()
        if len(_PACKED) >= PACKED_KEPT:
            _PACKED.clear()
        _PACKED[key] = known
    return known


def head(answer: Answer, length: int, extra: dict[str, str], closing: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in {**answer.headers, **extra}.items()]
    lines += [f"Content-Length: {length}", f"Connection: {'close' if closing else 'keep-alive'}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")
