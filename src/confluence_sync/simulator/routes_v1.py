"""The routes of REST API v1: search and user on Cloud; spaces and contents on Data Center, and on Cloud until they are removed."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlencode

from confluence_sync.model import Space
from confluence_sync.simulator import shapes_v1 as shapes
from confluence_sync.simulator.calls import Call, Place, Route, seal, unseal
from confluence_sync.simulator.contents import Content, whole
from confluence_sync.simulator.cql import Asked, select
from confluence_sync.simulator.cql_spaces import only_spaces, select_spaces
from confluence_sync.simulator.cql_words import BadQuery, read
from confluence_sync.simulator.messages import Answer, Refusal, bad_request_v1, not_found_v1, ok, v1_problem
from confluence_sync.simulator.routes_v1_about import current_user, server_information, system_info
from confluence_sync.simulator.routes_v1_restrictions import restrictions
from confluence_sync.simulator.shapes_v2 import label
from confluence_sync.simulator.wiki import named

RENDERED = {"body.export_view", "body.styled_view"}


def expand_of(call: Call) -> frozenset[str]:
    return frozenset(name.removesuffix(".value") for name in call.many("expand"))


def most(expand: frozenset[str]) -> int:
    """The largest page of answers Confluence gives for what is expanded, whatever `limit` says."""
    if expand & RENDERED:
        return 25
    if any(name.startswith("body") for name in expand):
        return 50
    return 200 if expand else 1000


def limit_of(call: Call, default: int = 25) -> int:
    wanted = whole(call.one("limit", str(default)), -1)
    if wanted < 0:
        raise bad_request_v1(f"limit must not be {call.one('limit')}")
    return min(wanted or default, most(expand_of(call)))


def links(call: Call, path: str, following: list[tuple[str, str]] | None) -> dict[str, object]:
    """_links of a list: `next` starts at /rest (the context is /wiki), whatever address the request came to."""
    kept = [(name, value) for name, values in call.query.items() for value in values if name not in ("cursor", "start", "next")]
    more = {"next": f"{path}?{urlencode([*following, *kept])}"} if following else {}
    return {"base": call.base, "context": call.context, "self": f"{call.base}{path}", **more}


def asked(call: Call) -> Asked:
    return Asked(call.wiki, call.clock(), call.time_zone, statuses_of(call))


def statuses_of(call: Call) -> frozenset[str]:
    """The statuses cqlcontext names; only current contents where it names none."""
    try:
        context = json.loads(call.one("cqlcontext", "{}"))
        return frozenset(map(str, context.get("contentStatuses") or ["current"]))
    except (ValueError, AttributeError) as error:
        raise bad_request_v1("cqlcontext is not a JSON object") from error


def found_by_cql(call: Call) -> list[Content]:
    if not call.one("cql"):
        raise bad_request_v1("cql must be given")
    try:
        return select(call.one("cql"), asked(call))
    except BadQuery as error:
        raise bad_request_v1(f"Could not parse cql : {call.one('cql')}: {error}") from error


def position(call: Call, signature: str) -> int:
    """Where the cursor points; Cloud knows no other way than the cursor, Data Center takes `start`."""
    parts = unseal(call.one("cursor"))
    if call.one("cursor") and (len(parts) != 2 or parts[1] != signature):
        raise bad_request_v1("The cursor does not belong to this query")
    if parts:
        return whole(parts[0])
    return whole(call.one("start", "0")) if call.place is Place.DATA_CENTER else 0


def content_search(call: Call) -> Answer:
    contents, limit = found_by_cql(call), limit_of(call)
    signature = hashlib.blake2b(call.one("cql").encode("utf-8", "replace"), digest_size=6).hexdigest()
    start = position(call, signature)
    shown = contents[start : start + limit]
    after = start + len(shown)
    following = _following(call, after, signature) if after < len(contents) else None
    counted = {"start": start, "limit": limit} if call.place is Place.DATA_CENTER else {"limit": limit}
    results = [shapes.content(call, c, expand_of(call)) for c in shown]
    return ok({"results": results, **counted, "size": len(shown), "_links": links(call, "/rest/api/content/search", following)})


def _following(call: Call, after: int, signature: str) -> list[tuple[str, str]]:
    if call.place is Place.DATA_CENTER:
        return [("start", str(after))]
    return [("next", "true"), ("cursor", seal(after, signature)), ("start", str(after))]


def search(call: Call) -> Answer:
    """Search results rather than contents; spaces are found here with type=space."""
    try:
        return _space_rows(call) if only_spaces(read(call.one("cql")).tree) else _content_rows(call)
    except BadQuery as error:
        raise bad_request_v1(f"Could not parse cql : {call.one('cql')}: {error}") from error


def _space_rows(call: Call) -> Answer:
    archived = call.one("includeArchivedSpaces") == "true"
    spaces = select_spaces(read(call.one("cql")).tree, [s for s in call.wiki.visible_spaces() if archived or not s.archived])
    return _rows(call, [_space_row(call, s) for s in spaces])


def _content_rows(call: Call) -> Answer:
    return _rows(call, [_content_row(call, c) for c in found_by_cql(call)])


def _rows(call: Call, rows: list[dict[str, object]]) -> Answer:
    limit, start = limit_of(call), position(call, "search")
    shown = rows[start : start + limit]
    after = start + len(shown)
    following = _following(call, after, "search") if after < len(rows) else None
    counted = {"start": start, "limit": limit, "size": len(shown), "totalSize": len(rows)}
    about = {"cqlQuery": call.one("cql"), "searchDuration": 3, "_links": links(call, "/rest/api/search", following)}
    return ok({"results": shown, **counted, **about})


def _row(title: str, kind: str, url: str, modified: str) -> dict[str, object]:
    about = {"title": title, "excerpt": "", "url": url, "breadcrumbs": [], "entityType": kind}
    return {**about, "iconCssClass": f"icon-{kind}", "lastModified": modified, "friendlyLastModified": modified[:10], "score": 0.0}


def _space_row(call: Call, space: Space) -> dict[str, object]:
    row = _row(space.name, "space", shapes.space_webui(call, space), call.clock().isoformat(timespec="milliseconds"))
    return {"space": shapes.space(call, space), **row}


def _content_row(call: Call, content: Content) -> dict[str, object]:
    return {
        "content": shapes.content(call, content, frozenset()),
        **_row(content.title, "content", shapes.webui(call, content), content.updated_at),
    }


def spaces(call: Call) -> Answer:
    keys = {key.casefold() for key in call.many("spaceKey")}
    status, kind = call.one("status"), call.one("type")
    found = [s for s in call.wiki.visible_spaces() if not keys or s.key.casefold() in keys]
    found = [s for s in found if kind in ("", s.type) and status in ("", "archived" if s.archived else "current")]
    return by_start(call, "/rest/api/space", [shapes.space(call, s) for s in sorted(found, key=lambda s: s.key)])


def by_start(call: Call, path: str, items: list[dict[str, object]], default: int = 25) -> Answer:
    limit, start = limit_of(call, default), whole(call.one("start", "0"))
    shown = items[start : start + limit]
    following = [("start", str(start + limit))] if start + limit < len(items) else None
    return ok({"results": shown, "start": start, "limit": limit, "size": len(shown), "_links": links(call, path, following)})


def space(call: Call) -> Answer:
    found = named(call.wiki.visible_spaces(), call.params[0])
    if found is None:
        raise Refusal(v1_problem(404, "NotFoundException", f"No space with key : {call.params[0]}"))
    home = call.wiki.seen(call.wiki.homepage(found))
    shape = shapes.space(call, found)
    wanted = "homepage" in expand_of(call) and home is not None
    return ok({**shape, **({"homepage": shapes.content(call, home, frozenset())} if wanted and home else {})})


def chosen(call: Call) -> list[Content]:
    """The contents GET /content selects: by space, type, title and status, in the order of their ids."""
    kind, title, status = call.one("type", "page"), call.one("title"), call.one("status", "current")
    key = call.one("spaceKey").casefold()
    allowed = ("current", "archived", "trashed", "draft") if status == "any" else (status,)
    ordered = call.wiki.ordered(
        ("v1", kind, key, allowed), lambda c: c.type == kind and c.status in allowed and key in ("", c.space_key.casefold())
    )
    return [c for c in ordered.contents if c.title == title] if title else ordered.contents


def contents(call: Call) -> Answer:
    limit, start = limit_of(call), whole(call.one("start", "0"))
    found = chosen(call)
    shown = found[start : start + limit]
    following = [("start", str(start + limit))] if start + limit < len(found) else None
    results = [shapes.content(call, c, expand_of(call)) for c in shown]
    tail = {"start": start, "limit": limit, "size": len(shown), "_links": links(call, "/rest/api/content", following)}
    return ok({"results": results, **tail})


def scan(call: Call) -> Answer:
    """Data Center's /content/scan: the same contents by cursor, which cannot skip any."""
    limit, start = limit_of(call), position(call, "scan")
    found = chosen(call)
    shown = found[start : start + limit]
    after = start + len(shown)
    following = [("cursor", seal(after, "scan"))] if after < len(found) else None
    results = [shapes.content(call, c, expand_of(call)) for c in shown]
    tail = {"limit": limit, "size": len(shown), "_links": links(call, "/rest/api/content/scan", following)}
    return ok({"results": results, "cursor": call.one("cursor"), **tail})


