"""How fresh the collection is: the last runs, what they counted, the oldest page and what was held back; read from the state."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from confluence_sync.database import Database, open_database
from confluence_sync.errors import ConfluenceSyncError

KEPT_FOR = 5.0  # seconds an answer is given again without reading the state


@dataclass(frozen=True, slots=True)
class KnownSpace:
    """A space that the collection was filled from."""

    key: str
    described: str
    pages: int
    oldest: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, as the plot shows it; times are RFC 3339."""

    started: str
    seconds: float
    exit: int
    pages: Mapping[str, int]
    chunks: int
    held: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the state tells; empty where it is not on this machine."""

    runs: tuple[RunSummary, ...] = ()
    spaces: tuple[KnownSpace, ...] = ()

    def body(self) -> dict[str, object]:
        last = next((run for run in self.runs if run.exit in (0, 3, 4)), None)
        oldest = min((space.oldest for space in self.spaces if space.oldest), default="")
        return {
            "last_sync": last.started if last else None,
            "last_exit": self.runs[0].exit if self.runs else None,
            "pages": sum(space.pages for space in self.spaces),
            "oldest_page": oldest or None,
            "held": self.runs[0].held if self.runs else 0,
            "spaces": [{"key": s.key, "name": s.described, "pages": s.pages, "oldest": s.oldest} for s in self.spaces],
            "runs": [
                {"started": r.started, "seconds": r.seconds, "exit": r.exit, "pages": dict(r.pages), "chunks": r.chunks, "held": r.held}
                for r in self.runs
            ],
        }


@dataclass
class FreshnessReader:
    """Reads the state at most every few seconds. A state that cannot be read counts as none: the answers do not depend on it."""

    state_dir: Path
    state_url: str = ""
    _last: Freshness = field(default_factory=Freshness)
    _read_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def now(self) -> Freshness:
        with self._lock:
            if time.monotonic() - self._read_at > KEPT_FOR:
                self._last, self._read_at = self._read(), time.monotonic()
            return self._last

    def forget(self) -> None:
        """The next look reads anew; a run has ended."""
        self._read_at = float("-inf")

    def _read(self) -> Freshness:
        if not self.state_url and not (self.state_dir / "state.db").is_file():
            return Freshness()
        try:
            with closing(open_database(self.state_dir, self.state_url)) as database:
                return Freshness(_runs(database), _spaces(database))
        except ConfluenceSyncError:
            return Freshness()


def _runs(database: Database) -> tuple[RunSummary, ...]:
    rows = database.rows("select report from run order by started desc limit 30")
    return tuple(_summary(json.loads(str(report))) for (report,) in rows)


def _summary(report: dict[str, object]) -> RunSummary:
    pages, chunks, held = report.get("pages"), report.get("chunks"), report.get("held")
    counts = {str(name): int(count) for name, count in pages.items()} if isinstance(pages, dict) else {}
    kept = sum(int(chunks.get(name, 0)) for name in ("written", "retagged", "kept")) if isinstance(chunks, dict) else 0
    seconds = report.get("seconds")
    exit_code = report.get("exit")
    return RunSummary(
        str(report.get("started", "")),
        float(seconds) if isinstance(seconds, (int, float)) else 0.0,
        exit_code if isinstance(exit_code, int) else 1,
        counts,
        kept,
        len(held) if isinstance(held, list) else 0,
    )


def _spaces(database: Database) -> tuple[KnownSpace, ...]:
    rows = database.rows(
        "select b.space_key, min(b.described), count(l.page_id), min(case when l.updated_at <> '' then l.updated_at end) "
        "from binding b left join listing l on l.scope = b.scope and l.inside = 1 group by b.space_key order by b.space_key"
    )
    return tuple(KnownSpace(str(key), str(described), int(count or 0), str(oldest or "")) for key, described, count, oldest in rows)
