"""Mutated golden pages: nothing escapes, nothing grows, every chunk stays within its limit. The long form is benchmarks.fuzz_convert."""

from __future__ import annotations

import random

import pytest
from benchmarks.fuzz_convert import mutated, tried
from hypothesis import given, settings
from hypothesis import strategies as st

from confluence_sync.chunk import Limits
from tests.convert_pages import NAMES, golden, page
from tests.test_convert_safety import raw_html


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([name for name in NAMES if name != "long_page"]), st.integers(0, 2**32), st.sampled_from([Limits(), Limits(80, 20)]))
def test_mutated_storage_format(name: str, seed: int, limits: Limits) -> None:
    """A damaged page converts, in time and without growing, and its chunks keep the rules."""
    tried(page(mutated(golden(name).body, random.Random(seed))), limits)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([name for name in NAMES if name != "long_page"]), st.integers(0, 2**32))
def test_mutated_html(name: str, seed: int) -> None:
    """The same for rendered HTML, whatever it really is."""
    tried(page(mutated(golden(name).body, random.Random(seed)), "view"), Limits())


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["injection", "links", "inline_marks", "tables", "lists"]), st.integers(0, 2**32))
def test_mutations_do_not_make_html(name: str, seed: int) -> None:
    """No mutation of a page yields raw HTML other than our own."""
    from confluence_sync.convert import to_markdown

    assert raw_html(to_markdown(page(mutated(golden(name).body, random.Random(seed)))).markdown) == []


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["storage", "view"]))
def test_any_text_as_a_body(body: str, representation: str) -> None:
    """A body need not be markup at all."""
    tried(page(body, representation), Limits(64, 10))


def test_the_fuzzer_sees_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness fails when a bound is broken, so that its silence means something."""
    monkeypatch.setattr("benchmarks.fuzz_convert.MOST_GROWTH", -1)
    with pytest.raises(AssertionError, match="grew to"):
        tried(page("<p>" + "long " * 300 + "</p>"), Limits())
