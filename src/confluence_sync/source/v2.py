"""Confluence Cloud's REST API v2: listings of 250 without bodies, and bodies in bulk by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from confluence_sync.errors import BadAnswer, NotFound
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_object, body, child, objects, text, whole
from confluence_sync.model import PageRef, Space
from confluence_sync.source.paging import Pairs, base_of, follow, follow_large
from confluence_sync.source.route import RENDERED, Record, in_utc

API = "/wiki/api/v2"
SPACES = f"{API}/spaces"
EVERY_STATUS: Pairs = [("status", s) for s in ("current", "archived", "trashed", "deleted")]


class V2:
    """The v2 routes over one link, whose base is the gateway's or the site's."""

    name = "v2"
    scope = "read:page:confluence and read:space:confluence"
    label_scope = "read:label:confluence"
    bulk = 250

    def __init__(self, link: Link) -> None:
        self._link = link
        self.site = ""

    def spaces(self) -> Iterator[list[Space]]:
        for answer in self._follow(SPACES, [("limit", "250")]):
            yield [_space(item) for item in objects(answer, "results", "spaces")]

    def space(self, space_id: str) -> Space:
        answer = as_object(self._link.get(f"{API}/spaces/{space_id}"), "space")
        self._note(answer)
        return _space(answer)

    def listing(self, space: Space, limit: int) -> Iterator[list[PageRef]]:
        params = [("status", "current"), ("limit", str(min(limit, 250))), ("sort", "id")]
        for answer in self._follow(f"{API}/spaces/{space.id}/pages", params):
            yield [_ref(item) for item in objects(answer, "results", "pages")]

    def records(self, page_ids: Sequence[str], *, bodies: bool, every_status: bool) -> list[Record]:
        params: Pairs = [("id", i) for i in page_ids] + [("limit", "250")]
        params += EVERY_STATUS if every_status else [("status", "current")]
        params += [("body-format", "storage")] if bodies else []
        found: list[Record] = []
        for answer, records in follow_large(self._link, f"{API}/pages", params, partial(_record, form="storage" if bodies else "")):
            self._note(answer)
            found += records
        return found

    def record(self, page_id: str, *, bodies: bool) -> Record:
        params = [("body-format", "storage")] if bodies else []
        return _record(as_object(self._link.get(f"{API}/pages/{page_id}", params), "page"), "storage" if bodies else "")

    def rendered(self, page_id: str) -> Record:
        for form in RENDERED:
            answer = as_object(self._link.get(f"{API}/pages/{page_id}", [("body-format", form)]), "page")
            record = _record(answer, form)
            if record.body is not None:
                return record
        raise BadAnswer(f"page {page_id} has neither a storage format nor a rendered body")

    def ancestors(self, page_id: str) -> list[str]:
        answer = as_object(self._link.get(f"{API}/pages/{page_id}/ancestors", [("limit", "250")]), "ancestors")
        return [text(item, "id", "ancestor") for item in objects(answer, "results", "ancestors")]

    def find(self, container_id: str) -> str:
        try:
            self._link.get(f"{API}/pages/{container_id}")
        except NotFound:
            self._link.get(f"{API}/folders/{container_id}")  # needs the scope read:folder:confluence
        return container_id

    def labels(self, page_id: str) -> tuple[str, ...]:
        """The page's labels, sorted. Needs the scope read:label:confluence."""
        names: list[str] = []
        for answer in self._follow(f"{API}/pages/{page_id}/labels", [("limit", "250")]):
            names += [text(item, "name", "label") for item in objects(answer, "results", "labels")]
        return tuple(sorted(set(names)))

    def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        """Display names by account id, at most 250 ids. Needs the scope read:user:confluence."""
        answer = as_object(self._link.send("POST", f"{API}/users-bulk", payload={"accountIds": list(user_ids)}).json(), "users")
        users = objects(answer, "results", "users")
        if child(answer, "_links", "users").get("next"):
            raise BadAnswer(f"users-bulk gave {len(users)} of {len(user_ids)} users and says that more follow, which it has no way to give")
        return {text(u, "accountId", "user"): text(u, "displayName", "user", default="") for u in users}

    def _follow(self, path: str, params: Pairs) -> Iterator[JsonObject]:
        for answer in follow(self._link, path, params):
            self._note(answer)
            yield answer

    def _note(self, answer: JsonObject) -> None:
        self.site = self.site or base_of(answer, "answer")


def _space(item: JsonObject) -> Space:
    archived = text(item, "status", "space", default="current") == "archived"
    kind = text(item, "type", "space", default="global")
    return Space(text(item, "id", "space"), text(item, "key", "space"), text(item, "name", "space"), kind, archived)


def _ref(item: JsonObject) -> PageRef:
    version = child(item, "version", "page")
    return PageRef(
        text(item, "id", "page"),
        whole(version, "number", "page.version"),
        text(item, "title", "page"),
        text(item, "parentId", "page", default=""),
        in_utc(text(version, "createdAt", "page.version", default="")),
    )


def _record(item: JsonObject, form: str) -> Record:
    """The page with its body in the representation `form`; without a body when that is empty."""
    webui = text(child(item, "_links", "page"), "webui", "page", default="")
    status = text(item, "status", "page", default="current")
    held = child(child(item, "body", "page"), form, "page.body") if form else {}
    space = text(item, "spaceId", "page", default="")
    return Record(_ref(item), status, space, webui, body(held, f"page.body.{form}"), form or "storage")
