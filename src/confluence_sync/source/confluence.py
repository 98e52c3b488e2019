"""One Confluence over the routes it offers: v2 first, then CQL, then v1, each only where the one before does not serve."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from confluence_sync.errors import Gone, NotAllowed, NotFound, RemoteError
from confluence_sync.http import Link
from confluence_sync.model import Account, Page, PageRef, Presence, Scope, Space, batched
from confluence_sync.source.base import Failure
from confluence_sync.source.bodies import Bodies
from confluence_sync.source.gaps import Gaps
from confluence_sync.source.identity import whoami
from confluence_sync.source.labels import Labels
from confluence_sync.source.route import Record, Route
from confluence_sync.source.routing import Routes
from confluence_sync.source.v1 import Cql
from confluence_sync.source.v2 import V2

log = logging.getLogger(__name__)


@dataclass
class Confluence:
    """Cloud (through the gateway or at the site) or Data Center, as seen by one account.

    `user_path` answers who we are. What this account turned out not to get is in `missing()`.
    """

    id: str
    link: Link
    user_path: str
    routes: Routes
    cql: Cql
    v2: V2 | None
    _gaps: Gaps = field(default_factory=Gaps)

    def __post_init__(self) -> None:
        self._labels = Labels(self.routes, self.cql, self._gaps, self.whoami)

    @property
    def requests(self) -> int:
        return self.link.requests

    @property
    def site(self) -> str:
        return self.routes.site

    def whoami(self) -> Account:
        return whoami(self.link, self.user_path)

    def spaces(self) -> Iterator[Space]:
        for batch in self.routes.each("spaces", lambda route: route.spaces()):
            yield from batch

    def space(self, space_id: str) -> Space | None:
        try:
            return self.routes.one("a space", lambda route: route.space(space_id))
        except NotFound:
            return None

    def listing(self, space: Space, limit: int) -> Iterator[list[PageRef]]:
        yield from self.routes.each("the listing of pages", lambda route: route.listing(space, limit))

    def labelled(self, space: Space, labels: Sequence[str]) -> Iterator[list[str]]:
        yield from self.cql.labelled(space, labels)

    def labels_of_space(self, space: Space) -> Iterator[dict[str, tuple[str, ...]]]:
        yield from self.cql.labels_of_space(space)

    def refs(self, page_ids: Sequence[str]) -> list[PageRef]:
        found = []
        for some in batched(list(page_ids), 50):
            found += self.routes.one("pages by id", lambda route, ids=some: _alive(route, ids))  # type: ignore[misc]  # binds this round's ids
        return found

    def ancestors(self, page_id: str) -> list[str]:
        return self.routes.one("the pages above a page", lambda route: route.ancestors(page_id))

    def exists(self, container_id: str) -> bool:
        try:
            self.routes.one("a folder", lambda route: route.find(container_id))
        except NotFound:
            return False
        return True

    def pages(self, refs: Sequence[PageRef], space: Space) -> list[Page | Failure]:
        read = Bodies(self.routes)
        beside = ThreadPoolExecutor(1, "labels")
        try:
            asked = beside.submit(self._labels.beside, [ref.id for ref in refs])
            read.read(list(refs))
            found = self._labels.renewed(asked.result(), read.changed(refs))
            labels = self._labels.of([i for i, record in read.records.items() if record.labels is None], found)
        finally:
            beside.shutdown(wait=False, cancel_futures=True)
        return [read.failures.get(ref.id) or self._page(ref, read.records.get(ref.id), space, labels) for ref in refs]

    def presence(self, page_ids: Sequence[str], scope: Scope) -> dict[str, Presence]:
        answers: dict[str, Presence] = {}
        for some in batched(list(page_ids), 250):
            answers |= self._present_in_bulk(some, scope)
        for page_id in page_ids:
            if page_id not in answers:
                answers[page_id] = self._present_alone(page_id, scope)
        return answers

    def names(self, user_ids: Sequence[str]) -> dict[str, str] | None:
        if not user_ids or self.v2 is None:
            return {}
        if "names" in self._gaps:
            return None
        try:
            return self.v2.names(user_ids)
        except (Gone, NotAllowed, NotFound) as error:
            self.whoami()  # raises when it is the token that ended
            self._gaps.leave_out("names", f"names of mentioned users are left out: {error} (scope read:user:confluence)")
        except RemoteError as error:
            self._gaps.leave_out("names", f"names of mentioned users are left out until the next run: {error}")
        return None

    def close(self) -> None:
        self.link.close()

    def labels(self, page_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return self._labels.of(page_ids)

    def missing(self) -> list[str]:
        """One line for each question that this account did not get answered in the best way, with the scope that it lacks."""
        return [*self.routes.refusals(), *self._gaps.reasons.values()]

    def _page(self, ref: PageRef, record: Record | None, space: Space, labels: dict[str, tuple[str, ...]]) -> Page | Failure:
        if record is None:
            return Failure(ref.id, ref.title, "it was in the listing, but asking for it by id did not return it")
        known = record.labels if record.labels is not None else labels.get(ref.id)
        if known is None and self.v2 and "v2 labels" not in self._gaps:
            return Failure(ref.id, ref.title, "its body came and its labels did not: it went, or its space closed, while it was read")
        url = f"{self.routes.site}{record.webui or f'/spaces/{space.key}/pages/{ref.id}'}"
        return Page(
            ref=PageRef(ref.id, record.ref.version, record.ref.title, ref.parent_id, record.ref.updated_at),
            source=self.id,
            space_key=space.key,
            space_name=space.name,
            site=self.routes.site,
            url=url,
            utf8=record.body or b"",
            representation=record.representation,
            labels=known or (),
            updated_at=record.ref.updated_at,
            labels_known=known is not None,
        )

    # what became of a page

    def _present_in_bulk(self, page_ids: list[str], scope: Scope) -> dict[str, Presence]:
        if self.v2 is None:
            return {}
        try:
            found = self.v2.records(page_ids, bodies=False, every_status=True)
        except RemoteError as error:
            log.info("asking for missing pages one by one: %s", error)
            return {}
        return {record.ref.id: self._judged(record, scope) for record in found}

    def _present_alone(self, page_id: str, scope: Scope) -> Presence:
        """404 means "not visible" only where the route could have shown the page; any other trouble means that nothing is known."""
        try:
            record = self.routes.one("one page", lambda route: route.record(page_id, bodies=False))
        except RemoteError as error:
            told = isinstance(error, NotFound) and error.by_service
            return Presence.INVISIBLE if told else _unknown(page_id, error)
        return self._judged(record, scope)

    def _judged(self, record: Record, scope: Scope) -> Presence:
        try:
            return self._judge(record, scope)
        except RemoteError as error:
            return _unknown(record.ref.id, error)

    def _judge(self, record: Record, scope: Scope) -> Presence:
        if record.status in ("trashed", "deleted"):
            return Presence.TRASHED
        if record.status == "archived":
            return Presence.ARCHIVED
        if record.status != "current":
            return Presence.UNKNOWN
        if record.space and record.space not in (scope.space.id, scope.space.key):
            return Presence.MOVED
        return Presence.OUT_OF_SCOPE if self._out_of_scope(record.ref.id, scope) else Presence.CURRENT

    def _out_of_scope(self, page_id: str, scope: Scope) -> bool:
        """Asked of the page itself: its own labels and its own ancestors."""
        if scope.folder_id and scope.folder_id not in self.ancestors(page_id):
            return True
        return bool(scope.labels) and not set(scope.labels) & set(self.labels([page_id]).get(page_id, scope.labels))


def _unknown(page_id: str, error: RemoteError) -> Presence:
    log.warning("page %s is kept, because what became of it could not be told: %s", page_id, error)
    return Presence.UNKNOWN


def _alive(route: Route, page_ids: Sequence[str]) -> list[PageRef]:
    found = []
    for some in batched(list(page_ids), route.bulk):
        found += [r.ref for r in route.records(some, bodies=False, every_status=False) if r.status == "current"]
    return found