def content(call: Call) -> Answer:
    found = call.wiki.seen(call.params[0])
    status = call.one("status", "current")
    if found is None or status not in ("any", found.status):
        raise not_found_v1(call.params[0])
    shape = shapes.content(call, found, expand_of(call) | ({"space", "version", "history"} if not call.one("expand") else frozenset()))
    own = shape["_links"]
    assert isinstance(own, dict)
    return ok({**shape, "_links": {**own, "base": call.base, "context": call.context, "collection": "/rest/api/content"}})


def content_labels(call: Call) -> Answer:
    found = call.wiki.seen(call.params[0])
    if found is None:
        raise not_found_v1(call.params[0])
    labels = [{**label(name), "label": name} for name in found.labels]
    return by_start(call, f"/rest/api/content/{found.id}/label", labels, 200)


def descendant_pages(call: Call) -> Answer:
    found = call.wiki.seen(call.params[0])
    if found is None:
        raise not_found_v1(call.params[0])
    below = [shapes.content(call, c, expand_of(call)) for c, _ in call.wiki.descendants(found.id) if c.type == "page"]
    return by_start(call, f"/rest/api/content/{found.id}/descendant/page", below)


SEARCH, USER = ("search:confluence", "read:content-details:confluence"), ("read:confluence-user", "read:content-details:confluence")
SPACES, ALL = ("read:confluence-space.summary", "read:space:confluence"), ("read:confluence-content.all", "read:content-details:confluence")
ON_BOTH = (
    Route("GET", "/user/current", current_user, USER),
    Route("GET", "/content/search", content_search, SEARCH),
    Route("GET", "/search", search, SEARCH),
    Route("GET", "/content/{id}/descendant/page", descendant_pages, ALL),
    Route("GET", "/content/{id}/restriction/byOperation", restrictions, ALL),
)
REMOVED_ON_CLOUD = (
    Route("GET", "/space", spaces, SPACES),
    Route("GET", "/space/{key}", space, SPACES),
    Route("GET", "/content", contents, ALL),
    Route("GET", "/content/{id}", content, ALL),
    Route("GET", "/content/{id}/label", content_labels, ALL),
)
ON_CLOUD = (Route("GET", "/settings/systemInfo", system_info, ("manage:confluence-configuration",)),)
ON_DATA_CENTER = (Route("GET", "/server-information", server_information), Route("GET", "/content/scan", scan))
