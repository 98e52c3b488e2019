"""From pages to chunks: what runs in worker processes, so nothing is imported here that they have no use for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluence_sync.model import Chunk, Metadata, Page, PageRef, Space
from confluence_sync.packing import pack_plainly


@dataclass(frozen=True, slots=True)
class Cut:
    """How pages are cut: the chunker's limits, in tokens, and the fingerprint of everything that shapes the text."""

    tokens: int
    overlap: int
    recipe: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A page's chunks, ready to write. `degraded` counts what could not be converted fully, by macro."""

    ref: PageRef
    chunks: tuple[Chunk, ...]
    labels: str
    recipe: str
    degraded: tuple[tuple[str, int], ...] = ()


pack_plainly(Page, PageRef, Chunk, Metadata, Prepared)  # what goes to workers and comes back


def cut_for(tokens: int, overlap: int, space: Space | None = None, site: str = "") -> Cut:
    """How pages of this space are cut: its key and name count, because every chunk begins with them, and the site, because links do."""
    from confluence_sync.chunk import Limits, recipe

    return Cut(tokens, overlap, recipe(Limits(tokens, overlap), *((space.key, space.name, site) if space else ())))


def prepare(pages: list[Page], cut: Cut, users: Mapping[str, str]) -> list[Prepared]:
    """Converts and cuts. Pure, and runs in worker processes."""
    from confluence_sync.chunk import Limits, chunks
    from confluence_sync.convert import to_markdown

    limits, done = Limits(cut.tokens, cut.overlap), []
    # All are converted before the first is cut: in turns, the two push each other's tables out of the CPU's caches.
    converted = [to_markdown(page, users) for page in pages]
    for page, text in zip(pages, converted, strict=True):
        made = chunks(page, text.markdown, limits)
        done.append(Prepared(page.ref, tuple(made), page.labels_text, cut.recipe, tuple(sorted(text.degraded.items()))))
    return done
