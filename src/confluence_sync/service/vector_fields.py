"""What the Vector API's requests hold, checked, and its documents as it shows them."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter

from confluence_sync.jsonvalue import JsonObject
from confluence_sync.service.documents import Document, Held
from confluence_sync.service.fields import object_field, scalars, shown, text_field, vector, whole_field
from confluence_sync.service.problems import Problem, invalid
from confluence_sync.service.shelf import Wanted

MOST_DOCUMENTS = 512
MOST_TEXT = 4 * 1024 * 1024
COLLECTION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
INCLUDED = ("text", "metadata")
DISTANCES = ("cosine", "dot", "euclidean")


def collection_id(values: JsonObject) -> str:
    name = values.get("collection_id")
    if not isinstance(name, str) or not COLLECTION_ID.fullmatch(name):
        raise invalid(f"collection_id must be 1 to 128 letters, digits, dots, colons, _ or -, but is {shown(name)}", field="collection_id")
    return name


def wanted(body: JsonObject) -> Wanted:
    """The collection that a create asks for."""
    distance = text_field(body, "distance", "cosine")
    if distance not in DISTANCES:
        raise invalid(f"distance must be one of {', '.join(DISTANCES)}, but is {shown(distance)}", field="distance")
    return Wanted(
        collection_id(body),
        text_field(body, "embedding_model_id", "", 512),
        whole_field(body, "dimension", 0, 0, 65_536),
        distance,
        object_field(body, "metadata"),
    )


def documents(body: JsonObject) -> list[Document]:
    """The documents of an upsert, each id once. More than MOST_DOCUMENTS is a 413."""
    given = body.get("documents")
    if body.get("mode", "upsert") != "upsert":
        raise invalid(f"mode must be upsert, but is {shown(body['mode'])}", field="mode")
    if not isinstance(given, list):
        raise invalid(f"documents must be a list, but is {shown(given)}", field="documents")
    if len(given) > MOST_DOCUMENTS:
        raise Problem(413, f"{len(given)} documents in one request; at most {MOST_DOCUMENTS}", details={"limit": MOST_DOCUMENTS})
    found = [_document(item, f"documents[{i}]") for i, item in enumerate(given)]
    twice = [one for one, times in Counter(document.document_id for document in found).items() if times > 1]
    if twice:
        raise invalid(f"document_id {shown(twice[0])} is in this request more than once", document_ids=twice[:20])
    return found


def _document(item: object, where: str) -> Document:
    if not isinstance(item, dict):
        raise invalid(f"{where} must be an object, but is {shown(item)}", field=where)
    document_id, text = item.get("document_id"), item.get("text")
    if not isinstance(document_id, str) or not _usable_id(document_id):
        raise invalid(
            f"{where}.document_id must be a text of 1 to 512 characters, but is {shown(document_id)}", field=f"{where}.document_id"
        )
    if not isinstance(text, str) or len(text) > MOST_TEXT:
        raise invalid(f"{where}.text must be a text of at most {MOST_TEXT} characters, but is {shown(text)}", field=f"{where}.text")
    if item.get("embedding") is not None:
        vector(item["embedding"], f"{where}.embedding")
    return Document(document_id, text, scalars(item.get("metadata") or {}, f"{where}.metadata"))


def _usable_id(document_id: str) -> bool:
    try:
        return 0 < len(document_id.encode()) <= 512 and "\0" not in document_id
    except UnicodeEncodeError:
        return False


def query(body: JsonObject) -> str | tuple[float, ...]:
    """The question, or its vector."""
    given = body.get("query")
    return vector(given, "query") if isinstance(given, list) else text_field(body, "query", most=20_000)


def top_k(body: JsonObject) -> int:
    """Under one of the three names that clients use."""
    inner = body.get("params")
    params = inner if isinstance(inner, dict) else {}
    given = next((value for value in (body.get("top_k"), body.get("k"), params.get("top_k")) if value is not None), 5)
    return whole_field({"top_k": given}, "top_k", 5, 1, 100)


def threshold(body: JsonObject) -> float:
    given = body.get("score_threshold", 0)
    if given is None:
        return 0.0
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= 1:
        raise invalid(f"score_threshold must be a number from 0 to 1, but is {shown(given)}", field="score_threshold")
    return float(given)


def include(values: JsonObject, default: str) -> tuple[str, ...]:
    """Which parts of a document are wanted: a list, or names joined with commas in a query string."""
    given = values.get("include")
    names = default.split(",") if given is None else given.split(",") if isinstance(given, str) else given
    wrong = [name for name in names if name not in INCLUDED] if isinstance(names, list) else [given]
    if wrong or not isinstance(names, list):
        raise invalid(f"include must name {' or '.join(INCLUDED)}, but has {shown(wrong[0])}", field="include")
    return tuple(names)


def shown_parts(held: Held, parts: tuple[str, ...]) -> dict[str, object]:
    values: dict[str, object] = {"text": held.text, "metadata": dict(held.metadata)}
    return {name: value for name, value in values.items() if name in parts}


def listed(held: Held, parts: tuple[str, ...]) -> dict[str, object]:
    return {"document_id": held.document_id, **shown_parts(held, parts), "updated_at": held.updated_at}


def cursor(last: str) -> str | None:
    return base64.urlsafe_b64encode(last.encode()).decode() if last else None


def after(cursor: str) -> str:
    """What cursor() packed; "" at the beginning."""
    try:
        return base64.b64decode(cursor.encode("ascii", "replace"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise invalid(f"cursor {shown(cursor)} is none that this server gave out", field="cursor") from error
