"""Answers with megabytes of pages are read one page at a time, and give what reading them at once gives."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confluence_sync.errors import BadAnswer
from confluence_sync.http import Answer
from confluence_sync.jsontext import dumps
from confluence_sync.jsonvalue import JsonObject
from confluence_sync.source.large import read_singly

MARKS = st.text(alphabet='{}[],:"\\ a\ud83dé', max_size=12)
ITEMS = st.dictionaries(MARKS, MARKS | st.integers(0, 9) | st.lists(st.dictionaries(MARKS, MARKS, max_size=2), max_size=3), max_size=3)
LINKS = st.dictionaries(MARKS, MARKS, max_size=2)


def read(raw: bytes) -> tuple[JsonObject, list[JsonObject]]:
    def plain(item: JsonObject) -> JsonObject:
        return item

    return read_singly(Answer(200, {}, bytearray(raw), "http://site/pages"), "/pages", plain)


@given(st.lists(ITEMS, max_size=4), LINKS)
def test_every_answer_is_read_as_it_is(items: list[dict[str, object]], links: dict[str, str]) -> None:
    """Whatever the pages hold: what looks like the end of one, lists of objects, nothing at all, half a character."""
    around, found = read(dumps({"results": items, "_links": links}))
    assert found == items
    assert around["_links"] == links


@pytest.mark.parametrize(
    "raw",
    [
        b'{"results": [{"a": 1}, {"a": 2}], "_links": {"next": "x"}}',
        b'{"_links":{"next":"x"},"results":[{"a":1},{"a":2}]}',
        b'{"results":[{"a":1},{"a":2}],"_links":{"next":"x"},"errors":[{"b":1},{"b":2}]}',
    ],
)
def test_another_layout_is_read_at_once(raw: bytes) -> None:
    """With spaces, with the links first, or with another list behind the results."""
    around, found = read(raw)
    assert found == [{"a": 1}, {"a": 2}]
    assert around["_links"] == {"next": "x"}


@pytest.mark.parametrize("cut", [1, 12, 20, 30, 45, 60])
def test_an_answer_that_breaks_off_is_an_error(cut: int) -> None:
    """Wherever it does; no page of it is taken for all there were."""
    raw = b'{"results":[{"a":"one"},{"a":"two"},{"a":"three"}],"_links":{"next":"x"}}'
    with pytest.raises(BadAnswer, match="that break off or are no JSON"):
        read(raw[:-cut])


def test_a_large_answer_takes_no_memory_but_for_what_is_made_of_it() -> None:
    """4 MB of pages, of which their ids are kept: read at once, they are all there for a moment."""
    raw = dumps({"results": [{"id": str(n), "body": "x" * 16_000} for n in range(250)], "_links": {}})
    answer = Answer(200, {}, raw, "http://site/pages")
    tracemalloc.start()
    try:
        _, found = read_singly(answer, "/pages", lambda item: str(item["id"]))
        singly = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        json.loads(raw)
        at_once = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [str(n) for n in range(250)]
    assert singly < 500_000
    assert at_once > 4_000_000
