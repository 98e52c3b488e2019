"""One Confluence over the routes it offers: v2 first, then CQL, then v1, each only where the one before does not serve."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from confluence_sync.errors import BadAnswer, ConfluenceSyncError, Gone, NotAllowed, NotFound, RemoteError, ServerFailed, TooLarge
from confluence_sync.http import Link
from confluence_sync.model import Account, Page, PageRef, Presence, Scope, Space, batched
from confluence_sync.source.base import Failure
from confluence_sync.source.identity import whoami
from confluence_sync.source.route import Record, Route
from confluence_sync.source.v1 import Cql
from confluence_sync.source.v2 import V2

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass
class Confluence:
    """Cloud (through the gateway or at the site) or Data Center, as seen by one account.

    `routes` are in order of preference. `user_path` answers who we are. `site` is the reader's address, with /wiki on Cloud.
    """

    id: str
    link: Link
    site: str
    user_path: str
    routes: tuple[Route, ...]
    cql: Cql
    v2: V2 | None
    _proven: set[str] = field(default_factory=set)
    _refused: dict[tuple[str, str], RemoteError] = field(default_factory=dict)
    _mute: set[str] = field(default_factory=set)

    @property
    def requests(self) -> int:
        return self.link.requests

    def whoami(self) -> Account:
        return whoami(self.link, self.user_path)

    def spaces(self) -> Iterator[Space]:
        for batch in self._each("spaces", lambda route: route.spaces()):
            yield from batch

    def space(self, space_id: str) -> Space | None:
        try:
            return self._one("a space", lambda route: route.space(space_id))
        except NotFound:
            return None

    def listing(self, space: Space, limit: int) -> Iterator[list[PageRef]]:
        yield from self._each("the listing of pages", lambda route: route.listing(space, limit))

    def labelled(self, space: Space, labels: Sequence[str]) -> Iterator[list[str]]:
        yield from self.cql.labelled(space, labels)

    def labels_of_space(self, space: Space) -> Iterator[dict[str, tuple[str, ...]]]:
        yield from self.cql.labels_of_space(space)

    def refs(self, page_ids: Sequence[str]) -> list[PageRef]:
        found = []
        for some in batched(list(page_ids), 50):
            found += self._one("pages by id", lambda route, ids=some: _alive(route, ids))  # type: ignore[misc]  # binds this round's ids
        return found

    def ancestors(self, page_id: str) -> list[str]:
        return self._one("the pages above a page", lambda route: route.ancestors(page_id))

    def pages(self, refs: Sequence[PageRef], space: Space) -> list[Page | Failure]:
        records: dict[str, Record] = {}
        failures: dict[str, Failure] = {}
        self._bodies(list(refs), records, failures)
        labels = self._labels([r.id for r in refs if r.id in records])
        return [failures.get(ref.id) or self._page(ref, records.get(ref.id), space, labels) for ref in refs]

    def presence(self, page_ids: Sequence[str], scope: Scope) -> dict[str, Presence]:
        answers: dict[str, Presence] = {}
        for some in batched(list(page_ids), 250):
            answers |= self._present_in_bulk(some, scope)
        for page_id in page_ids:
            if page_id not in answers:
                answers[page_id] = self._present_alone(page_id, scope)
        return answers

    def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        if not user_ids or self.v2 is None or "names" in self._mute:
            return {}
        try:
            return self.v2.names(user_ids)
        except RemoteError as error:
            self._mute.add("names")
            log.info("names of mentioned users are left out: %s", error)
            return {}

    def close(self) -> None:
        self.link.close()

    # which route serves

    def _one(self, what: str, ask: Callable[[Route], T]) -> T:
        return next(self._each(what, lambda route: iter([ask(route)])))

    def _each(self, what: str, ask: Callable[[Route], Iterator[T]]) -> Iterator[T]:
        """What the first serving route answers. A route that fails after its first answer is not replaced: half a listing is none."""
        for route in self.routes:
            if (what, route.name) in self._refused:
                continue
            answers = ask(route)
            try:
                first = next(answers, None)
            except (Gone, NotAllowed, NotFound) as error:
                self._refuse(what, route, error)
                continue
            self._proven |= {route.name, f"{what} {route.name}"}
            self.site = self.site or route.site
            if first is not None:
                yield first
                yield from answers
            return
        raise self._nothing_serves(what)

    def _refuse(self, what: str, route: Route, error: RemoteError) -> None:
        """Notes that a route does not serve, unless it served before: then the trouble is the page's or the token's, and it is raised."""
        if not isinstance(error, Gone) and f"{what} {route.name}" in self._proven:
            raise error
        if isinstance(error, NotFound) and route.name in self._proven:
            raise error
        self._refused[(what, route.name)] = error
        log.warning("%s: %s is not served by %s (%s)%s", self.id, what, route.name, error, self._hint(route, error))

    def _hint(self, route: Route, error: RemoteError) -> str:
        return f"; the token lacks a scope, probably {route.scope}" if error.status in (401, 403) else ""

    def _nothing_serves(self, what: str) -> RemoteError:
        tried = "; ".join(f"{r.name}: {self._refused[(what, r.name)]}{self._hint(r, self._refused[(what, r.name)])}" for r in self.routes)
        last = self._refused[(what, self.routes[0].name)]
        return type(last)(f"Confluence does not give {what} by any route. {tried}", last.status)

    # bodies and labels

    def _bodies(self, refs: list[PageRef], records: dict[str, Record], failures: dict[str, Failure]) -> None:
        """Reads bodies in bulk; a request that is too much for the server is halved, down to the one page that breaks it."""
        try:
            for some in batched([ref.id for ref in refs], self._bulk()):
                found = self._one("bodies", lambda route, ids=some: route.records(ids, bodies=True, every_status=False))  # type: ignore[misc]  # binds this round's ids
                records.update((record.ref.id, record) for record in found)
        except (ServerFailed, TooLarge, BadAnswer) as error:
            if len(refs) == 1:
                failures[refs[0].id] = Failure(refs[0].id, refs[0].title, str(error))
                return
            log.info("asking for half as many pages: %s", error)
            middle = len(refs) // 2
            for half in (refs[:middle], refs[middle:]):
                self._bodies([ref for ref in half if ref.id not in records], records, failures)

    def _bulk(self) -> int:
        serving = [route.bulk for route in self.routes if ("bodies", route.name) not in self._refused]
        return serving[0] if serving else 1

    def _labels(self, page_ids: list[str]) -> dict[str, tuple[str, ...]]:
        """Labels by page id. What CQL's index does not show yet is asked for one by one; without permission there are none."""
        if not page_ids or "labels" in self._mute:
            return {}
        try:
            found = self.cql.labels(page_ids) if "CQL labels" not in self._mute else {}
        except (Gone, NotAllowed) as error:
            self._mute.add("CQL labels")
            log.warning("labels cost a request a page, because search does not serve them: %s", error)
            found = {}
        return found | self._labels_one_by_one([i for i in page_ids if i not in found])

    def _labels_one_by_one(self, page_ids: list[str]) -> dict[str, tuple[str, ...]]:
        if self.v2 is None:
            return {}
        found: dict[str, tuple[str, ...]] = {}
        for page_id in page_ids:
            try:
                found[page_id] = self.v2.labels(page_id)
            except NotFound:
                found[page_id] = ()
            except (Gone, NotAllowed) as error:
                self._mute.add("labels")
                log.warning("labels are left out: %s (scope read:label:confluence)", error)
                return found
        return found

    def _page(self, ref: PageRef, record: Record | None, space: Space, labels: dict[str, tuple[str, ...]]) -> Page | Failure:
        if record is None:
            return Failure(ref.id, ref.title, "it was in the listing, but asking for it by id did not return it")
        if record.body is None:
            return Failure(ref.id, ref.title, "the answer holds no body for it")
        known = record.labels if record.labels is not None else labels.get(ref.id, ())
        url = f"{self.site}{record.webui or f'/spaces/{space.key}/pages/{ref.id}'}"
        return Page(
            ref=PageRef(ref.id, record.ref.version, record.ref.title, ref.parent_id, record.ref.updated_at),
            source=self.id,
            space_key=space.key,
            space_name=space.name,
            site=self.site,
            url=url,
            body=record.body,
            representation=record.representation,
            labels=known,
            updated_at=record.ref.updated_at,
        )

    # what became of a page

    def _present_in_bulk(self, page_ids: list[str], scope: Scope) -> dict[str, Presence]:
        if self.v2 is None:
            return {}
        try:
            found = self.v2.records(page_ids, bodies=False, every_status=True)
        except ConfluenceSyncError as error:
            log.info("asking for missing pages one by one: %s", error)
            return {}
        return {record.ref.id: self._judge(record, scope) for record in found}

    def _present_alone(self, page_id: str, scope: Scope) -> Presence:
        """404 means "not visible" only where the route could have shown the page; any other trouble means that nothing is known."""
        try:
            return self._judge(self._one("one page", lambda route: route.record(page_id, bodies=False)), scope)
        except NotFound:
            return Presence.INVISIBLE
        except RemoteError as error:
            log.warning("page %s is kept, because what became of it could not be told: %s", page_id, error)
            return Presence.UNKNOWN

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
        return bool(scope.labels) and not set(scope.labels) & set(self._labels([page_id]).get(page_id, scope.labels))


def _alive(route: Route, page_ids: Sequence[str]) -> list[PageRef]:
    found = []
    for some in batched(list(page_ids), route.bulk):
        found += [r.ref for r in route.records(some, bodies=False, every_status=False) if r.status == "current"]
    return found
