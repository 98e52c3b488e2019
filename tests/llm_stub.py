"""A small real HTTP server that speaks as a model's endpoint does (OpenAI and Ollama), and misbehaves on request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = ["good", "codestral-latest", "hang", "die", "garbage", "busy", "broken", "error", "html", "down"]


class Stub(ThreadingHTTPServer):
    """`reply` makes the answer's pieces from the messages; `seen` has every chat request's payload; `gone` counts clients that left."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Chat)
        self.reply: Callable[[list[dict[str, str]]], list[str]] = lambda messages: ["Restart ", "the print service [", "1", "]."]
        self.seen: list[dict[str, object]] = []
        self.keys: list[str] = []
        self.gone = threading.Event()
        self.busy_for = 2
        self.hold = 30.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        self.gone.set()


class _Chat(BaseHTTPRequestHandler):
    server: Stub

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.headers.get("authorization") == "Bearer bad":
            self._json(401, {"error": {"message": "Incorrect API key provided: bad"}})
        elif self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": name} for name in MODELS]})
        elif self.path == "/api/tags":
            self._json(200, {"models": [{"name": name, "size": 1000} for name in MODELS]})
        else:
            self._json(404, {"error": "no such route"})

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.keys.append(self.headers.get("authorization", ""))
        if self.path == "/api/pull":
            self._pull(payload)
            return
        self.server.seen.append(payload)
        model = payload["model"]
        misbehave = getattr(self, f"_{model}", None)
        if model not in MODELS:
            self._json(404, {"error": {"message": f"model '{model}' not found"}})
        elif misbehave:
            misbehave(payload)
        else:
            self._chat(self.server.reply(payload["messages"]), done=True)

    def _pull(self, payload: dict[str, str]) -> None:
        self._begin("application/x-ndjson")
        known = payload["model"] in MODELS
        self._lines(
            {"status": "pulling manifest"}, {"status": "success"} if known else {"error": "pull model manifest: file does not exist"}
        )

    def _chat(self, pieces: list[str], done: bool) -> None:
        self._begin("text/event-stream" if self._openai else "application/x-ndjson")
        for piece in pieces:
            self._event(piece)
        if done:
            self._end()

    @property
    def _openai(self) -> bool:
        return self.path == "/v1/chat/completions"

    def _event(self, piece: str) -> None:
        if self._openai:
            self._write(b"data: " + json.dumps({"choices": [{"delta": {"content": piece}}]}).encode() + b"\n\n")
        else:
            self._lines({"message": {"role": "assistant", "content": piece}, "done": False})

    def _end(self) -> None:
        if self._openai:
            self._write(b': keep-alive\n\ndata: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
        else:
            self._lines({"message": {"role": "assistant", "content": ""}, "done": True})

    def _lines(self, *events: object) -> None:
        for event in events:
            self._write(json.dumps(event).encode() + b"\n")

    def _hang(self, payload: object) -> None:
        """Writes one piece, then nothing until the client is gone."""
        self._chat(["One moment"], done=False)
        until = time.monotonic() + self.server.hold
        while time.monotonic() < until:
            time.sleep(0.02)
            if self._client_left():
                self.server.gone.set()
                return

    def _client_left(self) -> bool:
        self.connection.settimeout(0.01)
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def _die(self, payload: object) -> None:
        self._chat(["Half an ans"], done=False)

    def _garbage(self, payload: object) -> None:
        self._begin("text/event-stream")
        self._write(b"data: {not json\n\n\xff\xfe\x00" if self._openai else b"{not json\n")

    def _busy(self, payload: dict[str, object]) -> None:
        self.server.busy_for -= 1
        if self.server.busy_for >= 0:
            self._json(429, {"error": {"message": "slow down"}})
        else:
            self._chat(["Done ", "[1]"], done=True)

    def _broken(self, payload: object) -> None:
        self._json(500, {"error": {"message": f"out of memory, key was {self.headers.get('authorization')}"}})

    def _error(self, payload: object) -> None:
        self._chat(["Half"], done=False)
        told = {"error": {"message": "context window exceeded"}} if self._openai else {"error": "context window exceeded"}
        self._write((b"data: " if self._openai else b"") + json.dumps(told).encode() + b"\n\n")

    def _html(self, payload: object) -> None:
        self._begin("text/html")
        self._write(b"<html><body>Log in</body></html>")

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def _json(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def llm_stub() -> Iterator[Stub]:
    stub = Stub()
    thread = threading.Thread(target=stub.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.gone.set()
        stub.shutdown()
        stub.server_close()
        thread.join(5)
