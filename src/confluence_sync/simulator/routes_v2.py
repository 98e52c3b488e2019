"""The routes of Confluence Cloud's REST API v2 that a reader of pages needs."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from urllib.parse import urlencode

from confluence_sync.simulator import shapes_v2 as shapes
from confluence_sync.simulator.calls import Call, Route, seal, unseal
from confluence_sync.simulator.contents import Content, whole
from confluence_sync.simulator.messages import Answer, bad_request_v2, not_found_v2, ok
from confluence_sync.simulator.wiki import ORDERS, Order, Ordered, in_order

LISTED = ("current", "archived")
BULK_FORMATS = ("", "storage", "atlas_doc_format")
SINGLE_FORMATS = (*BULK_FORMATS, "view", "export_view", "anonymous_export_view", "styled_view", "editor")


def limit_of(call: Call) -> int:
    limit = whole(call.one("limit", "25"), -1)
    if not 1 <= limit <= 250:
        raise bad_request_v2(f"limit must be between 1 and 250, not {call.one('limit')}")
    return limit


def body_format(call: Call, allowed: tuple[str, ...]) -> str:
    wanted = call.one("body-format")
    if wanted not in allowed:
        raise bad_request_v2(f"Provided value {wanted} for 'body-format' is not the correct type")
    return wanted


def next_link(call: Call, cursor: str) -> str:
    """The path and query of the next page of answers, as Confluence writes it: from /wiki on, whatever the request came through."""
    path = call.request.target.partition("?")[0]
    path = path[path.index("/wiki/") :]
    kept = [(name, value) for name, values in call.query.items() if name != "cursor" for value in values]
    return f"{path}?{urlencode([*kept, ('cursor', cursor)])}"


def many(call: Call, results: Iterable[object], cursor: str = "") -> Answer:
    following = {"next": next_link(call, cursor)} if cursor else {}
    return ok({"results": list(results), "_links": following | {"base": call.base}})


def window(ordered: Ordered, descending: bool, after: Order | None, limit: int) -> list[Content]:
    """At most `limit` + 1 contents that follow the key `after`; the surplus one shows that there is more."""
    if descending:
        stop = len(ordered.keys) if after is None else bisect_left(ordered.keys, after)
        return ordered.contents[max(0, stop - limit - 1) : stop][::-1]
    start = 0 if after is None else bisect_right(ordered.keys, after)
    return ordered.contents[start : start + limit + 1]


def paged(call: Call, choose: Callable[[str], Ordered], shape: Callable[[Content], object]) -> Answer:
    """One page of a listing; the cursor holds the sort key of the last item, so it never expires."""
    sort, limit = call.one("sort", "id"), limit_of(call)
    order = sort.removeprefix("-")
    if order not in ORDERS:
        raise bad_request_v2(f"sort must be one of {', '.join(ORDERS)}, with or without -")
    found = window(choose(order), sort.startswith("-"), _after(call, sort), limit)
    last = found[limit - 1] if len(found) > limit else None
    return many(call, map(shape, found[:limit]), seal(sort, ORDERS[order](last)) if last else "")


def _after(call: Call, sort: str) -> Order | None:
    if not call.one("cursor"):
        return None
    match unseal(call.one("cursor")):
        case [str(made_for), [int() | str() as first, int(second), str(third)]] if made_for == sort:
            return (first, second, third)
    raise bad_request_v2("The cursor is not one of this listing")


def offset_paged(call: Call, items: list[object]) -> Answer:
    """One page of a short list, with the position in the cursor."""
    limit, parts = limit_of(call), unseal(call.one("cursor"))
    if call.one("cursor") and not parts:
        raise bad_request_v2("The cursor is not one of this listing")
    start = whole(parts[0]) if parts else 0
    more = start + limit < len(items)
    return many(call, items[start : start + limit], seal(start + limit) if more else "")


def spaces(call: Call) -> Answer:
    keys, ids = [key.casefold() for key in call.many("keys")], call.many("ids")
    if len(keys) > 250 or len(ids) > 250:
        raise bad_request_v2("at most 250 ids or keys")
    found = [s for s in call.wiki.visible_spaces() if (not keys or s.key.casefold() in keys) and (not ids or s.id in ids)]
    kind, status = call.one("type"), call.one("status")
    found = [s for s in found if kind in ("", s.type) and status in ("", "archived" if s.archived else "current")]
    found.sort(key=lambda s: s.name if "name" in call.one("sort") else s.key if "key" in call.one("sort") else int(s.id))
    return offset_paged(call, [shapes.space(call.wiki, s) for s in found[:: -1 if call.one("sort").startswith("-") else 1]])


def space(call: Call) -> Answer:
    found = next((s for s in call.wiki.visible_spaces() if s.id == call.params[0]), None)
    if found is None:
        raise not_found_v2()
    return ok({**shapes.space(call.wiki, found), "_links": {"webui": f"/spaces/{found.key}", "base": call.base}})


def statuses(call: Call) -> list[str]:
    return ["trashed" if status == "deleted" else status for status in call.many("status")] or list(LISTED)


def space_pages(call: Call) -> Answer:
    found = next((s for s in call.wiki.visible_spaces() if s.id == call.params[0]), None)
    if found is None:
        raise not_found_v2()
    form, allowed = body_format(call, BULK_FORMATS), statuses(call)
    return paged(call, lambda sort: call.wiki.in_spaces([found.key], allowed, sort), lambda c: shapes.page(call.wiki, c, form))


def pages(call: Call) -> Answer:
    form, ids, allowed = body_format(call, BULK_FORMATS), call.many("id"), statuses(call)
    if len(ids) > 250 or len(call.many("space-id")) > 100:
        raise bad_request_v2("at most 250 ids and 100 space ids")
    keys = [s.key for s in call.wiki.visible_spaces() if s.id in call.many("space-id")]
    if call.many("space-id") and not keys:
        return many(call, [])
    choose = (lambda sort: _chosen(call, ids, keys, allowed, sort)) if ids else (lambda sort: call.wiki.in_spaces(keys, allowed, sort))
    return paged(call, choose, lambda c: shapes.page(call.wiki, c, form))


def _chosen(call: Call, ids: list[str], keys: list[str], allowed: list[str], sort: str) -> Ordered:
    seen = [c for c in map(call.wiki.seen, dict.fromkeys(ids)) if c is not None and c.type == "page" and c.status in allowed]
    return in_order((c for c in seen if not keys or c.space_key in keys), sort)


def seen_page(call: Call, kind: str = "page") -> Content:
    content = call.wiki.seen(call.params[0])
    if content is None or content.type != kind:
        raise not_found_v2()
    return content


def page(call: Call) -> Answer:
    content, form = seen_page(call), body_format(call, SINGLE_FORMATS)
    allowed = call.many("status") or (["draft"] if call.one("get-draft") == "true" else ["current", "archived", "trashed"])
    if content.status not in allowed:
        raise not_found_v2()
    shape = shapes.page(call.wiki, content, form)
    extra = {"labels": {"results": [*map(shapes.label, content.labels)]}} if call.one("include-labels") == "true" else {}
    return ok({**shape, **extra, "_links": {**shapes.links(content), "base": call.base}})


def page_labels(call: Call) -> Answer:
    return offset_paged(call, [shapes.label(name) for name in seen_page(call).labels])


def ancestors(call: Call, kind: str) -> Answer:
    """The chain from the root down, with id and type only; `limit` keeps the nearest ones."""
    chain = call.wiki.ancestors(seen_page(call, kind))[-limit_of(call) :]
    return many(call, [{"id": c.id, "type": c.type} for c in chain])


def folder(call: Call) -> Answer:
    content = seen_page(call, "folder")
    shape = shapes.folder(call.wiki, content)
    return ok({**shape, "_links": {"webui": f"/spaces/{content.space_key}/folder/{content.id}", "base": call.base}})


def descendants(call: Call, kind: str) -> Answer:
    depth = whole(call.one("depth", "2"))
    if not 1 <= depth <= 10:
        raise bad_request_v2("depth must be between 1 and 10")
    below = call.wiki.descendants(seen_page(call, kind).id, depth)
    return offset_paged(call, [shapes.descendant(c, distance) for c, distance in below])


def direct_children(call: Call, kind: str) -> Answer:
    return offset_paged(call, [shapes.child(call.wiki, c) for c in call.wiki.children(seen_page(call, kind).id)])


def users(call: Call) -> Answer:
    try:
        ids = json.loads(call.request.body)["accountIds"]
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request_v2("expected {accountIds: [...]}") from error
    return many(call, [shapes.user(str(account)) for account in ids[:250]])


PAGES, TREE, ABOVE = ("read:page:confluence",), ("read:hierarchical-content:confluence",), ("read:content.metadata:confluence",)
ROUTES = (
    Route("GET", "/spaces", spaces, ("read:space:confluence",)),
    Route("GET", "/spaces/{id}", space, ("read:space:confluence",)),
    Route("GET", "/spaces/{id}/pages", space_pages, PAGES),
    Route("GET", "/pages", pages, PAGES),
    Route("GET", "/pages/{id}", page, PAGES),
    Route("GET", "/pages/{id}/labels", page_labels, PAGES),
    Route("GET", "/pages/{id}/ancestors", lambda call: ancestors(call, "page"), ABOVE),
    Route("GET", "/pages/{id}/descendants", lambda call: descendants(call, "page"), TREE),
    Route("GET", "/pages/{id}/direct-children", lambda call: direct_children(call, "page"), TREE),
    Route("GET", "/folders/{id}", folder, ("read:folder:confluence",)),
    Route("GET", "/folders/{id}/ancestors", lambda call: ancestors(call, "folder"), ABOVE),
    Route("GET", "/folders/{id}/descendants", lambda call: descendants(call, "folder"), TREE),
    Route("GET", "/folders/{id}/direct-children", lambda call: direct_children(call, "folder"), TREE),
    Route("POST", "/users-bulk", users, ("read:user:confluence",)),
)
