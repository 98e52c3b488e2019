"""Reads an answer with megabytes of pages one page at a time: read at once, its text and all it holds would be in memory three times."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import orjson

from confluence_sync.http import Answer
from confluence_sync.jsonvalue import JsonObject, as_object, taken

FIRST, BETWEEN, LAST = b'{"results":[{', b'},{"', b"}]"

T = TypeVar("T")


def read_singly(answer: Answer, where: str, make: Callable[[JsonObject], T]) -> tuple[JsonObject, list[T]]:
    """What stands around the results, and what `make` makes of each of them.

    250 pages of 16 KB take 4 MB more than the answer itself, which is what is made of them, and 10 MB when they are read at once.
    Raises BadAnswer.
    """
    try:
        return _singly(answer.body, where, make)
    except ValueError:  # laid out in another way, with half a surrogate pair in it, or no JSON: which of them is told by reading all of it
        whole = as_object(answer.json(), where)
        return whole, [make(item) for item in taken(whole, "results", where)]


def _singly(raw: bytes | bytearray, where: str, make: Callable[[JsonObject], T]) -> tuple[JsonObject, list[T]]:
    """Cuts where results seem to meet, without looking inside. Part of an object is no JSON: a wrong cut raises ValueError."""
    if not raw.startswith(FIRST):
        raise ValueError("another layout")
    end = raw.rindex(LAST)
    around = as_object(orjson.loads(FIRST[:-1] + raw[end + 1 :]), where)
    made, text, start = [], memoryview(raw), len(FIRST) - 1
    while start < end:
        meet = raw.find(BETWEEN, start, end)
        stop = meet if meet >= 0 else end
        made.append(make(as_object(orjson.loads(text[start : stop + 1]), where)))
        start = stop + 2  # past the brace and the comma
    return around, made
