"""A server of a few scripted answers, for what a test must see or send byte by byte."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered; a body longer than `sent` bytes (when not -1) breaks off there."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int = -1


@dataclass(frozen=True, slots=True)
class Got:
    """A request as it arrived, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Answering:
    """`url` is the server's address; `got` has every request."""

    url: str
    got: list[Got]


@contextmanager
def answering(reply: Callable[[Got, int], Reply], tls: SSLContext | None = None) -> Iterator[Answering]:
    """Serves what `reply` gives for each request and its number, from 1."""
    got: list[Got] = []

    class Script(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            heads = {name.lower(): value for name, value in self.headers.items()}
            got.append(Got(self.command, self.path, heads, self.rfile.read(length)))
            made = reply(got[-1], len(got))
            self.send_response(made.status)
            for name, value in {"Content-Length": str(len(made.body)), **made.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(made.body if made.sent < 0 else made.body[: made.sent])
            self.close_connection = self.close_connection or made.sent >= 0

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # http.server's names

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Script)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are part of the tests
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Answering(f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}", got)
    finally:
        server.shutdown()
        server.server_close()
