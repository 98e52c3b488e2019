"""Markdown to chunks: by structure, at most so many tokens, stable under edits. Pure; the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from confluence_sync import tokens
from confluence_sync.chunking.assembly import core_tokens, overlap_start, rendered, rendered_tokens
from confluence_sync.chunking.context import context, encodable
from confluence_sync.chunking.cuts import spans
from confluence_sync.chunking.sections import Section, sections
from confluence_sync.chunking.units import Unit, units
from confluence_sync.convert import CONVERTER_VERSION
from confluence_sync.errors import SettingsError
from confluence_sync.model import Chunk, Metadata, Page, digest

CHUNKER_VERSION = 1  # raised on purpose whenever the chunks of any page change: it is part of every chunk's recipe
LEAST_TOKENS = 64  # below this a context line and a line of code with its fence do not fit together

_WHOLE = 0.33  # of the core budget: a block up to this size is never torn
_UNIT = 0.85  # of the core budget: the most that any unit takes, so that the headings above it still fit in front
_CONTEXT = 0.1  # of the limit: the most that a context line may take


@dataclass(frozen=True, slots=True)
class Limits:
    """The most cl100k_base tokens a chunk may have, and how many of them may repeat the end of the chunk before it.

    Raises SettingsError for limits that cannot hold together.
    """

    tokens: int = 1000
    overlap: int = 180

    def __post_init__(self) -> None:
        if self.tokens < LEAST_TOKENS:
            raise SettingsError(f"CHUNK_TOKENS is {self.tokens}: a chunk needs at least {LEAST_TOKENS} tokens, 1000 is usual")
        if not 0 <= self.overlap <= self.tokens // 2:
            raise SettingsError(
                f"CHUNK_OVERLAP is {self.overlap}: give 0 to {self.tokens // 2}, at most half of CHUNK_TOKENS ({self.tokens})"
            )


DEFAULT = Limits()


class _Draft(NamedTuple):
    text: str
    section: Section
    tokens: int


@lru_cache(maxsize=64)
def recipe(limits: Limits, *around: str) -> str:
    """Fingerprint of all that decides how a page becomes chunks, except the page; `around` is its space's key and name and the site."""
    return digest(str(CONVERTER_VERSION), str(CHUNKER_VERSION), str(limits.tokens), str(limits.overlap), *around, size=6)


def chunks(page: Page, markdown: str, limits: Limits = DEFAULT) -> list[Chunk]:
    """The chunks of a page in reading order; none for a page without text. Each begins with its context line."""
    drafts = list(_drafts(page, markdown, limits))
    made_by, fingerprint = recipe(limits, page.space_key, page.space_name, page.site), page.ref.fingerprint
    return [_chunk(page, draft, (position, len(drafts)), made_by, fingerprint) for position, draft in enumerate(drafts)]


def _drafts(page: Page, markdown: str, limits: Limits) -> Iterator[_Draft]:
    count = tokens.counter()
    room = max(int(limits.tokens * _CONTEXT), 8)
    core = limits.tokens - max(limits.overlap, room)
    parts = units(encodable(markdown), int(core * _WHOLE), int(core * _UNIT), count)
    section_of = sections(parts)
    times: dict[str, int] = {}
    floor = 0
    for start, end in spans(parts, core):
        section = section_of[start]
        draft = first = _draft(parts, context(page, section.path, 1, room, count), section, (floor, start, end), limits)
        while draft.text in times:
            times[first.text] += 1
            draft = _draft(parts, context(page, section.path, times[first.text], room, count), section, (floor, start, end), limits)
        times[draft.text] = 1
        floor = start
        yield draft


def _draft(parts: list[Unit], line: str, section: Section, span: tuple[int, int, int], limits: Limits) -> _Draft:
    """One chunk under this context line; overlap, not from before the first position, takes what room the limit leaves."""
    count = tokens.counter()
    floor, start, end = span
    line_tokens = count(line + "\n\n")
    left = limits.tokens - line_tokens - core_tokens(parts, start, end)
    first = overlap_start(parts, start, floor, min(limits.overlap, left))
    text = f"{line}\n\n{rendered(parts, first, end)}"
    return _Draft(text, section, line_tokens + rendered_tokens(parts, first, end, count))


def _chunk(page: Page, draft: _Draft, place: tuple[int, int], made_by: str, fingerprint: str) -> Chunk:
    """`place` is the chunk's position on the page and the number of the page's chunks."""
    content_hash = digest(draft.text)
    section = draft.section
    metadata = Metadata(
        source=page.source,
        space_key=page.space_key,
        page_id=page.ref.id,
        title=page.ref.title,
        url=f"{page.url}#{section.fragment}" if section.anchor else page.url,
        heading_path=" > ".join(section.path),
        labels=page.labels,
        version=page.ref.version,
        last_modified=page.updated_at,
        chunk_index=place[0],
        chunk_count=place[1],
        content_hash=content_hash,
        tokens=draft.tokens,
        recipe=made_by,
        fingerprint=fingerprint,
    )
    # Occurrence is always 0: texts that would be equal carry an ordinal, because some stores know chunks by their text alone.
    return Chunk(digest(page.source, page.space_key, page.ref.id, content_hash, "0"), draft.text, metadata)
