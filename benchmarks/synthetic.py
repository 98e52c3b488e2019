"""Synthetic chunks and vectors for the stores: embedding 300,000 windows would take hours, and a store does not know the difference.

A chunk is 300 words drawn as words are in a language; its vectors lie near those of its topic, so that there is something to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from confluence_sync.embed import Facts, Matrix
from confluence_sync.model import Chunk, Filter, Metadata, digest

DIMENSION = 384
A_PAGE = 10
LABELS = {"a filter that leaves 4 %": ("few", 25), "a filter that leaves 1 %": ("fewer", 100)}  # one page in so many has the label
WORDLESS = "!?"  # the digits of a question's number: nothing a keyword search could look up, so vectors alone answer


@dataclass
class Synthetic:
    """An embedder that makes a text's vectors from its first line, which names topic and number."""

    windows_a_chunk: int
    topics: dict[int, Matrix] = field(default_factory=dict)

    def facts(self) -> Facts:
        return Facts("synthetic", f"{self.windows_a_chunk}", DIMENSION)

    def window(self) -> int:
        return 256

    def windows(self, text: str) -> list[str]:
        return [f"{text.partition(chr(10))[0]} {i}" for i in range(self.windows_a_chunk)]

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.array([self._vector(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSION)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def close(self) -> None:
        """Nothing to give back."""

    def _vector(self, text: str) -> Matrix:
        if set(text) <= set(WORDLESS):
            return self._asked(int(text.replace("!", "0").replace("?", "1"), 2))
        topic = int(text.split()[1])
        if topic not in self.topics:
            self.topics[topic] = np.random.default_rng(topic).standard_normal(DIMENSION).astype(np.float32)
        own = np.random.default_rng(int(digest(text, size=4), 16)).standard_normal(DIMENSION).astype(np.float32)
        return self.topics[topic] + 1.2 * own

    def _asked(self, number: int) -> Matrix:
        """A chunk's first window with noise, so that it is the nearest but not the only near one."""
        noise = np.random.default_rng(number + 10**9).standard_normal(DIMENSION).astype(np.float32)
        return self._vector(f"{first_line(number)} 0") + 0.7 * noise


def first_line(number: int, version: int = 1) -> str:
    return f"topic {number // A_PAGE % 100} chunk {number} version {version}"


def wordless(number: int) -> str:
    """A question that means chunk `number` and has no word."""
    return f"{number:b}".replace("0", "!").replace("1", "?")


def chunks(first: int, last: int, version: int = 1) -> Iterator[Chunk]:
    """Numbers first to last - 1, A_PAGE of them a page, a hundred topics."""
    for number in range(first, last):
        rng = np.random.default_rng(number)
        words = " ".join(f"w{n}" for n in np.minimum(rng.zipf(1.3, 300), 50_000))
        page = number // A_PAGE
        text = f"{first_line(number, version)}\n\n{words}"
        labels = tuple(label for label, one_in in LABELS.values() if page % one_in == 0)
        metadata = Metadata(
            "bench", "BENCH", str(page), f"Page {page}", f"https://wiki.example.org/{page}", "Heading", labels, version,
            "2026-01-01T00:00:00Z", number % A_PAGE, A_PAGE, digest(text), 900, "r", f"f{version}",
        )  # fmt: skip
        yield Chunk(digest("bench", text), text, metadata)


class Exact:
    """What brute force finds among all windows of `count` chunks, held in memory."""

    def __init__(self, embedder: Synthetic, count: int) -> None:
        self.embedder, self.windows = embedder, embedder.windows_a_chunk
        self.matrix = np.concatenate([self._rows(start, min(start + 1000, count)) for start in range(0, count, 1000)])
        self.pages = np.arange(count) // A_PAGE

    def _rows(self, first: int, last: int) -> Matrix:
        return self.embedder.embed([part for n in range(first, last) for part in self.embedder.windows(first_line(n))])

    def nearest(self, question: str, top_k: int, where: Filter) -> set[int]:
        """Numbers of the chunks whose best window is nearest."""
        scores = (self.matrix @ self.embedder.embed([question])[0]).reshape(-1, self.windows).max(axis=1)
        for label, one_in in LABELS.values():
            scores = np.where(self.pages % one_in == 0, scores, -2) if label in where.labels else scores
        return {int(n) for n in np.argpartition(-scores, top_k)[:top_k]}
