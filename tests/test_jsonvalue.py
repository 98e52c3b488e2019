"""Foreign JSON and times are taken apart with the types they must have; anything else is named, never guessed."""

from __future__ import annotations

import pytest

from confluence_sync.errors import BadAnswer
from confluence_sync.jsonvalue import as_list, as_object, body, child, objects, text, whole
from confluence_sync.source.route import in_utc


@pytest.mark.parametrize(("value", "kind"), [(None, "missing"), ([], "list"), ("x", "str"), (1, "int"), (1.5, "float"), (True, "bool")])
def test_what_is_no_object_is_named(value: object, kind: str) -> None:
    """The error says where it was and what stood there."""
    with pytest.raises(BadAnswer, match=f"^page must be a JSON object, but is {kind}$"):
        as_object(value, "page")


def test_what_is_no_list_is_named() -> None:
    """A list is a list; its items are objects, each named by its place."""
    with pytest.raises(BadAnswer, match=r"^x must be a JSON list, but is dict$"):
        as_list({}, "x")
    with pytest.raises(BadAnswer, match=r"^x\.results must be a JSON list, but is missing$"):
        objects({}, "results", "x")
    with pytest.raises(BadAnswer, match=r"^x\.results\[1\] must be a JSON object, but is int$"):
        objects({"results": [{}, 7]}, "results", "x")
    assert objects({"results": [{"a": 1}]}, "results", "x") == [{"a": 1}]


def test_a_missing_child_is_an_empty_one() -> None:
    """Missing and null are the same; another type is an error."""
    assert child({}, "_links", "x") == child({"_links": None}, "_links", "x") == {}
    with pytest.raises(BadAnswer, match=r"^x\._links must be a JSON object, but is list$"):
        child({"_links": []}, "_links", "x")


@pytest.mark.parametrize(("value", "read"), [("a", "a"), (12, "12"), ("", ""), ("a\0\ud83d", "a\ufffd\ufffd")])
def test_texts(value: object, read: str) -> None:
    """Texts and numbers are texts, in a form that every database takes."""
    assert text({"k": value}, "k", "x") == read


@pytest.mark.parametrize(("value", "read"), [("aé", "aé"), (12, "12"), ("a\0\ud83d", "a\ufffd\ufffd"), ("a\0", "a\ufffd"), (None, None)])
def test_bodies(value: object, read: str | None) -> None:
    """In UTF-8 as every database takes it, too; none is none."""
    assert body({"value": value}, "x") == (read.encode() if read is not None else None)
    with pytest.raises(BadAnswer, match=r"^x\.value must be a text, but is list$"):
        body({"value": []}, "x")


@pytest.mark.parametrize("value", [True, 1.5, [], {}, None])
def test_what_is_no_text_is_named(value: object) -> None:
    """Other types are an error; only a missing value gives way to a default."""
    with pytest.raises(BadAnswer, match=r"^x\.k must be a text, but is "):
        text({"k": value}, "k", "x")
    assert text({"k": None}, "k", "x", default="d") == text({}, "k", "x", default="d") == "d"


def test_whole_numbers() -> None:
    """A version is a whole number, and neither a text nor a truth value."""
    assert whole({"number": 3}, "number", "page.version") == 3
    for value in ("3", True, 3.0, None):
        with pytest.raises(BadAnswer, match=r"^page\.version\.number must be a whole number, but is "):
            whole({"number": value}, "number", "page.version")


@pytest.mark.parametrize(
    ("raw", "utc"),
    [
        ("2026-01-06T08:00:30.000Z", "2026-01-06T08:00:30Z"),
        ("2026-01-06T08:00:30Z", "2026-01-06T08:00:30Z"),
        ("2026-01-06T08:00:30.123+02:00", "2026-01-06T06:00:30Z"),
        ("2026-01-01T00:30:00-01:00", "2026-01-01T01:30:00Z"),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_times_are_in_utc(raw: str, utc: str) -> None:
    """A time of any offset is told in UTC to the second, so that texts compare as times; what is none is empty."""
    assert in_utc(raw) == utc
