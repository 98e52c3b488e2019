"""What becomes of many pages, whole and damaged, as one line each: python -m tests.conversions FIRST LAST. The same however installed."""

from __future__ import annotations

import random
import sys

from benchmarks import conv_corpus
from benchmarks.fuzz_convert import mutated

from confluence_sync.chunk import Limits, chunks
from confluence_sync.convert import to_markdown
from confluence_sync.model import Page, digest
from tests.convert_pages import NAMES, USERS, golden, page


def line(one: Page, limits: Limits) -> str:
    """Of the Markdown, what was lost on the way, and every chunk with its metadata."""
    converted = to_markdown(one, USERS)
    made = [f"{chunk.id} {chunk.metadata}" for chunk in chunks(one, converted.markdown, limits)]
    return digest(converted.markdown, str(converted.degraded), str(converted.fallback), *made)


def pages(first: int, last: int) -> list[Page]:
    """The golden pages and the sample space as they are, then pages of both with their tokens shuffled, doubled and cut."""
    whole = [*map(golden, NAMES), *conv_corpus.pages([])]
    bodies = [one.body for one in whole if len(one.body) < 60_000]
    made = []
    for number in range(first, last):
        rng = random.Random(number)
        made.append(page(mutated(rng.choice(bodies), rng)))
    return whole + made if first == 0 else made


if __name__ == "__main__":
    for number, one in enumerate(pages(int(sys.argv[1]), int(sys.argv[2]))):
        print(line(one, Limits() if number % 3 else Limits(100, 30)))
