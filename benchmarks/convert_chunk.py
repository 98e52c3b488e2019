"""Measures conversion and chunking beside the field's usual way, and fails when a bound is missed: python -m benchmarks.convert_chunk."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bs4 import XMLParsedAsHTMLWarning

from benchmarks import conv_corpus, conv_edits, conv_peers, conv_structure, conv_words
from benchmarks.installed import as_installed
from confluence_sync import tokens
from confluence_sync.chunk import Limits, chunks
from confluence_sync.convert import to_markdown
from confluence_sync.model import Page, utf8

LEAST_SPEED = 4.5  # times the speed of stock markdownify and fixed windows
LEAST_FENCES = 100.0  # % of code macros outside table cells
MOST_WORDS_LOST = 0.1  # %
LEAST_MEAN_TOKENS = 550.0
LEAST_UNCHANGED = {
    "one word edited at the start": 92.0,
    "paragraph inserted early": 90.0,
    "paragraph inserted in the middle": 90.0,
    "section appended": 94.0,
}  # % of chunks, mean over long pages
MOST_CHANGED = 1.4  # chunks an edit may change, mean over all pages of more than three chunks
LONG = (
    9  # chunks: an edit changes at least one, so on a page of n chunks no chunker keeps more than (n-1)/n; shorter pages cannot reach 90 %
)
SOME = 3
FEWEST_LONG = 20  # pages, for the bounds on long pages to mean anything
EDITED_PAGES = 150
USUAL_PAGES = 20  # of them are also done the slow, usual way
SPEED_BYTES = 1_500_000
ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One line of the table; `holds` is None for a figure that has no bound."""

    measure: str
    ours: str
    bound: str
    peer: str
    holds: bool | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", action="append", default=[], help="folder or .jsonl of content objects (default: the sample space)")
    parser.add_argument("--losses", type=int, default=20, help="how many pages with lost words to list")
    given = parser.parse_args()
    as_installed()
    warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # the usual way reads storage format as HTML
    pages = conv_corpus.pages(given.corpus)
    storage = [page for page in pages if page.representation == "storage"]
    print(f"{len(pages)} pages, {len(storage)} of them storage format, {_size(storage) / 1e6:.1f} MB\n")
    texts = {id(page): to_markdown(page).markdown for page in storage}
    rows = [
        *_speed(storage),
        *_fences(storage, texts),
        *_words(storage, texts, given.losses),
        *_stability(storage, texts),
        *_structure(storage, texts),
    ]
    _print(rows)
    return 0 if all(row.holds is not False for row in rows) else 1


def ours(page: Page) -> list[str]:
    return _cut(page, to_markdown(page).markdown)


def _cut(page: Page, markdown: str) -> list[str]:
    return [chunk.text for chunk in chunks(page, markdown, Limits())]


def peer(page: Page) -> list[str]:
    return conv_peers.windows(conv_peers.markdown(page.body))


def _speed(pages: Sequence[Page]) -> list[Row]:
    """CPU seconds of both ways over the same pages in turn; each page's least counts, for what else the machine does only adds."""
    sample = _sample(pages, SPEED_BYTES)
    tokens.count("")
    mine, theirs = (sum(min(_cpu(way, page) for _ in range(ROUNDS)) for page in sample) for way in (ours, peer))
    rate = _size(sample) / 1e6
    print(f"convert + chunk, {rate:.1f} MB: {mine:.2f} CPU s ({rate / mine:.1f} MB/s)")
    print(f"the usual way: {theirs:.2f} CPU s ({rate / theirs:.1f} MB/s)\n")
    ratio = theirs / mine
    return [Row("convert + chunk, times as fast as the usual way", f"{ratio:.1f}", f">= {LEAST_SPEED}", "1", ratio >= LEAST_SPEED)]


def _cpu(way: Callable[[Page], object], page: Page) -> float:
    start = time.process_time()
    way(page)
    return time.process_time() - start


def _sample(pages: Sequence[Page], size: int) -> list[Page]:
    """Pages spread evenly over the corpus, of about `size` bytes together."""
    step = max(1, round(_size(pages) / size))
    return list(pages[::step])


def _size(pages: Sequence[Page]) -> int:
    return sum(len(page.body.encode("utf-8", "ignore")) for page in pages)


def _fences(pages: Sequence[Page], texts: dict[int, str]) -> list[Row]:
    wanted = missed = theirs = 0
    sampled = {id(page) for page in _sample(pages, SPEED_BYTES)}
    seen = 0
    for page in pages:
        bodies = Counter(conv_structure.code_bodies(page.body) or [])
        wanted += bodies.total()
        missing = bodies - conv_structure.fences(texts[id(page)]) if bodies else bodies
        missed += missing.total()
        for body in missing:
            print(f"fence not read back: {page.ref.id} {page.ref.title!r}: {body[:100]!r}")
        if bodies and id(page) in sampled:
            seen += bodies.total()
            theirs += (bodies & conv_structure.fences(conv_peers.markdown(page.body))).total()
    share, usual = 100 * (wanted - missed) / max(wanted, 1), 100 * theirs / max(seen, 1)
    return [Row(f"code bodies read back from fences ({wanted})", f"{share:.2f} %", "100 %", f"{usual:.1f} %", share >= LEAST_FENCES)]


