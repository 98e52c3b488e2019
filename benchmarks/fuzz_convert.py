"""Mutates pages at random and converts them: nothing may escape, take long or grow: python -m benchmarks.fuzz_convert --minutes N."""

from __future__ import annotations

import argparse
import random
import re
import resource
import sys
import time
from dataclasses import replace

from benchmarks import conv_corpus
from confluence_sync import tokens
from confluence_sync.chunk import Limits, chunks
from confluence_sync.convert import to_markdown
from confluence_sync.model import Page, utf8

MOST_SECONDS = 2.0  # CPU, for up to 1 MB of body; in proportion above
MOST_GROWTH = 12  # times the body: links by title and repeated headers make text longer than markup, never without bound
MOST_MEGABYTES = 1000  # resident, over the whole run

_TOKEN = re.compile(r"<!\[CDATA\[|\]\]>|<[^<>]*>|&[^;\s]{0,10};|[^<&]+|[<&]")
_SEEDS = (
    "<", ">", "&", "]]>", "<![CDATA[", "<!--", "-->", '"', "'", "/>", "</", "<p>", "</td>", "<table>", "<td rowspan='9999'>", "<ul><li>",
    "`", "```", "\n\n", "|", "\\", "[x](javascript:y)", "\x00", "\u200b", "\ud800", "\ufffd", "&#0;", "&nbsp;", "<ac:link>", "# ", "~~~",
    "<ri:page ri:content-title=''/>", '<ac:structured-macro ac:name="code">', "<ac:plain-text-body>", "<blockquote>", "***", "1. ", "- ",
    '<ac:structured-macro ac:name="info"><ac:rich-text-body>',
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--corpus", action="append", default=[], help="folder or .jsonl of content objects (default: the sample space)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    pages = conv_corpus.pages(given.corpus)
    tokens.count("")
    ends, number, worst = time.monotonic() + 60 * given.minutes, 0, 0.0
    while time.monotonic() < ends:
        rng = random.Random(given.seed * 1_000_003 + number)
        page = rng.choice(pages)
        worst = max(worst, tried(replace(page, utf8=utf8(mutated(page.body, rng))), Limits() if number % 3 else Limits(100, 30)))
        number += 1
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{number} mutated pages, none failed; at most {worst:.2f} CPU s per MB begun; {used} MB resident at most")
    return 0 if used <= MOST_MEGABYTES else 1


def tried(page: Page, limits: Limits) -> float:
    """CPU seconds per megabyte begun; raises AssertionError for what may not happen, with the page's id and size."""
    start = time.process_time()
    converted = to_markdown(page)
    found = chunks(page, converted.markdown, limits)
    seconds = (time.process_time() - start) / max(1.0, len(page.body) / 1e6)
    name = f"{page.ref.id} ({len(page.body)} characters)"
    assert seconds < MOST_SECONDS, f"{name} took {seconds:.1f} CPU s per MB"
    assert len(converted.markdown) < MOST_GROWTH * len(page.body) + 1000, f"{name} grew to {len(converted.markdown)}"
    for chunk in found:
        truly = tokens.count(chunk.text)
        assert chunk.metadata.tokens == truly <= limits.tokens, f"{name}: {chunk.metadata.tokens} tokens, in truth {truly}"
    assert len({chunk.id for chunk in found}) == len(found), f"{name}: two chunks have one id"
    return seconds


def mutated(body: str, rng: random.Random) -> str:
    """The body with one to a dozen tokens removed, doubled, moved, replaced, or repeated very often."""
    pieces = _TOKEN.findall(body) or [""]
    for _ in range(rng.randint(1, 12)):
        place, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        change = rng.randrange(6)
        if change == 0:
            pieces[place] = ""
        elif change == 1:
            pieces[place] += pieces[place]
        elif change == 2:
            pieces[place], pieces[other] = pieces[other], pieces[place]
        elif change == 3:
            pieces[place] = rng.choice(_SEEDS)
        elif change == 4:
            pieces[place] += rng.choice(_SEEDS) * rng.choice((1, 1, 1, 2, 50, 2000))
        else:
            cut = rng.randrange(len(pieces[place]) + 1)
            pieces[place] = pieces[place][:cut] + rng.choice(_SEEDS) + pieces[place][cut:]
    return "".join(pieces)


if __name__ == "__main__":
    sys.exit(main())
