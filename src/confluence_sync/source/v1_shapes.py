"""What the v1 routes answer with (content and search, on Cloud and Data Center alike), read into plain records."""

from __future__ import annotations

from dataclasses import replace

from confluence_sync.errors import BadAnswer
from confluence_sync.jsonvalue import JsonObject, body, child, objects, text, whole
from confluence_sync.model import PageRef, Space
from confluence_sync.source.route import RENDERED, Record, in_utc


def space_of(item: JsonObject) -> Space:
    archived = text(item, "status", "space", default="current").lower() == "archived"
    key = text(item, "key", "space")
    return Space(
        text(item, "id", "space", default=key), key, text(item, "name", "space"), text(item, "type", "space", default="global"), archived
    )


def ref_of(item: JsonObject) -> PageRef:
    version = child(item, "version", "page")
    above = ancestors_of(item)
    when = in_utc(text(version, "when", "page.version", default=""))
    return PageRef(
        text(item, "id", "page"),
        whole(version, "number", "page.version"),
        text(item, "title", "page"),
        above[-1] if above else "",
        when,
    )


def ancestors_of(item: JsonObject) -> list[str]:
    return [text(a, "id", "ancestor") for a in objects(item, "ancestors", "page")] if "ancestors" in item else []


def labels_of(item: JsonObject) -> tuple[str, ...]:
    labels = child(child(item, "metadata", "page"), "labels", "page.metadata")
    return tuple(sorted({text(label, "name", "label") for label in objects(labels, "results", "labels")})) if labels else ()


def record_of(item: JsonObject, bodies: bool) -> Record:
    webui = text(child(item, "_links", "page"), "webui", "page", default="")
    key = text(child(item, "space", "page"), "key", "page.space", default="")
    labels = labels_of(item) if bodies else None
    utf8 = _body(item, "storage") if bodies else None
    return Record(ref_of(item), text(item, "status", "page", default="current"), key, webui, utf8, labels=labels)


def rendered_of(page_id: str, items: list[JsonObject]) -> Record:
    for item in items:
        found = ((form, _body(item, form)) for form in RENDERED)
        form, utf8 = next(((form, utf8) for form, utf8 in found if utf8 is not None), ("", None))
        if utf8 is not None:
            return replace(record_of(item, bodies=True), body=utf8, representation=form)
    raise BadAnswer(f"page {page_id} has neither a storage format nor a rendered body")


def _body(item: JsonObject, form: str) -> bytes | None:
    return body(child(child(item, "body", "page"), form, "page.body"), f"page.body.{form}")
