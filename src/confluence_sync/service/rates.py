"""How often one caller may ask: a bucket that fills steadily, for each key or address."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from confluence_sync.service.problems import Problem

MOST_CALLERS = 10_000  # remembered; beyond that the fullest buckets, which lose nothing, are forgotten
VECTOR_FACTOR = 50  # a sync sends many small writes, a person few questions


@dataclass
class Rates:
    """`a_minute` requests from one caller, 0: no limit; as many may come at once."""

    a_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, caller: str, costly: bool = True) -> None:
        """Raises a Problem (429) with Retry-After in seconds when the caller is over the limit."""
        if not self.a_minute:
            return
        most = float(self.a_minute if costly else self.a_minute * VECTOR_FACTOR)
        with self._lock:
            wait = self._take(caller if costly else f"vector {caller}", most)
        if wait:
            seconds = max(1, round(wait + 0.5))
            said = f"more than {most:g} requests a minute; wait {seconds} s (RATE_LIMIT sets the limit)"
            raise Problem(429, said, details={"retry_after": seconds}, headers={"retry-after": str(seconds)})

    def _take(self, caller: str, most: float) -> float:
        """Takes one from the bucket; the seconds to wait when it is empty."""
        now = self.clock()
        level, at = self._buckets.get(caller, (most, now))
        level = min(most, level + (now - at) * most / 60)
        if level < 1:
            return (1 - level) * 60 / most
        self._buckets[caller] = (level - 1, now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.pop(max(self._buckets, key=lambda one: self._buckets[one][0]))
        return 0.0
