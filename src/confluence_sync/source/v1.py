"""Confluence's REST API v1: CQL search, which outlives the rest on Cloud, and the content routes, which Data Center needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from confluence_sync.errors import BadAnswer, Gone, NotAllowed, NotFound, Rejected
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, taken, text
from confluence_sync.model import PageRef, Space
from confluence_sync.source.paging import Pairs, base_of, follow
from confluence_sync.source.route import Record
from confluence_sync.source.v1_shapes import ancestors_of, labels_of, record_of, ref_of, rendered_of, space_of

PLAIN = "version,space"
LISTED = "version,space,ancestors"
WITH_BODY = "version,space,body.storage,metadata.labels"
WITH_RENDERED = "version,space,body.export_view,body.view,metadata.labels"


def quoted(value: str) -> str:
    """A value as a CQL string literal: personal space keys (~...) and names with spaces or quotes need it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Cql:
    """`content/search` and `search`: on Cloud the way that survives when the content routes answer 410."""

    name = "CQL"
    scope = "search:confluence (classic) or read:content-details:confluence"
    bulk = 50  # the server's cap where bodies are expanded

    def __init__(self, link: Link, api: str) -> None:
        self._link = link
        self._api = api
        self.site = ""

    def spaces(self) -> Iterator[list[Space]]:
        params = [("cql", "type=space"), ("limit", "200"), ("includeArchivedSpaces", "true")]
        for answer in self._follow(f"{self._api}/search", params):
            yield [space_of(child(item, "space", "search")) for item in objects(answer, "results", "search")]

    def space(self, space_id: str) -> Space:
        for batch in self.spaces():
            for space in batch:
                if space.id == space_id:
                    return space
        raise NotFound(f"CQL shows no space with id {space_id}", 404)

    def listing(self, space: Space, limit: int) -> Iterator[list[PageRef]]:
        cql = f"space={quoted(space.key)} and type=page order by id"
        yield from self._refs(cql, limit, LISTED)

    def labelled(self, space: Space, labels: Sequence[str]) -> Iterator[list[str]]:
        """Ids of the pages of a space with one of the labels, one list a request."""
        cql = f"space={quoted(space.key)} and type=page and label in ({', '.join(map(quoted, labels))})"
        for refs in self._refs(cql, 200, "version"):
            yield [ref.id for ref in refs]

    def labels_of_space(self, space: Space) -> Iterator[dict[str, tuple[str, ...]]]:
        """Labels of every page of a space by page id, one mapping a request."""
        params = [("cql", f"space={quoted(space.key)} and type=page order by id"), ("expand", "metadata.labels"), ("limit", "200")]
        for answer in self._follow(f"{self._api}/content/search", params):
            yield {text(item, "id", "page"): labels_of(item) for item in objects(answer, "results", "search")}

    def labels(self, page_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Labels by page id for at most 200 pages; a page that the search index does not show yet is missing."""
        params = [("cql", f"id in ({','.join(page_ids)})"), ("expand", "metadata.labels"), ("limit", "200")]
        found: dict[str, tuple[str, ...]] = {}
        for answer in self._follow(f"{self._api}/content/search", params):
            found.update((text(item, "id", "page"), labels_of(item)) for item in objects(answer, "results", "search"))
        return found

    def records(self, page_ids: Sequence[str], *, bodies: bool, every_status: bool) -> list[Record]:
        params = [("cql", f"type=page and id in ({','.join(page_ids)})"), ("expand", WITH_BODY if bodies else PLAIN)]
        found = []
        for answer in self._follow(f"{self._api}/content/search", [*params, ("limit", str(self.bulk if bodies else 200))]):
            found += [record_of(item, bodies) for item in taken(answer, "results", "search")]
        return found

    def record(self, page_id: str, *, bodies: bool) -> Record:
        """CQL finds current pages only, so what it does not find is not proof of anything."""
        found = self.records([page_id], bodies=bodies, every_status=False)
        if not found:
            raise BadAnswer(f"search does not show page {page_id}, which proves nothing: the index may lag")
        return found[0]

    def rendered(self, page_id: str) -> Record:
        params = [("cql", f"type=page and id={page_id}"), ("expand", WITH_RENDERED)]
        answer = as_object(self._link.get(f"{self._api}/content/search", params), "search")
        return rendered_of(page_id, objects(answer, "results", "search"))

    def ancestors(self, page_id: str) -> list[str]:
        params = [("cql", f"id={page_id}"), ("expand", "ancestors")]
        answer = as_object(self._link.get(f"{self._api}/content/search", params), "search")
        return [a for item in objects(answer, "results", "search") for a in ancestors_of(item)]

    def find(self, container_id: str) -> str:
        answer = as_object(self._link.get(f"{self._api}/content/search", [("cql", f"id={container_id}")]), "search")
        if not objects(answer, "results", "search"):
            raise NotFound(f"search shows nothing with id {container_id}", 404)
        return container_id

    def _refs(self, cql: str, limit: int, expand: str) -> Iterator[list[PageRef]]:
        params = [("cql", cql), ("expand", expand), ("limit", str(min(limit, 200)))]
        for answer in self._follow(f"{self._api}/content/search", params):
            yield [ref_of(item) for item in objects(answer, "results", "search")]

    def _follow(self, path: str, params: Pairs) -> Iterator[JsonObject]:
        for answer in follow(self._link, path, params):
            self.site = self.site or base_of(answer, path)
            yield answer


class V1:
    """The content and space routes: gone from Atlassian's gateway, alive on Data Center."""

    name = "v1"
    scope = "read:confluence-content.all and read:confluence-space.summary"
    label_scope = "read:confluence-content.all"
    bulk = 1

    def __init__(self, link: Link, api: str) -> None:
        self._link = link
        self._api = api
        self.site = ""

    def spaces(self) -> Iterator[list[Space]]:
        seen: set[str] = set()
        for answer in self._follow(f"{self._api}/space", [("limit", "100")]):
            spaces = [space_of(item) for item in objects(answer, "results", "space")]
            yield [s for s in spaces if s.id not in seen]
            seen.update(s.id for s in spaces)

    def space(self, space_id: str) -> Space:
        for batch in self.spaces():
            for space in batch:
                if space.id == space_id:
                    return space
        raise NotFound(f"no visible space has id {space_id}", 404)

    def listing(self, space: Space, limit: int) -> Iterator[list[PageRef]]:
        params = [("spaceKey", space.key), ("type", "page"), ("status", "current"), ("expand", LISTED), ("limit", str(min(limit, 200)))]
        for answer in self._follow(f"{self._api}/content", params):
            yield [ref_of(item) for item in objects(answer, "results", "content")]

    def records(self, page_ids: Sequence[str], *, bodies: bool, every_status: bool) -> list[Record]:
        found = [self._found(page_id, bodies) for page_id in page_ids]
        return [record for record in found if record and (every_status or record.status == "current")]

    def _found(self, page_id: str, bodies: bool) -> Record | None:
        try:
            return self.record(page_id, bodies=bodies)
        except NotFound:
            return None

    def record(self, page_id: str, *, bodies: bool) -> Record:
        params = [("status", "any"), ("expand", WITH_BODY if bodies else PLAIN)]
        return record_of(as_object(self._link.get(f"{self._api}/content/{page_id}", params), "content"), bodies)

    def labels(self, page_id: str) -> tuple[str, ...]:
        """The page's labels, sorted. Raises NotFound."""
        params = [("status", "any"), ("expand", "metadata.labels")]
        return labels_of(as_object(self._link.get(f"{self._api}/content/{page_id}", params), "content"))

    def rendered(self, page_id: str) -> Record:
        answer = self._link.get(f"{self._api}/content/{page_id}", [("expand", WITH_RENDERED)])
        return rendered_of(page_id, [as_object(answer, "content")])

    def ancestors(self, page_id: str) -> list[str]:
        item = as_object(self._link.get(f"{self._api}/content/{page_id}", [("expand", "ancestors")]), "content")
        return ancestors_of(item)

    def find(self, container_id: str) -> str:
        self._link.get(f"{self._api}/content/{container_id}")
        return container_id

    def _follow(self, path: str, params: Pairs) -> Iterator[JsonObject]:
        for answer in follow(self._link, path, params):
            self.site = self.site or base_of(answer, path)
            yield answer


class DataCenter(V1):
    """The same on Data Center, with bodies 50 at a time through search; what its index does not show yet comes page by page."""

    bulk = Cql.bulk

    def __init__(self, link: Link, api: str) -> None:
        super().__init__(link, api)
        self._search = Cql(link, api)

    def records(self, page_ids: Sequence[str], *, bodies: bool, every_status: bool) -> list[Record]:
        found = [] if every_status else self._searched(page_ids, bodies)
        shown = {record.ref.id for record in found}
        rest = [page_id for page_id in page_ids if page_id not in shown]
        return found + super().records(rest, bodies=bodies, every_status=every_status)

    def _searched(self, page_ids: Sequence[str], bodies: bool) -> list[Record]:
        try:
            return self._search.records(page_ids, bodies=bodies, every_status=False)
        except (Gone, NotAllowed, NotFound, Rejected):
            return []
