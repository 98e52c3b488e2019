"""What GET /openapi.json says of the Vector API; clients look for these literal paths and methods to tell what the server can do."""

from __future__ import annotations

from confluence_sync import __version__

BASE = "/v1/vector_io"
Shape = dict[str, object]

TEXT: Shape = {"type": "string"}
WHOLE: Shape = {"type": "integer"}
ANY: Shape = {"type": "object", "additionalProperties": True}
TEXTS: Shape = {"type": "array", "items": TEXT}


def document() -> Shape:
    """The OpenAPI 3.1 document of the Vector API's routes."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vector API", "version": __version__, "description": "Collections of documents (one document is one chunk)."},
        "paths": _paths(),
        "components": {"schemas": {"Error": _ERROR}, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    }


def _paths() -> Shape:
    return {
        "/health": {"get": _operation("Whether the server answers, and its embedding model")},
        f"{BASE}/collections": {
            "get": _operation("Collections by name", query=("limit", "cursor")),
            "post": _operation("Make a collection; the same again is no error", _CREATE),
        },
        f"{BASE}/collections/{{collection_id}}": {
            "get": _operation("One collection", path="collection_id"),
            "delete": _operation("Delete a collection with its documents", path="collection_id"),
        },
        f"{BASE}/documents": {
            "get": _operation("Documents by id", query=("collection_id", "limit", "cursor", "page_id", "source", "include")),
            "post": _operation("Insert or replace documents, all or none", _UPSERT),
            "delete": _operation("Delete documents by id or filter", _DELETE),
        },
        f"{BASE}/documents/list": {"post": _operation("Documents by id, with a filter", _LIST)},
        f"{BASE}/documents/delete": {"post": _operation("Delete documents by id or filter", _DELETE)},
        f"{BASE}/documents/{{document_id}}": {
            "get": _operation("One document", path="document_id", query=("collection_id",)),
            "delete": _operation("Delete one document", path="document_id", query=("collection_id",)),
        },
        f"{BASE}/query": {"post": _operation("The documents that fit a text best", _QUERY)},
    }


def _operation(summary: str, body: Shape | None = None, path: str = "", query: tuple[str, ...] = ()) -> Shape:
    parameters = [{"name": path, "in": "path", "required": True, "schema": TEXT}] if path else []
    parameters += [{"name": name, "in": "query", "required": name == "collection_id", "schema": TEXT} for name in query]
    problem = {"description": "Problem", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    sent = {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}} if body else {}
    return {"summary": summary, "parameters": parameters, "responses": {"200": {"description": "Done"}, "default": problem}, **sent}


def _shape(required: tuple[str, ...], **properties: Shape) -> Shape:
    return {"type": "object", "required": list(required), "properties": properties}


_DOCUMENT = _shape(
    ("document_id", "text"), document_id=TEXT, text=TEXT, metadata=ANY, embedding={"type": "array", "items": {"type": "number"}}
)
_CREATE = _shape(("collection_id",), collection_id=TEXT, embedding_model_id=TEXT, dimension=WHOLE, distance=TEXT, metadata=ANY)
_UPSERT = _shape(("collection_id", "documents"), collection_id=TEXT, documents={"type": "array", "items": _DOCUMENT}, mode=TEXT)
_DELETE = _shape(("collection_id",), collection_id=TEXT, document_ids=TEXTS, filter=ANY)
_LIST = _shape(("collection_id",), collection_id=TEXT, filter=ANY, limit=WHOLE, cursor=TEXT, include=TEXTS)
_QUERY = _shape(
    ("collection_id", "query"), collection_id=TEXT, query=TEXT, top_k=WHOLE, filter=ANY, score_threshold={"type": "number"}, include=TEXTS
)
_ERROR = _shape(
    ("error",), error=_shape(("code", "message"), code=TEXT, message=TEXT, details=ANY), detail={"type": "string", "description": "message"}
)
