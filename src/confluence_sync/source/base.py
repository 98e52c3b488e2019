"""What a run needs from Confluence, whatever its edition and API version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from confluence_sync.model import Account, Page, PageRef, Presence, Scope, Space


@dataclass(frozen=True, slots=True)
class Failure:
    """A page that could not be read, and why; its old chunks stay."""

    page_id: str
    title: str
    why: str


class Source(Protocol):
    """One Confluence, seen by one account. Thread-safe; every method raises RemoteError or CredentialsError.

    `id` names the Confluence for good: it goes into chunk ids. `requests` counts what was sent.
    """

    id: str

    @property
    def requests(self) -> int: ...

    @property
    def site(self) -> str:
        """The reader's address, which begins every link that is stored; "" until an answer has shown it."""

    def whoami(self) -> Account:
        """The account the token belongs to. Raises CredentialsError, which says what to do, when it is nobody's."""

    def spaces(self) -> Iterator[Space]:
        """Every visible space, archived ones too."""

    def space(self, space_id: str) -> Space | None:
        """The space with this id, or None when this account does not see it."""

    def listing(self, space: Space, limit: int) -> Iterator[list[PageRef]]:
        """The current pages of a space, one list a request of at most `limit`.

        Ends only when the server says that nothing follows; whatever else happens raises, so an exhausted iterator is a whole listing.
        """

    def labelled(self, space: Space, labels: Sequence[str]) -> Iterator[list[str]]:
        """Ids of the pages that carry one of the labels, one list a request; ends as listing() does."""

    def labels(self, page_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Labels by page id, for at most BULK pages; what this account is not given is missing. Never raises for that."""

    def labels_of_space(self, space: Space) -> Iterator[dict[str, tuple[str, ...]]]:
        """Labels of every page of a space by page id, one mapping a request; ends as listing() does."""

    def refs(self, page_ids: Sequence[str]) -> list[PageRef]:
        """The current pages among these ids, whatever their space."""

    def ancestors(self, page_id: str) -> list[str]:
        """Ids of the pages and folders above a page, nearest last."""

    def exists(self, container_id: str) -> bool:
        """Whether this account sees a page or folder with this id."""

    def pages(self, refs: Sequence[PageRef], space: Space) -> list[Page | Failure]:
        """The pages with bodies and labels, in any order, one answer for each ref; at most BULK refs."""

    def presence(self, page_ids: Sequence[str], scope: Scope) -> dict[str, Presence]:
        """What became of pages that a whole listing of the scope did not show, each by its own id."""

    def names(self, user_ids: Sequence[str]) -> dict[str, str] | None:
        """Display names of mentioned users, as far as they have any; None where none are given, now or ever."""

    def close(self) -> None: ...


BULK = 200  # pages a request: bodies could come 250 at a time, but labels (CQL) come 200 at most, and one size serves both
