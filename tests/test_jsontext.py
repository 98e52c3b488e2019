"""JSON in and out: what real servers send is taken, what must be sent goes out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confluence_sync.jsontext import dumps, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_goes_out_is_read_as_the_same_by_everyone(value: object) -> None:
    """The standard library reads what we write, and we read what it writes."""
    assert json.loads(dumps(value)) == value
    assert loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [(rb'"a\ud83d"', "a\ud83d"), (b"[NaN]", "nan"), ('{"a": "ü"}'.encode("utf-16"), {"a": "ü"}), ("[1]", [1])],
)
def test_what_is_not_strictly_json_is_taken(raw: bytes | str, value: object) -> None:
    """Half a surrogate pair, which Confluence titles hold, NaN and UTF-16."""
    found = loads(raw)
    assert (str(found[0]) if value == "nan" and isinstance(found, list) else found) == value


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"a": 1', b'{"a": 1} x'])
def test_what_is_no_json_is_a_value_error(raw: bytes) -> None:
    """An empty body, a page, an answer that broke off, one with something behind it."""
    with pytest.raises(ValueError):
        loads(raw)


def test_nesting_without_end_is_an_error_of_its_own() -> None:
    """Ten thousand brackets end neither the process nor the run."""
    with pytest.raises((RecursionError, ValueError)):
        loads(b"[" * 10_000 + b"]" * 10_000)


def test_half_a_character_and_large_numbers_go_out() -> None:
    """As an escape, which every reader of JSON takes, and with all digits."""
    assert dumps({"a": "x\ud83d"}) == b'{"a":"x\\ud83d"}'
    assert dumps([10**30]) == b"[1" + b"0" * 30 + b"]"
    with pytest.raises(TypeError):
        dumps({"a": object()})
