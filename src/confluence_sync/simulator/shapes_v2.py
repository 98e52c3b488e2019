"""Objects of REST API v2, in the shape of recorded answers."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus

from confluence_sync.model import Space
from confluence_sync.simulator.contents import EPOCH, Content, number_of
from confluence_sync.simulator.rendering import rendered
from confluence_sync.simulator.wiki import Wiki

Payload = dict[str, object]


def webui(content: Content) -> str:
    kind = "blog" if content.type == "blogpost" else "pages"
    return f"/spaces/{content.space_key}/{kind}/{content.id}/{quote_plus(content.title.encode('utf-8', 'replace'))}"


def tiny(content_id: str) -> str:
    """The path of the short link: the id's little-endian bytes in Confluence's variant of base64."""
    raw = (int(content_id) if content_id.isdecimal() else number_of(content_id)).to_bytes(8, "little").rstrip(b"\0")
    return "/x/" + base64.b64encode(raw, b"-_").decode().rstrip("=").rstrip("A")


def links(content: Content) -> Payload:
    return {
        "editui": f"/pages/resumedraft.action?draftId={content.id}",
        "webui": webui(content),
        "edituiv2": f"/spaces/{content.space_key}/pages/edit-v2/{content.id}",
        "tinyui": tiny(content.id),
    }


def version(content: Content) -> Payload:
    return {
        "number": content.version,
        "message": content.message,
        "minorEdit": content.minor,
        "authorId": content.author_id,
        "createdAt": content.updated_at,
        "ncsStepVersion": str(content.version),
    }


def body(wiki: Wiki, content: Content, representation: str) -> Payload:
    """The body object for one representation; empty when the page has none that fits, or none was asked for."""
    value = rendered(wiki.texts(content), representation) if representation else None
    return {} if value is None else {representation: {"representation": representation, "value": value}}


def page(wiki: Wiki, content: Content, representation: str = "") -> Payload:
    return {
        "parentType": content.parent_type or None,
        "parentId": content.parent_id or None,
        "spaceId": wiki.spaces[content.space_key].id,
        "ownerId": content.author_id,
        "lastOwnerId": None,
        "createdAt": content.created_at,
        "authorId": content.author_id,
        "position": content.position,
        "version": version(content),
        "body": body(wiki, content, representation),
        "status": content.status,
        "title": content.title,
        "id": content.id,
        "_links": links(content),
    }


def folder(wiki: Wiki, content: Content) -> Payload:
    seen = page(wiki, content)
    kept = ("parentType", "parentId", "spaceId", "ownerId", "createdAt", "authorId", "position", "version", "status", "title", "id")
    return {
        "type": "folder",
        **{name: seen[name] for name in kept},
        "_links": {"webui": f"/spaces/{content.space_key}/folder/{content.id}"},
    }


def space(wiki: Wiki, thing: Space) -> Payload:
    return {
        "id": thing.id,
        "key": thing.key,
        "name": thing.name,
        "type": thing.type,
        "status": "archived" if thing.archived else "current",
        "authorId": "712020:00000001-5f0e-4c1a-9b7d-simulated",
        "currentActiveAlias": thing.key,
        "createdAt": EPOCH,
        "homepageId": wiki.homepage(thing) or None,
        "description": None,
        "icon": None,
        "_links": {"webui": f"/spaces/{thing.key}"},
    }


def child(wiki: Wiki, content: Content) -> Payload:
    shared = {"id": content.id, "status": content.status, "title": content.title, "type": content.type}
    return {**shared, "spaceId": wiki.spaces[content.space_key].id, "childPosition": content.position}


def descendant(content: Content, depth: int) -> Payload:
    shared = {"id": content.id, "status": content.status, "title": content.title, "type": content.type}
    return {**shared, "parentId": content.parent_id, "depth": depth, "childPosition": content.position}


def label(name: str) -> Payload:
    return {"id": str(number_of(name)), "name": name, "prefix": "global"}


def user(account_id: str) -> Payload:
    name = f"Person {number_of(account_id) % 1000:03d}"
    return {
        "displayName": name,
        "timeZone": None,
        "personalSpaceId": None,
        "isExternalCollaborator": False,
        "accountStatus": "active",
        "accountId": account_id,
        "email": "",
        "accountType": "atlassian",
        "publicName": name,
        "profilePicture": {"path": "/wiki/aa-avatar/default", "isDefault": True},
    }
