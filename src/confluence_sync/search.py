"""From hits to an answer: fuses what words and vectors found, drops what is said twice, and joins a section again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from confluence_sync.model import EVERYTHING, Filter, Hit

WORDS_COUNT = 0.65  # of the score; the rest is meaning. Chosen with both halves of the benchmark's questions in view
REACH = 50  # how far down each list is looked at, at least
K = TypeVar("K", str, int)


class Searchable(Protocol):
    """What searching needs of a store."""

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]: ...


def reach(top_k: int) -> int:
    """How many hits to take from each list before they are fused."""
    return max(REACH, 4 * top_k)


def fuse(by_words: Sequence[tuple[K, float]], by_meaning: Sequence[tuple[K, float]]) -> list[tuple[K, float]]:
    """Two lists (best first) as one: keys with a score in 0..1, best first. First in both lists is 1.

    Scores count and not only places: that a rare word is there says more than being tenth by meaning (docs/retrieval.md has the figures).
    BM25 is taken relative to its best, a cosine relative to best and worst in its list, because models differ in the range they use.
    """
    points: dict[K, float] = {}
    for share, ranked in ((WORDS_COUNT, _of_best(by_words)), (1 - WORDS_COUNT, _of_range(by_meaning))):
        for key, worth in ranked:
            points[key] = points.get(key, 0.0) + share * worth
    return sorted(points.items(), key=lambda pair: (-pair[1], pair[0]))


def _of_best(ranked: Sequence[tuple[K, float]]) -> list[tuple[K, float]]:
    best = ranked[0][1] if ranked and ranked[0][1] > 0 else 1.0
    return [(key, max(score, 0.0) / best) for key, score in ranked]


def _of_range(ranked: Sequence[tuple[K, float]]) -> list[tuple[K, float]]:
    """The worst keeps a little, so that being in the list counts."""
    if not ranked:
        return []
    best, worst = ranked[0][1], ranked[-1][1]
    reach = best - worst
    return [(key, 0.05 + 0.95 * (score - worst) / reach if reach > 0 else 1.0) for key, score in ranked]


def search(store: Searchable, question: str, top_k: int, where: Filter = EVERYTHING, *, sections: bool = False) -> list[Hit]:
    """At most `top_k` hits without repetition; with `sections` each hit's text is grown to the whole section it stands in."""
    hits = distinct(store.query(question, 2 * top_k, where))[:top_k]
    return distinct([section(store, question, hit) for hit in hits]) if sections else hits


def distinct(hits: Sequence[Hit]) -> list[Hit]:
    """The hits without what a better one already says: neighbours on a page lose the part they share, and go when little is left."""
    kept: list[Hit] = []
    for hit in hits:
        text = hit.text
        for better in kept:
            text = _without(text, better.text) if _near(hit, better) else text
        if text == hit.text or len(text) * 5 > len(hit.text):
            kept.append(replace(hit, text=text))
    return kept


def section(store: Searchable, question: str, hit: Hit) -> Hit:
    """The hit with the text of all chunks of its page that stand under the same headings, in reading order."""
    if hit.metadata is None:
        return hit
    around = store.query(f"{question} {hit.metadata.title} {hit.metadata.heading_path}", 50, Filter(page_ids=(hit.metadata.page_id,)))
    same = {h.metadata.chunk_index: h for h in around if h.metadata and h.metadata.heading_path == hit.metadata.heading_path}
    index = hit.metadata.chunk_index
    same[index] = hit
    first = next(i for i in range(index, -2, -1) if i - 1 not in same)
    last = next(i for i in range(index, index + len(same) + 1) if i + 1 not in same)
    text = same[first].text
    for i in range(first + 1, last + 1):
        text = f"{text}\n\n{_without(same[i].text, text, context=False)}"
    return replace(hit, text=text)


def _near(one: Hit, other: Hit) -> bool:
    a, b = one.metadata, other.metadata
    return bool(a and b and (a.space_key, a.page_id) == (b.space_key, b.page_id) and abs(a.chunk_index - b.chunk_index) <= 1)


def _without(text: str, said: str, context: bool = True) -> str:
    """`text` without the blocks at its start that `said` ends with, or at its end that `said` begins with; the context line stays."""
    line, body = _parted(text)
    _, other = _parted(said)
    blocks, others = body.split("\n\n"), other.split("\n\n")
    head = next((n for n in range(min(len(blocks), len(others)), 0, -1) if blocks[:n] == others[-n:]), 0)
    blocks = blocks[head:]
    tail = next((n for n in range(min(len(blocks), len(others)), 0, -1) if blocks[-n:] == others[:n]), 0)
    rest = "\n\n".join(blocks[: len(blocks) - tail])
    return f"{line}\n\n{rest}" if context and line and rest else rest


def _parted(text: str) -> tuple[str, str]:
    """The context line and the rest of a chunk's text."""
    line, blank, body = text.partition("\n\n")
    return (line, body) if blank else ("", text)
