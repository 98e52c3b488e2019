"""Objects of REST API v1, in the shape of recorded answers of Cloud and Data Center, with `expand` as the real thing takes it."""

from __future__ import annotations

import base64

from confluence_sync.model import Space
from confluence_sync.simulator.calls import Call, Place
from confluence_sync.simulator.contents import Content
from confluence_sync.simulator.rendering import rendered
from confluence_sync.simulator.shapes_v2 import label, links
from confluence_sync.simulator.shapes_v2 import webui as cloud_webui

Payload = dict[str, object]
REPRESENTATIONS = ("editor", "atlas_doc_format", "view", "export_view", "styled_view", "editor2", "anonymous_export_view", "storage")
UNEXPANDED = ("childTypes", "schedulePublishInfo", "operations", "schedulePublishDate", "draftVersion")


def account(account_id: str) -> Payload:
    return {"type": "known", "accountId": account_id, "accountType": "atlassian", "email": "", "displayName": "A colleague"}


def space(call: Call, thing: Space) -> Payload:
    return {
        "id": int(thing.id),
        "key": thing.key,
        "name": thing.name,
        "type": thing.type,
        "status": "archived" if thing.archived else "current",
        "_expandable": {"settings": f"/rest/api/space/{thing.key}/settings", "homepage": "", "description": ""},
        "_links": {"webui": space_webui(call, thing), "self": f"{call.base}/rest/api/space/{thing.key}"},
    }


def space_webui(call: Call, thing: Space) -> str:
    return f"/display/{thing.key}" if call.place is Place.DATA_CENTER else f"/spaces/{thing.key}"


def webui(call: Call, content: Content) -> str:
    if call.place is Place.DATA_CENTER:
        return f"/pages/viewpage.action?pageId={content.id}"
    return cloud_webui(content)


def content(call: Call, thing: Content, expand: frozenset[str]) -> Payload:
    """A content object with what `expand` names; the rest is listed under _expandable."""
    given: Payload = {"id": thing.id, "type": thing.type, **_names(call, thing), "status": thing.status, "title": thing.title}
    expanded = {name: value for name, value in _parts(call, thing, expand).items() if value is not None}
    return {
        **given,
        **expanded,
        "macroRenderedOutput": {},
        "extensions": {"position": thing.position},
        "_expandable": _expandable(thing, expanded),
        "_links": {**_links(call, thing), "self": f"{call.base}/rest/api/content/{thing.id}"},
    }


def _names(call: Call, thing: Content) -> Payload:
    if call.place is Place.DATA_CENTER:
        return {}
    ari = f"ari:cloud:confluence:{call.cloud_id}:{thing.type}/{thing.id}"
    generic = f"ari:cloud:confluence:{call.cloud_id}:content/{thing.id}"
    return {"ari": ari, "base64EncodedAri": base64.b64encode(generic.encode()).decode()}


def _links(call: Call, thing: Content) -> Payload:
    known = links(thing)
    kept = ("tinyui",) if call.place is Place.DATA_CENTER else tuple(known)
    return {**{name: known[name] for name in kept}, "webui": webui(call, thing)}


def _parts(call: Call, thing: Content, expand: frozenset[str]) -> Payload:
    heads = {name.partition(".")[0] for name in expand}
    deeper = frozenset(name.partition(".")[2] for name in expand if name.startswith("ancestors."))
    return {
        "space": space(call, call.wiki.spaces[thing.space_key]) if "space" in heads else None,
        "version": version(thing) if "version" in heads else None,
        "history": history(thing) if "history" in heads else None,
        "ancestors": [content(call, c, deeper) for c in call.wiki.ancestors(thing)] if "ancestors" in heads else None,
        "metadata": metadata(call, thing, expand) if "metadata" in heads else None,
        "body": body(call, thing, expand) if "body" in heads else None,
    }


def version(thing: Content) -> Payload:
    return {
        "by": account(thing.author_id),
        "when": thing.updated_at,
        "friendlyWhen": thing.updated_at[:10],
        "message": thing.message,
        "number": thing.version,
        "minorEdit": thing.minor,
        "contentTypeModified": False,
        "_expandable": {"collaborators": "", "content": f"/rest/api/content/{thing.id}"},
    }


def history(thing: Content) -> Payload:
    return {
        "latest": True,
        "createdBy": account(thing.author_id),
        "createdDate": thing.created_at,
        "_expandable": {"lastUpdated": "", "previousVersion": "", "contributors": "", "nextVersion": ""},
    }


def metadata(call: Call, thing: Content, expand: frozenset[str]) -> Payload:
    if "metadata.labels" not in expand:
        return {"_expandable": {"labels": "", "properties": "", "currentuser": "", "frontend": ""}}
    found = [{**label(name), "label": name} for name in thing.labels]
    inside = {"results": found, "start": 0, "limit": 200, "size": len(found)}
    return {"labels": inside, "_expandable": {"properties": "", "currentuser": "", "frontend": ""}}


def body(call: Call, thing: Content, expand: frozenset[str]) -> Payload:
    """The representations that `expand` names; one that the page cannot give is left out."""
    texts = call.wiki.texts(thing) if any(name.startswith("body.") for name in expand) else {}
    shown: Payload = {}
    for name in REPRESENTATIONS:
        value = rendered(texts, name) if f"body.{name}" in expand else None
        if value is not None:
            more: Payload = {"embeddedContent": []} if name == "storage" else {}
            shown[name] = {"value": value, "representation": name, **more, "_expandable": {"content": f"/rest/api/content/{thing.id}"}}
    return {**shown, "_expandable": {name: "" for name in REPRESENTATIONS if name not in shown}}


def _expandable(thing: Content, expanded: Payload) -> Payload:
    own = f"/rest/api/content/{thing.id}"
    every: Payload = {
        "container": f"/rest/api/space/{thing.space_key}",
        "metadata": "",
        "restrictions": f"{own}/restriction/byOperation",
        "history": f"{own}/history",
        "body": "",
        "version": "",
        "descendants": f"{own}/descendant",
        "space": f"/rest/api/space/{thing.space_key}",
        "children": f"{own}/child",
        "ancestors": "",
    }
    return {**{name: where for name, where in every.items() if name not in expanded}, **dict.fromkeys(UNEXPANDED, "")}
