"""What a run did, counted; the JSON of `sync --report` and the lines that a person reads."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar


@dataclass
class PageCounts:
    listed: int = 0
    new: int = 0
    changed: int = 0
    retagged: int = 0
    unchanged: int = 0
    deleted: int = 0
    deferred: int = 0
    failed: int = 0


@dataclass
class ChunkCounts:
    written: int = 0
    retagged: int = 0
    deleted: int = 0
    kept: int = 0


@dataclass
class Held:
    """Something that was not done because it could not be proven right; `space` is a key."""

    space: str
    why: str
    page_ids: list[str] = field(default_factory=list)
    count: int = 0


@dataclass
class FailedPage:
    page_id: str
    title: str
    why: str


@dataclass
class WrittenPage:
    """A page that was brought up to date; `how` is new, changed or retagged."""

    page_id: str
    title: str
    how: str


@dataclass
class Quality:
    """What the golden questions found after a run: shares of all questions, 0 to 1. `fell` is whether that is less than `least`."""

    questions: int
    hit1: float
    hit5: float
    mrr: float
    least: float
    fell: bool
    missed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = f"golden questions: {self.hit5:.0%} of {self.questions} find their page"
        return f"{found}, which must be {self.least:.0%}" if self.fell else found


NAMED_AT_MOST = 200  # so that a report of 100,000 pages stays readable, and small in memory


@dataclass
class SpaceReport:
    """One space of a run. `error` says why the space as a whole did not go in; `written_pages` names the first of them."""

    key: str
    name: str
    listing_complete: bool = False
    pages: PageCounts = field(default_factory=PageCounts)
    chunks: ChunkCounts = field(default_factory=ChunkCounts)
    failed: list[FailedPage] = field(default_factory=list)
    degraded: Counter[str] = field(default_factory=Counter)
    degraded_pages: dict[str, dict[str, int]] = field(default_factory=dict)
    deleted_pages: dict[str, str] = field(default_factory=dict)
    written_pages: list[WrittenPage] = field(default_factory=list)
    error: str = ""
    error_exit: int = 0
    cut_short: bool = False  # --max-minutes ended it


@dataclass
class Report:
    """One run. `exit` is the process's exit code, `oldest_unsynced` the time of the oldest change that is not in the store."""

    started: str = ""
    seconds: float = 0.0
    exit: int = 0
    store: str = ""
    collection: str = ""
    live_collection: str = ""
    source: str = ""
    recipe: str = ""
    search: str = ""
    requests: dict[str, int] = field(default_factory=lambda: {"confluence": 0, "store": 0})
    held: list[Held] = field(default_factory=list)
    spaces: list[SpaceReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    oldest_unsynced: str = ""
    error: str = ""
    quality: Quality | None = None

    @property
    def pages(self) -> PageCounts:
        return _summed(PageCounts(), [space.pages for space in self.spaces])

    @property
    def chunks(self) -> ChunkCounts:
        return _summed(ChunkCounts(), [space.chunks for space in self.spaces])

    @property
    def listing_complete(self) -> bool:
        return bool(self.spaces) and all(space.listing_complete for space in self.spaces)

    def as_json(self) -> str:
        whole = asdict(replace(self, spaces=[])) | {
            "pages": asdict(self.pages),
            "chunks": asdict(self.chunks),
            "listing_complete": self.listing_complete,
            "seconds": round(self.seconds, 3),
            "spaces": [asdict(space) | {"degraded": dict(space.degraded)} for space in self.spaces],  # asdict breaks a Counter
        }
        return json.dumps(whole, ensure_ascii=False)

    def summary(self) -> str:
        """One line for a log and for the termination message."""
        p, c = self.pages, self.chunks
        done = f"{p.listed} pages: {p.new} new, {p.changed} changed, {p.retagged} retagged, {p.unchanged} unchanged, {p.deleted} deleted"
        rest = [f"{n} {name}" for n, name in ((p.deferred, "deferred"), (p.failed, "failed")) if n]
        written = f"{c.written} chunks written, {c.retagged} retagged, {c.deleted} deleted, {c.kept} kept"
        held = [f"{len(self.held)} held: {self.held[0].why}"] if self.held else []
        trouble = [self.error] if self.error else []
        quality = [str(self.quality)] if self.quality else []
        took = f"{self.requests['confluence']} requests, {self.seconds:.1f} s, exit {self.exit}"
        return "; ".join([", ".join([done, *rest]), written, *held, *quality, *trouble, took])


T = TypeVar("T", PageCounts, ChunkCounts)


def _summed(total: T, parts: list[T]) -> T:
    for part in parts:
        for name, value in asdict(part).items():
            setattr(total, name, getattr(total, name) + value)
    return total
