"""Questions made by rule from the pages themselves, so that nobody picks the ones that look good."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluence_sync.model import Chunk, Page, digest

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n+")
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_CODE = re.compile(r"\b(?:[A-Z]{2,10}-\d{2,6}|0x[0-9a-fA-F]{4,8}|E\d{3,5}|(?:ERR|SQL|HTTP)_?\w*\d{3,})\b")
_IDENTIFIER = re.compile(r"\b(?:[a-z]+(?:_[a-z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]+)+|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+)\b")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<[^>]+>|[*`#|>_~\\]+")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_LATIN = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Question:
    """`page_id` is the one right page; `quarter` (0 to 3) says where in its chunk the words stand, -1 where that has no meaning."""

    kind: str
    text: str
    page_id: str
    quarter: int = -1

    def half(self, seed: int) -> int:
        """0: may be looked at while building; 1: only measured."""
        return int(digest(str(seed), self.kind, self.text, size=2), 16) % 2


def questions(pages: Sequence[Page], chunks: Sequence[Chunk]) -> list[Question]:
    """All kinds within one language: titles, headings, paraphrased sentences, error codes, identifiers."""
    found = [*_titles(pages), *_headings(chunks), *_sentences(chunks)]
    found += _tokens("error code", _CODE, "what does {} mean", chunks)
    found += _tokens("identifier", _IDENTIFIER, "where is {} explained", chunks)
    return found


def _titles(pages: Sequence[Page]) -> Iterator[Question]:
    counts = Counter(page.ref.title.casefold() for page in pages)
    return (
        Question("title", page.ref.title, page.ref.id) for page in pages if counts[page.ref.title.casefold()] == 1 and page.body.strip()
    )


def _headings(chunks: Sequence[Chunk]) -> Iterator[Question]:
    """The last heading of a chunk where only one page has it and it says something by itself."""
    owners = _owners((c.metadata.heading_path.rpartition(" > ")[2].casefold(), c.page_id) for c in chunks)
    for heading, pages in owners.items():
        if len(pages) == 1 and (len(_WORD.findall(heading)) >= 3 or (not heading.isascii() and len(heading) >= 8)):
            yield Question("heading", heading, next(iter(pages)))


def _sentences(chunks: Sequence[Chunk]) -> Iterator[Question]:
    """From each quarter of each chunk that has several windows one sentence that no other page has, paraphrased."""
    prose = {chunk.id: list(_prose(chunk)) for chunk in chunks}
    owners = _owners((sentence, chunk.page_id) for chunk in chunks for _, sentence in prose[chunk.id])
    for chunk in chunks:
        if chunk.metadata.tokens < 500:
            continue
        for quarter in range(4):
            own = [s for place, s in prose[chunk.id] if int(place * 4) == quarter and len(owners[s]) == 1]
            if own:
                chosen = min(own, key=lambda sentence: digest(sentence))
                yield Question("sentence", paraphrased(chosen), chunk.page_id, quarter)


def _prose(chunk: Chunk) -> Iterator[tuple[float, str]]:
    """Sentences of 8 to 40 words (or 25 to 120 characters of an unspaced script) with their place in the chunk, 0 to 1."""
    body = chunk.text.partition("\n\n")[2]
    at = 0
    for raw in _SENTENCE.split(body):
        at = body.find(raw, at)
        sentence = " ".join(_MARKUP.sub(r" \1", raw).split())
        enough = 8 <= len(_WORD.findall(sentence)) <= 40 if not _unspaced(sentence) else 25 <= len(sentence) <= 120
        if enough:
            yield min(at / max(len(body), 1), 0.999), sentence


def paraphrased(sentence: str) -> str:
    """Other than it was written: a third of the words gone (by a hash, not by taste), the second half first, no punctuation, lower case."""
    words = _WORD.findall(sentence.lower())
    if len(words) < 6:
        return sentence[len(sentence) // 2 :] + " " + sentence[: len(sentence) // 2]
    kept = [word for i, word in enumerate(words) if int(digest(sentence, str(i), size=2), 16) % 3]
    return " ".join([*kept[len(kept) // 2 :], *kept[: len(kept) // 2]])


def _tokens(kind: str, pattern: re.Pattern[str], form: str, chunks: Sequence[Chunk]) -> Iterator[Question]:
    """What only one page names, at most two a page."""
    owners = _owners((token, chunk.page_id) for chunk in chunks for token in pattern.findall(chunk.text) if len(token) > 5)
    given: Counter[str] = Counter()
    for token, pages in sorted(owners.items(), key=lambda item: digest(item[0])):
        page = next(iter(pages))
        if len(pages) == 1 and given[page] < 2:
            given[page] += 1
            yield Question(kind, form.format(token), page)


def cross_language(folder: Path, pages: Sequence[Page]) -> list[Question]:
    """Titles that the other half of a pair (ID.md or ID.mdx, title in front or as first heading) has in another script than the page."""
    known = {page.ref.id: page for page in pages}
    found = {}
    for file in sorted(folder.rglob("*.md*")):
        page = known.get(re.split(r"[.]", file.name)[0].rpartition("__")[2])
        title = re.search(r"^(?:title:\s*|#\s+)['\"]?(.+?)['\"]?\s*$", file.read_text(encoding="utf-8"), re.MULTILINE)
        if page and title and script(title[1]) != script(page.body):
            found[page.ref.id] = Question("cross-language", title[1], page.ref.id)
    return list(found.values())


def script(text: str) -> str:
    """The script most letters are in; markup counts as Latin only where nothing else is there."""
    plain = re.sub(r"<[^>]+>", " ", text)
    counts = {name: len(pattern.findall(plain)) for name, pattern in (("hangul", _HANGUL), ("kana", _KANA))}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] * 5 > len(_LATIN.findall(plain)) else "latin"


def _unspaced(text: str) -> bool:
    return bool(_KANA.search(text))


def _owners(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, page in pairs:
        found.setdefault(key, set()).add(page)
    return found
