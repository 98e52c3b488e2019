"""Follows a listing from request to request by the cursor in `next`, always on our own base, and never takes trouble for an end."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs

from confluence_sync.errors import BadAnswer
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, text

EMPTY_ANSWERS = 3  # an empty page with a `next` happens on real servers; this many in a row is a listing that does not advance

Pairs = list[tuple[str, str]]


def follow(link: Link, path: str, params: Pairs) -> Iterator[JsonObject]:
    """Every answer of a paged route, until one has no `next`. Raises BadAnswer when the listing repeats itself or stands still.

    Only the position is taken from `next` (a cursor, or a start that is counted here, because Data Center under-counts it):
    its host and path belong to the site, where our token must not go.
    """
    position: Pairs = []
    seen: set[str] = set()
    count = empty = 0
    while True:
        answer = as_object(link.get(path, [*params, *position]), path)
        found = len(objects(answer, "results", path))
        yield answer
        following = text(child(answer, "_links", path), "next", path, default="")
        if not following:
            return
        count, empty = count + found, 0 if found else empty + 1
        if empty >= EMPTY_ANSWERS:
            raise BadAnswer(f"{path} gave {empty} empty pages in a row and says that more follow; the listing is not whole")
        position = _position(following, count, path)
        if position[0][1] in seen:
            raise BadAnswer(f"{path} repeats the cursor {position[0][1][:40]!r} after {count} results; the listing is not whole")
        seen.add(position[0][1])


def _position(following: str, count: int, path: str) -> Pairs:
    query = parse_qs(following.partition("?")[2].partition("#")[0])
    if "cursor" in query:
        return [("cursor", query["cursor"][0])]
    if "start" in query:
        return [("start", str(count))]
    raise BadAnswer(f"{path} says that more follows, but its `next` has neither cursor nor start: {following[:80]!r}")


def base_of(answer: JsonObject, where: str) -> str:
    """The site's own address as a reader uses it (with /wiki on Cloud), or "" when this answer does not say."""
    return text(child(answer, "_links", where), "base", where, default="").rstrip("/")
