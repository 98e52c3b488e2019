"""A Vector API of a hundred lines over a dictionary: every route or the three oldest, refusing what a test asks it to."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, object]
OLDEST = {"/v1/vector_io/collections": ["post"], "/v1/vector_io/documents": ["post"], "/v1/vector_io/query": ["post"]}
ALL = {
    "/v1/vector_io/collections": ["get", "post"],
    "/v1/vector_io/collections/{collection_id}": ["get", "delete"],
    "/v1/vector_io/documents": ["get", "post"],
    "/v1/vector_io/documents/delete": ["post"],
    "/v1/vector_io/query": ["post"],
}


@dataclass
class StubApi:
    """What the server holds and what it was asked. `refuses` is a word that no document may contain, `key` what a client must send."""

    legacy: bool = False
    refuses: str = ""
    key: str = ""
    page: str = ""  # answer everything with this HTML, as a proxy would
    collections: dict[str, Json] = field(default_factory=dict)
    documents: dict[str, dict[str, Json]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def raw(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, object] | None:
        """The answer to a request whose body is no JSON; None for every other one."""
        return None

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        if path == "/openapi.json":
            routes = OLDEST if self.legacy else ALL
            return 200, {"paths": {p: {m: {} for m in methods} for p, methods in routes.items()}}
        route = getattr(self, f"{method.lower()}_{path.removeprefix('/v1/vector_io/').split('/')[0]}", None)
        if route is None or (self.legacy and method != "POST"):
            return 404, {"detail": "Not Found"}
        found: tuple[int, object] = route(path.removeprefix("/v1/vector_io/").partition("/")[2], query, body)
        return found

    def post_collections(self, rest: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        name, model = str(body["collection_id"]), body.get("embedding_model_id") or "stub-model"
        if name in self.collections:
            same = self.collections[name]["embedding_model_id"] == model or not body.get("embedding_model_id")
            refused: Json = {
                "error": {"code": "conflict", "message": f"{name} has the model {self.collections[name]['embedding_model_id']}"}
            }
            return (200, self.collections[name]) if same and not self.legacy else (409, refused)
        self.collections[name] = {"collection_id": name, "embedding_model_id": model, "metadata": body.get("metadata") or {}}
        self.documents[name] = {}
        return 201, self.collections[name]

    def get_collections(self, rest: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        if not rest:
            return 200, {"collections": list(self.collections.values()), "next_cursor": None}
        if rest not in self.collections:
            return 404, {"error": {"code": "collection_not_found", "message": f"no collection {rest}"}}
        return 200, {**self.collections[rest], "document_count": len(self.documents[rest])}

    def delete_collections(self, rest: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        if self.collections.pop(rest, None) is None:
            return 404, {"detail": "no such collection"}
        return 200, {"deleted": True, "documents_deleted": len(self.documents.pop(rest))}

    def post_documents(self, rest: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        held = self.documents.get(str(body["collection_id"]))
        if held is None:
            return 404, {"detail": "no such collection"}
        if rest == "delete":
            return 200, {"deleted": sum(held.pop(i, None) is not None for i in body["document_ids"])}  # type: ignore[attr-defined]
        documents: list[Json] = body["documents"]  # type: ignore[assignment]
        if self.refuses and any(self.refuses in str(d["text"]) for d in documents):
            return 422, {"error": {"code": "validation", "message": "a document was refused"}}
        held.update((str(d["document_id"]), d) for d in documents)
        return 200, {"upserted": len(documents)}

    def get_documents(self, rest: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        held = sorted(self.documents[query["collection_id"]].items())
        start, limit = int(query.get("cursor", "0")), 20
        rows = [{"document_id": i, "metadata": d["metadata"]} for i, d in held[start : start + limit]]
        return 200, {"documents": rows, "next_cursor": str(start + limit) if start + limit < len(held) else None}

    def post_query(self, rest: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        wanted = _words(body["query"])
        scored = [(len(wanted & _words(d["text"])), d) for d in self.documents[str(body["collection_id"])].values()]
        best = sorted((pair for pair in scored if pair[0]), key=lambda pair: -pair[0])[: int(str(body["top_k"]))]
        return 200, {"results": [{**document, "score": score / len(wanted)} for score, document in best]}


def _words(value: object) -> set[str]:
    return set(re.findall(r"\w+", str(value).lower()))


@contextmanager
def stub_api(kind: type[StubApi] = StubApi, **options: object) -> Iterator[StubApi]:
    """A running StubApi, or a `kind` of it, on 127.0.0.1; `url` is its address."""
    api = kind(**options)  # type: ignore[arg-type]  # the caller names its fields
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def stub_url(**options: object) -> Iterator[str]:
    """The address of a running StubApi."""
    with stub_api(**options) as api:  # type: ignore[arg-type]  # the caller names its fields
        yield api.url


def _handler(api: StubApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def reply(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            api.requests.append((self.command, parts.path))
            special = api.raw(self.command, parts.path, raw, self.headers.get("content-type") or "")
            status, value = special or self.checked(parts.path, dict(parse_qsl(parts.query)), json.loads(raw or b"{}"))
            body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def checked(self, path: str, query: dict[str, str], body: Json) -> tuple[int, object]:
            if api.page:
                return 200, api.page
            if api.key and self.headers.get("authorization") != f"Bearer {api.key}":
                return 401, {"error": {"code": "unauthorized", "message": "wrong key"}}
            return api.answer(self.command, path, query, body)

        do_GET = do_POST = do_DELETE = reply  # noqa: N815  # the base class's names

        def log_message(self, *args: object) -> None:
            """Tests stay quiet."""

    return Handler
