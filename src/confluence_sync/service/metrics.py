"""Counts for Prometheus: requests, how long they took, and how fresh the collection is."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from confluence_sync.service.freshness import Freshness

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
GROUPS = (
    ("/v1/vector_io", "vector"),
    ("/v1/", "openai"),
    ("/api/sync", "sync"),
    ("/ingest_confluence", "sync"),
    ("/api/query", "ask"),
    ("/api/ask", "ask"),
    ("/query", "ask"),
    ("/api/chat", "ask"),
    ("/api/generate", "ask"),
)


@dataclass
class Metrics:
    """Thread-safe; grows with the number of route groups and statuses only."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    buckets: dict[str, list[int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, path: str, status: int, seconds: float) -> None:
        group = group_of(path)
        with self._lock:
            self.requests[group, status] += 1
            self.seconds[group] += seconds  # type: ignore[assignment]  # a sum of seconds
            counts = self.buckets.setdefault(group, [0] * (len(BUCKETS) + 1))
            counts[bisect_left(BUCKETS, seconds)] += 1

    def text(self, freshness: Freshness) -> str:
        """The exposition format, version 0.0.4."""
        with self._lock:
            lines = [*self._requests(), *self._latencies()]
        return "\n".join([*lines, *_freshness(freshness)]) + "\n"

    def _requests(self) -> list[str]:
        head = "# TYPE confluence_sync_http_requests_total counter"
        return [
            head,
            *(f'confluence_sync_http_requests_total{{group="{g}",status="{s}"}} {n}' for (g, s), n in sorted(self.requests.items())),
        ]

    def _latencies(self) -> list[str]:
        name = "confluence_sync_http_seconds"
        lines = [f"# TYPE {name} histogram"]
        for group, counts in sorted(self.buckets.items()):
            total = 0
            for limit, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                lines.append(f'{name}_bucket{{group="{group}",le="{limit}"}} {total}')
            lines += [f'{name}_sum{{group="{group}"}} {self.seconds[group]:.6f}', f'{name}_count{{group="{group}"}} {total}']
        return lines


def group_of(path: str) -> str:
    return next((group for start, group in GROUPS if path.startswith(start)), "other")


def _freshness(freshness: Freshness) -> list[str]:
    told = freshness.body()
    last = told["last_sync"]
    lines = ["# TYPE confluence_sync_pages gauge", f"confluence_sync_pages {told['pages']}"]
    lines += ["# TYPE confluence_sync_held gauge", f"confluence_sync_held {told['held']}"]
    if isinstance(last, str):
        at = datetime.fromisoformat(last).timestamp()
        lines += ["# TYPE confluence_sync_last_sync_timestamp_seconds gauge", f"confluence_sync_last_sync_timestamp_seconds {at:.0f}"]
    return lines
