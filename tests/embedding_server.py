"""A real OpenAI-compatible embeddings endpoint on 127.0.0.1, which can be told to misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.word_embedder import WordEmbedder

Rows = list[dict[str, Any]]


@dataclass
class Endpoint:
    """What the server was asked, and how it twists its answers."""

    asked: list[list[str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=lambda: ["words"])
    twist: Callable[[Rows], Rows] = lambda rows: rows
    refuse: list[int] = field(default_factory=list)  # statuses for the next requests
    most: int = 10**6  # texts in one request
    address: str = ""


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """The server while it runs; `address` is what EMBEDDING_URL would be."""
    about = Endpoint()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(200, {"data": [{"id": name} for name in about.models]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            about.keys.append(self.headers.get("authorization", ""))
            if about.refuse:
                self.answer(about.refuse.pop(0), {"error": {"message": "not now"}})
            elif len(body["input"]) > about.most:
                self.answer(413, {"error": {"message": f"batch size {len(body['input'])} > maximum allowed batch size {about.most}"}})
            else:
                about.asked.append(body["input"])
                vectors = WordEmbedder().embed(body["input"])
                self.answer(200, {"data": about.twist([{"index": i, "embedding": v.tolist()} for i, v in enumerate(vectors)])})

        def answer(self, status: int, value: object) -> None:
            raw = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    about.address = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield about
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
