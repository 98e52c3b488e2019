"""Fills one generation page by page, so that no chunk is missing and none is there twice, whatever breaks on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from confluence_sync.errors import BadAnswer, Rejected, RemoteError, ServerFailed
from confluence_sync.generations import Generation, Generations
from confluence_sync.model import Chunk
from confluence_sync.patch import note_degraded
from confluence_sync.prepare import Prepared
from confluence_sync.report import FailedPage, SpaceReport
from confluence_sync.source.base import Failure
from confluence_sync.stores.base import Store

CHUNKS_AT_ONCE = 400
SAMPLES = 6
EXCERPT = 2000
NEAREST = 10


class Unsure(RemoteError):
    """Nobody can tell what the store has taken, so that going on could leave a hole or a duplicate."""


class Filling:
    """The filling of one generation."""

    def __init__(self, state: Generations, store: Store, generation: Generation, report: SpaceReport) -> None:
        self.state, self.store, self.generation, self.report = state, store, generation, report
        self._samples: list[Chunk] = []

    def take(self, groups: Iterable[list[Prepared | Failure]]) -> Iterator[int]:
        """Writes what comes and yields the number of pages done so far."""
        done = 0
        for pages in self._bundles(groups):
            self._write(pages)
            done += len(pages)
            del pages  # or they would live while the next bundle is gathered
            yield done

    def check(self) -> None:
        """Asks for a few of the chunks that this run wrote. Raises Unsure when one is not found: then the server lost it."""
        for chunk in self._samples[:SAMPLES]:
            if not self._holds(chunk):
                raise Unsure(f"chunk {chunk.id} of page {chunk.metadata.title!r} was acknowledged and is not found")

    def _bundles(self, groups: Iterable[list[Prepared | Failure]]) -> Iterator[list[Prepared]]:
        bundle: list[Prepared] = []
        for group in groups:
            for page in group:
                if isinstance(page, Failure):
                    self._fail(page.page_id, page.title, page.why)
                else:
                    bundle.append(page)
            if sum(len(page.chunks) for page in bundle) >= CHUNKS_AT_ONCE:
                yield bundle
                bundle = []
        if bundle:
            yield bundle

    def _write(self, pages: list[Prepared]) -> None:
        unsure = self.state.unsure(self.generation, [page.ref.id for page in pages])
        maybe = [chunk for page in pages if page.ref.id in unsure for chunk in page.chunks]
        chunks = [chunk for page in pages if page.ref.id not in unsure for chunk in page.chunks] + self._absent(maybe)
        self.state.note_writing(self.generation, pages)
        refused: dict[str, str] = {}
        try:
            self._write_once(chunks)
        except Rejected as refusal:
            refused = _refused_pages(refusal, pages)
        self.state.note_done(self.generation, [page.ref.id for page in pages if page.ref.id not in refused])
        for page in pages:
            if page.ref.id in refused:
                self._fail(page.ref.id, page.ref.title, refused[page.ref.id])
            note_degraded(self.report, page)
        self.report.chunks.written += len(chunks)
        self._samples += [chunk for page in pages[:1] + pages[-1:] if page.ref.id not in refused for chunk in page.chunks[:1]]

    def _write_once(self, chunks: Sequence[Chunk]) -> None:
        """A write whose answer was lost is looked up, and only what is not there is written again."""
        try:
            self.store.write(chunks)
        except (ServerFailed, BadAnswer):
            self.store.write(self._absent(chunks))

    def _absent(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        try:
            return [chunk for chunk in chunks if not self._holds(chunk)]
        except RemoteError as error:
            raise Unsure(f"the server took chunks and cannot be asked for them: {error}", error.status) from error

    def _holds(self, chunk: Chunk) -> bool:
        """By a part of its text: servers that divide by the distance answer 400 to a query that equals a stored text."""
        excerpt = chunk.text[len(chunk.text) // 10 :][:EXCERPT]
        return chunk.id in {hit.chunk_id for hit in self.store.query(excerpt, NEAREST)}

    def _fail(self, page_id: str, title: str, why: str) -> None:
        self.state.note_failed(self.generation, page_id)
        self.report.pages.failed += 1
        self.report.failed.append(FailedPage(page_id, title, why))


def _refused_pages(refusal: Rejected, pages: Sequence[Prepared]) -> dict[str, str]:
    """Page ids with the reason, for the chunks that the store named; a refusal that names none is for the whole run."""
    named = set(refusal.chunk_ids)
    if not named:
        raise refusal
    return {page.ref.id: f"the store refuses a chunk of it: {refusal}" for page in pages if named & {chunk.id for chunk in page.chunks}}
