"""Shows a person how far a run is: one line that moves on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds; what is done sooner needs no bar
EVERY = 30.0  # seconds between log lines where there is no terminal


class Bar:
    """A line that is drawn over itself on a terminal."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._name, self._total = "", 0
        self._started = self._drawn = 0.0
        self._shown = False

    def stage(self, name: str, total: int = 0) -> None:
        self._clear()
        self._name, self._total = name, total
        self._started, self._drawn = time.monotonic(), 0.0

    def expect(self, total: int) -> None:
        self._total = total

    def at(self, done: int) -> None:
        now = time.monotonic()
        if now - self._started < PATIENCE or now - self._drawn < 0.1:
            return
        self._drawn, self._shown = now, True
        self._out.write(f"\r\x1b[K{self._line(done, now - self._started)}")
        self._out.flush()

    def close(self) -> None:
        self._clear()

    def _line(self, done: int, seconds: float) -> str:
        speed = done / seconds
        if not self._total:
            return f"{self._name}: {done}, {speed:.0f} a second"
        share = min(1.0, done / self._total)
        filled = round(share * 24)
        left = (self._total - done) / speed if speed else 0.0
        return f"{self._name}  [{'█' * filled}{'·' * (24 - filled)}] {done}/{self._total}  {_time(left)} left"

    def _clear(self) -> None:
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()
            self._shown = False


class Lines:
    """The same as log lines, one now and then."""

    def __init__(self) -> None:
        self._name, self._total, self._said = "", 0, 0.0

    def stage(self, name: str, total: int = 0) -> None:
        self._name, self._total, self._said = name, total, time.monotonic()
        log.info("%s%s", name, f": {total} pages" if total else "")

    def expect(self, total: int) -> None:
        self._total = total

    def at(self, done: int) -> None:
        if time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            log.info("%s: %d%s", self._name, done, f" of {self._total}" if self._total else "")

    def close(self) -> None:
        """Nothing to clear."""


def open_progress(log_format: str, out: TextIO | None = None) -> Bar | Lines:
    """A bar where `out` (standard error of this moment) is a terminal, lines elsewhere."""
    out = out or sys.stderr
    return Bar(out) if log_format == "auto" and out.isatty() else Lines()


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
