"""One way to ask Confluence (v2, CQL or v1): what it must answer, and the plain records that it answers with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from confluence_sync.model import PageRef, Space

RENDERED = ("export_view", "view")  # without and with the site's own scripts


@dataclass(frozen=True, slots=True)
class Record:
    """A page as one route shows it. `body`, in UTF-8, is None when the answer had none, b"" when the page is empty."""

    ref: PageRef
    status: str
    space: str  # the space's id (v2) or key (CQL, v1), whichever the route shows
    webui: str
    body: bytes | None = None
    representation: str = "storage"
    labels: tuple[str, ...] | None = None


def in_utc(raw: str) -> str:
    """A time stamp as RFC 3339 in UTC to the second, so that texts compare as times; "" for what is no time stamp."""
    if raw.endswith("Z") and len(raw) >= 20:
        return raw[:19] + "Z"
    try:
        return datetime.fromisoformat(raw).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return ""


class Route(Protocol):
    """Every method raises RemoteError; Gone, NotAllowed and NotFound make the source try the next route."""

    name: str
    scope: str  # the granular scope that a token needs here, named when it is missing
    bulk: int  # bodies a request, at most

    @property
    def site(self) -> str:
        """The reader's address of the site, once an answer has shown it."""

    def spaces(self) -> Iterator[list[Space]]: ...

    def space(self, space_id: str) -> Space:
        """Raises NotFound when this account does not see it."""

    def listing(self, space: Space, limit: int) -> Iterator[list[PageRef]]: ...

    def records(self, page_ids: Sequence[str], *, bodies: bool, every_status: bool) -> list[Record]:
        """The pages among these ids, at most `bulk`; current ones alone unless `every_status`."""

    def record(self, page_id: str, *, bodies: bool) -> Record:
        """One page in whatever status. Raises NotFound."""

    def rendered(self, page_id: str) -> Record:
        """One current page with a body as a reader sees it: the first of RENDERED that it has. Raises BadAnswer when it has none."""

    def ancestors(self, page_id: str) -> list[str]: ...

    def find(self, container_id: str) -> str:
        """The id again, where a page or folder with it is visible. Raises NotFound where none is."""
