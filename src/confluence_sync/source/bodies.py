"""Reads the bodies of one batch of pages: in bulk, in halves where a request is too much for the server, rendered where nothing else is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from confluence_sync.errors import BadAnswer, RemoteError, ServerFailed, TooLarge
from confluence_sync.model import PageRef, batched
from confluence_sync.source.base import Failure
from confluence_sync.source.route import Record
from confluence_sync.source.routing import Routes

log = logging.getLogger(__name__)

HOPELESS = 5  # pages that fail in a row, each asked for alone: then it is the server that fails, not a page


@dataclass
class Bodies:
    """What was read of one batch: a record or a failure for each page, by id; a page in neither was not returned."""

    routes: Routes
    records: dict[str, Record] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    _lost_in_a_row: int = 0

    def read(self, refs: list[PageRef]) -> None:
        """Raises RemoteError when the server cannot be reached, or fails on one page after the other."""
        self._read(refs)
        for page_id in [i for i, record in self.records.items() if record.body is None]:
            self._read_rendered(page_id)

    def changed(self, refs: Sequence[PageRef]) -> list[str]:
        """Pages that were read in another version than was listed."""
        return [ref.id for ref in refs if ref.id in self.records and self.records[ref.id].ref.version != ref.version]

    def _read(self, refs: list[PageRef]) -> None:
        try:
            for some in batched([ref.id for ref in refs], self.routes.bulk("bodies")):
                found = self.routes.one("bodies", lambda route, ids=some: route.records(ids, bodies=True, every_status=False))  # type: ignore[misc]  # binds this round's ids
                self.records.update((record.ref.id, record) for record in found)
                self._lost_in_a_row = 0
        except (ServerFailed, TooLarge, BadAnswer) as error:
            self._read_less(refs, error)

    def _read_less(self, refs: list[PageRef], error: RemoteError) -> None:
        """Asks for two halves, down to the one page that breaks the server. What was never sent would not get there in halves either."""
        if not error.sent:
            raise error
        if len(refs) == 1:
            self._lose(refs[0], error)
            return
        log.info("asking for half as many pages: %s", error)
        middle = len(refs) // 2
        for half in (refs[:middle], refs[middle:]):
            rest = [ref for ref in half if ref.id not in self.records]
            if rest:
                self._read(rest)

    def _lose(self, ref: PageRef, error: RemoteError) -> None:
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= HOPELESS:
            raise error
        self.failures[ref.id] = Failure(ref.id, ref.title, str(error))

    def _read_rendered(self, page_id: str) -> None:
        """Some pages have no storage format (old imports, other editors): they are asked for as a reader sees them."""
        record = self.records[page_id]
        try:
            self.records[page_id] = self.routes.one("rendered pages", lambda route: route.rendered(page_id))
        except RemoteError as error:
            self.failures[page_id] = Failure(
                page_id, record.ref.title, f"the answer holds no body for it, and asking for it alone: {error}"
            )