def _words(pages: Sequence[Page], texts: dict[int, str], shown: int) -> list[Row]:
    losses = [(page, *conv_words.lost(page.body, texts[id(page)])) for page in pages]
    total, missing = sum(words for *_, words in losses), sum(lost.total() for _, lost, _ in losses)
    for page, lost, _ in sorted(losses, key=lambda loss: -loss[1].total())[:shown]:
        if lost:
            print(f"words lost: {lost.total():4} on {page.ref.id} {page.ref.title!r}: {' '.join(list(lost)[:12])}")
    usual = [conv_words.lost(page.body, conv_peers.markdown(page.body)) for page in _sample(pages, SPEED_BYTES)]
    theirs = 100 * sum(lost.total() for lost, _ in usual) / max(sum(words for _, words in usual), 1)
    share = 100 * missing / max(total, 1)
    return [
        Row(f"words lost ({missing} of {total})", f"{share:.4f} %", f"< {MOST_WORDS_LOST} %", f"{theirs:.2f} %", share < MOST_WORDS_LOST)
    ]


def _stability(pages: Sequence[Page], texts: dict[int, str]) -> list[Row]:
    """Long pages have the bounds; over all of more than three chunks the number that an edit changes is what can be compared."""
    numbers = {id(page): len(_cut(page, texts[id(page)])) for page in pages}
    rows = []
    for least in (LONG, SOME):
        group = [page for page in pages if numbers[id(page)] > least]
        kept = _kept(group[:: max(1, len(group) // EDITED_PAGES)])
        for name in LEAST_UNCHANGED:
            rows += _stability_row(name, least, [one for one in kept if one.edit == name])
    return rows


@dataclass(frozen=True)
class Kept:
    """One page after one edit: how many of its chunks there were, and how many stayed, our way and (0 where not tried) the usual way."""

    edit: str
    before: int
    stayed: int
    usual_before: int
    usual_stayed: int


def _kept(pages: Sequence[Page]) -> list[Kept]:
    found = []
    step = max(1, len(pages) // USUAL_PAGES)
    for position, page in enumerate(pages):
        same, edited = conv_edits.edits(page.body)
        before = Counter(ours(replace(page, utf8=utf8(same))))
        usual = Counter(peer(replace(page, utf8=utf8(same)))) if position % step == 0 else Counter[str]()
        for name, body in edited.items():
            stayed = before & Counter(ours(replace(page, utf8=utf8(body))))
            usual_stayed = usual & Counter(peer(replace(page, utf8=utf8(body)))) if usual else usual
            found.append(Kept(name, before.total(), stayed.total(), usual.total(), usual_stayed.total()))
    return found


def _stability_row(name: str, least: int, kept: Sequence[Kept]) -> list[Row]:
    if not kept:
        return []
    share = statistics.fmean(100 * one.stayed / one.before for one in kept)
    usual = statistics.fmean(100 * one.usual_stayed / one.usual_before for one in kept if one.usual_before)
    changed = statistics.fmean(one.before - one.stayed for one in kept)
    ceiling = statistics.fmean(100 * (one.before - 1) / one.before for one in kept)
    bound = LEAST_UNCHANGED[name]
    title = f"{name}: chunks unchanged, pages of more than {least} ({len(kept)} pages)"
    if least == LONG and len(kept) >= FEWEST_LONG:
        return [Row(title, f"{share:.1f} % ({changed:.2f} changed)", f">= {bound:.0f} %", f"{usual:.1f} %", share >= bound)]
    wanted = f"<= {MOST_CHANGED} changed ({ceiling:.1f} % if only one)"
    return [Row(title, f"{share:.1f} % ({changed:.2f} changed)", wanted, f"{usual:.1f} %", changed <= MOST_CHANGED)]


def _structure(pages: Sequence[Page], texts: dict[int, str]) -> list[Row]:
    found: Counter[str] = Counter()
    sizes: list[list[int]] = []
    for page in pages:
        cut = _cut(page, texts[id(page)])
        sizes.append([tokens.count(text) for text in cut])
        for position, text in enumerate(cut):
            found.update(conv_structure.faults(text, page.body, last=position == len(cut) - 1))
    sample = _sample(pages, SPEED_BYTES)
    theirs = sum((conv_structure.faults(text, page.body, last=False) for page in sample for text in peer(page)), Counter[str]())
    rows = [
        Row(f"{name}, in chunks", str(found[name]), "0", f"{theirs[name]} in a sample", not found[name]) for name in conv_structure.FAULTS
    ]
    return rows + _size_rows(sizes)


def _size_rows(sizes: Sequence[Sequence[int]]) -> list[Row]:
    """A page shorter than a chunk makes a small one whatever the cuts, so the bound is for pages that are cut more than once."""
    every = [size for page in sizes for size in page]
    cut = [size for page in sizes if len(page) > SOME for size in page]
    largest, mean = max(every), statistics.fmean(cut or [0.0])
    return [
        Row(f"largest of {len(every)} chunks, tokens", str(largest), f"<= {Limits().tokens}", "1000", largest <= Limits().tokens),
        Row("mean chunk, tokens, all pages", f"{statistics.fmean(every):.0f}", "", "", None),
        Row(f"mean chunk, tokens, pages of more than {SOME}", f"{mean:.0f}", f">= {LEAST_MEAN_TOKENS:.0f}", "", mean >= LEAST_MEAN_TOKENS),
    ]


def _print(rows: Sequence[Row]) -> None:
    print("\n| measure | ours | must reach | markdownify + fixed windows | holds |\n|---|---|---|---|---|")
    for row in rows:
        verdict = {True: "yes", False: "NO", None: ""}[row.holds]
        print(f"| {row.measure} | {row.ours} | {row.bound} | {row.peer} | {verdict} |")


if __name__ == "__main__":
    sys.exit(main())
