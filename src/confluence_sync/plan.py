"""What a run would do, as a value: counted, printable and refusable before anything is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from confluence_sync.errors import Refused


class Kind(StrEnum):
    """What is to happen to one page."""

    CREATE = "create"
    UPDATE = "update"
    RETAG = "retag"
    DELETE = "delete"
    DEFER = "defer"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this run asks for beyond the scope: single pages or a first few make a listing partial."""

    page_ids: tuple[str, ...] = ()
    limit: int = 0
    since_hours: int = 0
    refresh_labels: bool = False
    rebuild: bool = False

    @property
    def partial(self) -> bool:
        return bool(self.page_ids or self.limit)


@dataclass(frozen=True, slots=True)
class Step:
    """One page and why something is to happen to it, in words for a person."""

    kind: Kind
    page_id: str
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts by kind; the steps themselves stay in the state and are read in order of page id.

    `complete` is whether the listing ended as a whole one: without that nothing is ever deleted. `known` is how many pages the state
    held before, `keep` how many of them need nothing.
    """

    scope: str
    described: str
    complete: bool
    listed: int
    known: int
    keep: int
    counts: dict[Kind, int] = field(default_factory=dict)

    def count(self, kind: Kind) -> int:
        return self.counts.get(kind, 0)

    @property
    def fetches(self) -> int:
        """How many pages must be read with their bodies."""
        return self.count(Kind.CREATE) + self.count(Kind.UPDATE) + self.count(Kind.RETAG)

    @property
    def empty(self) -> bool:
        return self.fetches == 0 and self.count(Kind.DELETE) == 0


FREE_DELETES = 10  # fewer than this many pages may always go
SHARE = 0.10  # beyond them, at most this share of what the collection holds
SMALL = 3  # of more than this many pages, never more than half


def ceiling(known: int) -> int:
    """How many pages of `known` may be deleted without being asked: not more than 10 and 10 %, nor more than half of more than 3."""
    allowed = max(FREE_DELETES, int(known * SHARE))
    return min(allowed, known // 2) if known > SMALL else allowed


def refuse_mass_deletion(plan: Plan, max_deletes: int) -> None:
    """Raises Refused when a plan would delete more than it may. `max_deletes` raises the ceiling; -1 leaves it as it is."""
    wanted = plan.count(Kind.DELETE)
    if wanted == 0:
        return
    if plan.listed == 0:
        raise Refused(
            f"{plan.described}: the listing is empty but {plan.known} pages are stored; nothing is deleted on an empty listing. "
            "Check the account's permission; if the space really is empty, drop the collection by hand"
        )
    allowed = max(ceiling(plan.known), max_deletes)
    if wanted > allowed:
        raise Refused(
            f"{plan.described}: {wanted} of {plan.known} stored pages are missing from the listing, more than the {allowed} that may go "
            f"unasked; nothing was deleted. If that is right, run again with --max-deletes {wanted}"
        )
