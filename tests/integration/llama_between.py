"""Stands between a run and a real server: a proxy with a page of its own, a slow line, TLS of a private authority, a line that ends."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

Twist = Callable[[str, str, bytes], tuple[int, str] | None]
DROPPED = {"host", "connection", "accept-encoding", "content-length", "transfer-encoding", "content-encoding", "date", "server"}


def as_it_is(method: str, path: str, body: bytes) -> None:
    """Nothing is twisted."""


@dataclass
class Between:
    """`twist` gives an answer in place of the server's, or None; `key` is what a request must bear; `hangs_up` ends connections unsaid."""

    target: str
    twist: Twist = as_it_is
    key: str = ""
    hangs_up: bool = False
    lines: list[tuple[str, str, int]] = field(default_factory=list)
    url: str = ""

    def writes(self) -> list[int]:
        """The sizes of the requests that add something, in order."""
        return [size for method, path, size in self.lines if is_write(method, path)]


def is_write(method: str, path: str) -> bool:
    """Whether this request puts chunks into a store."""
    return method == "POST" and path.partition("?")[0].endswith(("/insert", "/files", "/documents"))


@contextmanager
def between(target: str, tls: ssl.SSLContext | None = None) -> Iterator[Between]:
    """Between a client and `target` while it runs."""
    state = Between(target)
    with httpx.Client(base_url=target, timeout=300, trust_env=False) as client:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _passing(state, client))
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        state.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _passing(state: Between, client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            state.lines.append((self.command, self.path, len(body)))
            status, said, kind = self.answer(body)
            self.send_response(status)
            self.send_header("content-type", kind)
            if status != 204:
                self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)
            self.close_connection = self.close_connection or state.hangs_up

        def answer(self, body: bytes) -> tuple[int, bytes, str]:
            if state.key and self.headers.get("authorization") != f"Bearer {state.key}":
                return 401, b'{"detail": "Invalid bearer token"}', "application/json"
            twisted = state.twist(self.command, self.path, body)
            if twisted:
                return twisted[0], twisted[1].encode(), "text/html" if twisted[1].startswith("<") else "application/json"
            kept = {name: value for name, value in self.headers.items() if name.lower() not in DROPPED}
            got = client.request(self.command, self.path, headers=kept, content=body)
            return got.status_code, got.content, got.headers.get("content-type", "application/json")

        do_GET = do_POST = do_DELETE = serve  # noqa: N815  # the base class's names

        def log_message(self, *args: object) -> None:
            """Tests stay quiet."""

    return Passing
