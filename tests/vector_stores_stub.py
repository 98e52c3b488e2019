"""Vector stores and files over a dictionary, with the faults that real servers have: lost answers, late processing, refused files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any

from tests.vector_api_stub import Json, StubApi

ROUTES = ["/v1/vector_stores", "/v1/files", "/v1/prompts", "/v1/vector_stores/{}"]


@dataclass
class StubStores(StubApi):
    """`lose` attaches keep the chunk, forget the file and answer 500; a file with `poison` fails under 200; `slow` ones take two looks."""

    lose: int = 0
    poison: str = ""
    unwelcome: str = ""  # a word that no upload may contain
    slow: bool = False
    flattens: bool = False
    texts: dict[str, str] = field(default_factory=dict)
    stores: dict[str, Json] = field(default_factory=dict)
    attached: dict[str, dict[str, Json]] = field(default_factory=dict)
    chunks: list[tuple[str, str, Json]] = field(default_factory=list)
    looks: int = 0
    uploads: int = 0
    order: list[str] = field(default_factory=list)
    proxied: str = ""  # a method and a route that a proxy's page answers under status 200, with `vs` and `f` for the ids

    def raw(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, object] | None:
        """An upload, which is the one request that is no JSON, or a proxy's page."""
        if self.proxied and self.proxied == re.sub(r"/file-\w+", "/f", re.sub(r"/vs_\w+", "/vs", f"{method} {path}")):
            return 200, "<!doctype html><html>Log in</html>"
        if (method, path) != ("POST", "/v1/files"):
            return None
        parts = BytesParser().parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body).get_payload()
        assert isinstance(parts, list)
        content = next(part for part in parts if part.get_filename())
        self.uploads += 1
        if self.unwelcome and self.unwelcome.encode() in body:
            return 400, {"detail": "not this one"}
        file_id = f"file-{self.uploads}"
        raw = content.get_payload(decode=True)
        assert isinstance(raw, bytes)
        text = raw.decode("utf-8-sig")
        self.texts[file_id] = "\n".join(filter(None, (" ".join(x.split()) for x in text.split("\n")))) if self.flattens else text
        return 200, {"id": file_id}

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        if path == "/openapi.json":
            return 200, {"paths": {route: {"post": {}, "get": {}} for route in ROUTES}}
        model = {"identifier": "m", "model_type": "embedding", "metadata": {"embedding_dimension": 2}}
        fixed: dict[str, Json] = {
            "/v1/version": {"version": "0.3.5"},
            "/v1/models": {"data": [model]},
            "/v1/providers": {"data": [{"api": "vector_io", "provider_id": name} for name in ("faiss", "sqlite-vec")]},
        }
        if path in fixed:
            return 200, fixed[path]
        parts = path.removeprefix("/v1/").split("/")
        return self.of_files(method, parts) if parts[0] == "files" else self.of_stores(method, parts[1:], query, body)

    def of_files(self, method: str, parts: list[str]) -> tuple[int, object]:
        return (200, {"deleted": True}) if self.texts.pop(parts[1], None) else (404, {"detail": "not found"})

    def of_stores(self, method: str, parts: list[str], query: dict[str, str], body: Json) -> tuple[int, object]:
        if not parts:
            return (200, {"data": list(self.stores.values())}) if method == "GET" else self.make(body)
        store = parts[0]
        if store not in self.stores:
            return 404, {"detail": "not found"}
        if len(parts) == 1:
            return self.whole(method, store)
        if parts[1] == "search":
            return self.search(store, body)
        return self.of_attached(method, store, parts[2:], query, body)

    def make(self, body: Json) -> tuple[int, object]:
        store = f"vs_{len(self.stores) + len(self.requests)}"
        about = {"provider_id": body.get("provider_id")}
        self.stores[store] = {"id": store, "name": body["name"], "created_at": len(self.stores), "metadata": {**body["metadata"], **about}}  # type: ignore[dict-item]
        self.attached[store] = {}
        return 200, self.stores[store]

    def whole(self, method: str, store: str) -> tuple[int, object]:
        if method == "DELETE":
            del self.stores[store], self.attached[store]
            self.chunks = [chunk for chunk in self.chunks if chunk[0] != store]
            return 200, {"deleted": True}
        return 200, {**self.stores[store], "file_counts": {"completed": len(self.attached[store])}}

    def of_attached(self, method: str, store: str, parts: list[str], query: dict[str, str], body: Json) -> tuple[int, object]:
        held = self.attached[store]
        if not parts and method == "GET":
            return self.listed(held, query)
        file_id = str(body["file_id"]) if not parts else parts[0]
        if not parts:
            return self.attach(store, file_id, body)
        if file_id not in held:
            return 400, {"detail": f"File {file_id} not found in vector store"}
        if method == "DELETE":
            self.order.append(f"delete {held[file_id]['attributes']['conf_id']}")  # type: ignore[index]
            text = self.texts[file_id]
            self.chunks = [c for c in self.chunks if not (c[0] == store and c[1] == text)]
            del held[file_id]
            return 200, {"deleted": True}
        if parts[1:] == ["content"]:
            return 200, {"data": [{"text": self.texts[file_id]}]}
        self.looks += 1
        return 200, {**held[file_id], "status": "completed"}

    def attach(self, store: str, file_id: str, body: Json) -> tuple[int, object]:
        text = self.texts.get(file_id)
        if text is None or (self.poison and self.poison in text):
            return 200, {"id": file_id, "status": "failed", "last_error": {"message": "cannot be read"}}
        attributes: Any = body["attributes"]
        self.order.append(f"write {attributes['conf_id']}")
        self.chunks.append((store, text, attributes))
        if self.lose and "sentinel" not in text:
            self.lose -= 1
            return 500, {"detail": "Internal server error"}
        self.attached[store][file_id] = {"id": file_id, "attributes": attributes, "status": "completed"}
        return 200, {**self.attached[store][file_id], "status": "in_progress" if self.slow else "completed"}

    def listed(self, held: dict[str, Json], query: dict[str, str]) -> tuple[int, object]:
        ids = list(held)
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        some = ids[start : start + 7]
        return 200, {"data": [held[i] for i in some], "has_more": start + 7 < len(ids), "last_id": "wrong"}

    def search(self, store: str, body: Json) -> tuple[int, object]:
        wanted = set(re.findall(r"\w+", str(body["query"]).lower()))
        scored = [(len(wanted & set(re.findall(r"\w+", text.lower()))), text, a) for s, text, a in self.chunks if s == store]
        best = sorted((row for row in scored if row[0]), key=lambda row: -row[0])[: int(str(body["max_num_results"]))]
        return 200, {"data": [{"score": n, "attributes": a, "content": [{"type": "text", "text": t}]} for n, t, a in best]}
