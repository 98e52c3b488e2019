"""What the simulated Confluence holds: one content object, and how it is read from the JSON of GET /rest/api/content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from confluence_sync.model import Space

Json = Mapping[str, object]
EPOCH = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Held:
    """Body texts kept in memory, by representation (storage, view, ...)."""

    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OnDisk:
    """Where the JSON line of a content object lies in the source file; `length` is in bytes."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Content:
    """A page, folder, blog post or comment. Times are RFC 3339 in UTC with milliseconds; `position` orders siblings."""

    id: str
    type: str
    status: str
    title: str
    space_key: str
    parent_id: str
    parent_type: str
    position: int
    version: int
    message: str
    minor: bool
    updated_at: str
    created_at: str
    author_id: str
    labels: tuple[str, ...]
    body: Held | OnDisk

    @property
    def order(self) -> tuple[int, str]:
        """Numeric order of ids, the order in which Confluence lists by id."""
        return (int(self.id) if self.id.isdecimal() else 0, self.id)


def number_of(name: str) -> int:
    """A stable positive number for a name, for ids that the source does not give."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def section(thing: Json, *path: str) -> Json:
    """The object found by following `path`; an empty one where any step is missing or is not an object."""
    for name in path:
        step = thing.get(name)
        if not isinstance(step, Mapping):
            return {}
        thing = cast(Json, step)
    return thing


def text(thing: Json, name: str, default: str = "") -> str:
    value = thing.get(name)
    return default if value is None else str(value)


def listed(thing: Json, name: str) -> list[Json]:
    """The objects in the list called `name`, without anything else that stands there."""
    value = thing.get(name)
    return [cast(Json, item) for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def whole(value: object, default: int = 0) -> int:
    try:
        return int(str(value))
    except ValueError:
        return default


def in_utc(moment: str) -> str:
    """`moment` (ISO 8601 with any offset) as Confluence writes it: UTC, milliseconds, Z. What cannot be read becomes EPOCH."""
    if len(moment) == 24 and moment[-1] == "Z":
        return moment
    try:
        when = datetime.fromisoformat(moment)
    except ValueError:
        return EPOCH
    when = when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def texts_of(thing: Json) -> dict[str, str]:
    """The bodies of a content object by representation; those without a text value are left out."""
    body = section(thing, "body")
    found = {name: section(body, name).get("value") for name in body}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def labels_of(thing: Json) -> tuple[str, ...]:
    return tuple(text(label, "name") for label in listed(section(thing, "metadata", "labels"), "results"))


def parse(thing: Json, body: Held | OnDisk | None = None) -> Content:
    """A content object in v1 shape as Content; whatever it lacks gets a plausible value."""
    version, history = section(thing, "version"), section(thing, "history")
    updated = in_utc(text(version, "when", EPOCH))
    parent = (listed(thing, "ancestors") or [{}])[-1]
    return Content(
        id=text(thing, "id"),
        type=text(thing, "type", "page"),
        status=text(thing, "status", "current"),
        title=text(thing, "title"),
        space_key=text(section(thing, "space"), "key", "SPACE"),
        parent_id=text(parent, "id"),
        parent_type=text(parent, "type", "page") if parent else "",
        position=whole(section(thing, "extensions").get("position"), 0),
        version=whole(version.get("number"), 1),
        message=text(version, "message"),
        minor=bool(version.get("minorEdit")),
        updated_at=updated,
        created_at=in_utc(text(history, "createdDate", updated)),
        author_id=author_of(thing),
        labels=labels_of(thing),
        body=Held(texts_of(thing)) if body is None else body,
    )


def author_of(thing: Json) -> str:
    by = section(thing, "version", "by") or section(thing, "history", "createdBy")
    return text(by, "accountId") or f"712020:{number_of(text(thing, 'title')) % 7:08d}-5f0e-4c1a-9b7d-simulated"


def space_of(thing: Json) -> Space:
    """The space a content object says it is in. Ids are taken from the object, else made from the key."""
    space = section(thing, "space")
    key = text(space, "key", "SPACE")
    kind = text(space, "type", "personal" if key.startswith("~") else "global")
    number = text(space, "id") or str(500_000_000 + number_of(key) % 400_000_000)
    return Space(number, key, text(space, "name", key), kind, text(space, "status") == "archived")
