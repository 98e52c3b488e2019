"""An edit changes few chunks, and the same page makes the same chunks on every machine."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.convert_pages import PINNED, cut, golden, pinned

LONG = golden("long_page").body


def changed(before: str, after: str) -> int:
    """How many of the chunks of the first are not in the second."""
    first = Counter(chunk.id for chunk in cut(before))
    return (first - Counter(chunk.id for chunk in cut(after))).total()


def paragraphs() -> list[int]:
    return [position for position in range(len(LONG)) if LONG.startswith("<p>", position)]


def test_the_long_page_is_long() -> None:
    """The page these tests edit has enough chunks for their figures to mean something."""
    assert len(cut(LONG)) > 12


def test_one_word_edited_anywhere() -> None:
    """One edited word changes one chunk, two where the word also stands in an overlap, rarely more."""
    numbers = [changed(LONG, LONG[:place] + "<p>Edited " + LONG[place + 3 :]) for place in paragraphs()[::6]]
    assert max(numbers) <= 4
    assert sum(numbers) / len(numbers) <= 1.5


def test_paragraph_inserted_anywhere() -> None:
    """An inserted paragraph moves few boundaries."""
    added = "<p>A paragraph that somebody added later, of about a dozen words or so.</p>"
    numbers = [changed(LONG, LONG[:place] + added + LONG[place:]) for place in paragraphs()[::6]]
    assert max(numbers) <= 5
    assert sum(numbers) / len(numbers) <= 1.6


def test_section_appended() -> None:
    """What is appended leaves all but the last chunk alone."""
    assert changed(LONG, LONG + "<h2>Later</h2><p>Added at the end.</p>") <= 1


def test_pinned_chunks() -> None:
    """The golden pages make exactly the chunks they made when the versions were last raised: otherwise a whole wiki would be embedded anew.

    When this fails on purpose, raise CONVERTER_VERSION or CHUNKER_VERSION and run `python -m tests.convert_pages`.
    """
    assert pinned() == PINNED.read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", ["0", "1"])
def test_no_dependence_on_hash_seeds(seed: str) -> None:
    """Another process with another hash seed makes the same chunks."""
    program = "from tests.convert_pages import pinned; print(pinned(), end='')"
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(path for path in sys.path if path)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout == PINNED.read_text(encoding="utf-8")
