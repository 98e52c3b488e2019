"""Follows a listing from request to request by the cursor in `next`, always on our own base, and never takes trouble for an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import parse_qs

from confluence_sync.errors import BadAnswer
from confluence_sync.http import Answer, Link
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, text
from confluence_sync.source.large import read_singly

EMPTY_ANSWERS = 3  # an empty page with a `next` happens on real servers; this many in a row is a listing that does not advance

Pairs = list[tuple[str, str]]
T = TypeVar("T")


def follow(link: Link, path: str, params: Pairs) -> Iterator[JsonObject]:
    """Every answer of a paged route, until one has no `next`. Raises BadAnswer when the listing repeats itself or stands still.

    Only the position is taken from `next` (a cursor, or a start that is counted here, because Data Center under-counts it):
    its host and path belong to the site, where our token must not go.
    """

    def read(answer: Answer) -> tuple[JsonObject, list[JsonObject]]:
        whole = as_object(answer.json(), path)
        return whole, objects(whole, "results", path)

    for answer, _ in _followed(link, path, params, read):
        yield answer


def follow_large(link: Link, path: str, params: Pairs, make: Callable[[JsonObject], T]) -> Iterator[tuple[JsonObject, list[T]]]:
    """The same for answers of megabytes: what stands around the results of each, and what `make` makes of them one at a time."""
    return _followed(link, path, params, lambda answer: read_singly(answer, path, make))


def _followed(
    link: Link, path: str, params: Pairs, read: Callable[[Answer], tuple[JsonObject, list[T]]]
) -> Iterator[tuple[JsonObject, list[T]]]:
    position: Pairs = []
    seen: set[str] = set()
    count = empty = 0
    while True:
        answer, results = read(link.send("GET", path, [*params, *position]))
        yield answer, results
        found = len(results)
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
