"""The underscore Vector API, version 1: this reference server is its definition (docs/vector-apis.md has the routes)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.routing import Route as HttpRoute

from confluence_sync import __version__
from confluence_sync.jsonvalue import JsonObject
from confluence_sync.service import vector_fields as fields
from confluence_sync.service.calls import MEGABYTE, Call, Reply, endpoint
from confluence_sync.service.documents import Held
from confluence_sync.service.fields import object_field, shown, text_field, texts_field, whole_field
from confluence_sync.service.filters import conditions
from confluence_sync.service.problems import Problem, invalid
from confluence_sync.service.shelf import Shelf
from confluence_sync.service.vector_openapi import document

BASE = "/v1/vector_io"
MOST_BYTES = 8 * MEGABYTE


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class VectorApi:
    """The routes over one shelf of collections."""

    shelf: Shelf

    def health(self, call: Call) -> Reply:
        return Reply(
            {"status": "ok", "version": __version__, "embedding_model": self.shelf.model or None, "dimension": self.shelf.dimension or None}
        )

    def create(self, call: Call) -> Reply:
        collection, new = self.shelf.create(fields.wanted(call.body), now())
        return Reply(collection.body(), 201 if new else 200)

    def list_collections(self, call: Call) -> Reply:
        limit = whole_field(call.query, "limit", 100, 1, 1000)
        found, following = self.shelf.page(fields.after(call.query.get("cursor", "")), limit)
        return Reply({"collections": [one.body() for one in found], "next_cursor": fields.cursor(following)})

    def get_collection(self, call: Call) -> Reply:
        return Reply(self.shelf.get(call.path["id"]).body())

    def delete_collection(self, call: Call) -> Reply:
        name = call.path["id"]
        return Reply({"collection_id": name, "deleted": True, "documents_deleted": self.shelf.delete(name)})

    def upsert(self, call: Call) -> Reply:
        name = fields.collection_id(call.body)
        documents = fields.documents(call.body)
        done, at = self.shelf.documents(name).upsert(documents, now()), now()
        if done.inserted or done.updated:
            self.shelf.touched(name, at)
        ids = [document.document_id for document in documents]
        counts = {"inserted": done.inserted, "updated": done.updated, "unchanged": done.unchanged}
        return Reply({"collection_id": name, "upserted": len(ids), **counts, "document_ids": ids})

    def list_documents(self, call: Call) -> Reply:
        """GET: the filter is the page_id and source of the query string."""
        filter = {key: call.query[key] for key in ("page_id", "source") if key in call.query}
        return self._listing({**call.query, "filter": filter})

    def list_by_filter(self, call: Call) -> Reply:
        return self._listing(call.body)

    def _listing(self, asked: JsonObject) -> Reply:
        limit = whole_field(asked, "limit", 1000, 1, 10_000)
        wanted = conditions(object_field(asked, "filter"))
        include = fields.include(asked, "metadata")
        page: list[Held] = []
        for held in self.shelf.documents(fields.collection_id(asked)).after(fields.after(text_field(asked, "cursor", "")), wanted):
            if len(page) == limit:
                return Reply(
                    {"documents": [fields.listed(one, include) for one in page], "next_cursor": fields.cursor(page[-1].document_id)}
                )
            page.append(held)
        return Reply({"documents": [fields.listed(one, include) for one in page], "next_cursor": None})

    def get_document(self, call: Call) -> Reply:
        held = self.shelf.documents(fields.collection_id(call.query)).by_id([call.path["id"]])
        if not held:
            raise _no_document(call.path["id"])
        return Reply(fields.listed(held[0], ("metadata", "text")))

    def delete_documents(self, call: Call) -> Reply:
        name = fields.collection_id(call.body)
        ids, filter = texts_field(call.body, "document_ids"), object_field(call.body, "filter")
        if not ids and not filter:
            raise invalid("give document_ids or a filter; to delete everything, delete the collection", field="document_ids")
        documents = self.shelf.documents(name)
        deleted, missing = documents.delete(ids) if ids else (documents.delete_matching(conditions(filter)), [])
        if deleted:
            self.shelf.touched(name, now())
        return Reply({"deleted": deleted, "not_found": missing})

    def delete_document(self, call: Call) -> Reply:
        name = fields.collection_id(call.query)
        deleted, _ = self.shelf.documents(name).delete([call.path["id"]])
        if not deleted:
            raise _no_document(call.path["id"])
        self.shelf.touched(name, now())
        return Reply({"deleted": 1, "not_found": []})

    def query(self, call: Call) -> Reply:
        """Tolerant of three older spellings: k, vector_db_id and params.top_k."""
        started = time.perf_counter()
        body = {**call.body, "collection_id": call.body.get("collection_id", call.body.get("vector_db_id"))}
        query, wanted, include = fields.query(body), conditions(object_field(body, "filter")), fields.include(body, "text,metadata")
        documents = self.shelf.documents(fields.collection_id(body))
        found = documents.search(query, fields.top_k(body), wanted, fields.threshold(body))
        results = [{"document_id": f.document.document_id, "score": f.score, **fields.shown_parts(f.document, include)} for f in found]
        took = round((time.perf_counter() - started) * 1000, 1)
        return Reply({"collection_id": body["collection_id"], "query": body["query"], "results": results, "took_ms": took})

    def routes(self) -> list[HttpRoute]:
        table = (
            ("GET", "/health", self.health),
            ("GET", "/openapi.json", lambda call: Reply(document())),
            ("POST", f"{BASE}/collections", self.create),
            ("GET", f"{BASE}/collections", self.list_collections),
            ("GET", f"{BASE}/collections/{{id}}", self.get_collection),
            ("DELETE", f"{BASE}/collections/{{id}}", self.delete_collection),
            ("POST", f"{BASE}/documents", self.upsert),
            ("GET", f"{BASE}/documents", self.list_documents),
            ("POST", f"{BASE}/documents/list", self.list_by_filter),
            ("POST", f"{BASE}/documents/delete", self.delete_documents),
            ("DELETE", f"{BASE}/documents", self.delete_documents),
            ("GET", f"{BASE}/documents/{{id:path}}", self.get_document),
            ("DELETE", f"{BASE}/documents/{{id:path}}", self.delete_document),
            ("POST", f"{BASE}/query", self.query),
        )
        return [HttpRoute(path, endpoint(route, MOST_BYTES), methods=[method]) for method, path, route in table]


def _no_document(document_id: str) -> Problem:
    return Problem(404, f"there is no document {shown(document_id)}", "document_not_found", {"document_id": document_id})
