"""What an answer is made of: passages found in the store, the sources they stand for, and what is told while it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from confluence_sync.model import Hit

EXCERPT = 280  # characters of a source's excerpt


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation; `role` is user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks: the words, how many passages to look at, one space or "" for all, and what was said before."""

    text: str
    top_k: int = 6
    space: str = ""
    history: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that may answer. `number` is the source's, counted from 1; passages of one section share it."""

    number: int
    chunk_id: str
    title: str
    url: str
    heading: str
    space_key: str
    updated_at: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Source:
    """What a reader can open and check; [n] in an answer means the n-th source. `url` is http(s) or empty."""

    number: int
    title: str
    url: str
    heading: str
    space_key: str
    updated_at: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Found:
    """Told first: which sources the answer is written from, and the question that was searched for."""

    sources: tuple[Source, ...]
    passages: tuple[Passage, ...]
    searched: str


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of the answer, Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """Told last. `cited` are the numbers of the sources that the answer names; `by_model` is False for retrieval-only answers."""

    text: str
    cited: tuple[int, ...]
    by_model: bool


def passages(hits: Sequence[Hit]) -> tuple[Passage, ...]:
    """The hits, best first, each with the number of its source; a hit that another program wrote is named by its chunk id."""
    numbers: dict[str, int] = {}
    return tuple(_passage(hit, numbers.setdefault(_address(hit), len(numbers) + 1)) for hit in hits)


def sources(found: Sequence[Passage]) -> tuple[Source, ...]:
    """One source for each number, in order; its excerpt is from the best passage."""
    first: dict[int, Passage] = {}
    for passage in found:
        first.setdefault(passage.number, passage)
    return tuple(Source(p.number, p.title, p.url, p.heading, p.space_key, p.updated_at, excerpt(p.text)) for _, p in sorted(first.items()))


def excerpt(text: str) -> str:
    """The beginning of a passage on one line, without its context line and without Markdown's heaviest marks."""
    _, _, body = text.partition("\n\n")
    words = " ".join((body or text).replace("|", " ").replace("#", " ").replace("*", "").split())
    return words if len(words) <= EXCERPT else words[:EXCERPT].rsplit(" ", 1)[0] + " …"


def safe_link(url: str) -> str:
    """`url` when a browser may follow it; "" for every scheme but http and https, whatever a page's metadata says."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc and not set(url) & set(" \n\r\t<>\"'`") else ""


def _address(hit: Hit) -> str:
    return (hit.metadata.url or f"{hit.metadata.page_id} {hit.metadata.heading_path}") if hit.metadata else hit.chunk_id


def _passage(hit: Hit, number: int) -> Passage:
    m = hit.metadata
    if m is None:
        return Passage(number, hit.chunk_id, hit.chunk_id, "", "", "", "", hit.text, hit.score)
    return Passage(number, hit.chunk_id, m.title, safe_link(m.url), m.heading_path, m.space_key, m.last_modified, hit.text, hit.score)
