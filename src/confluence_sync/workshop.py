"""Where pages are prepared beside the rest of the run: in a small pool of processes, or in none when there is little to do."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.model import Page
from confluence_sync.prepare import Cut, Prepared, prepare
from confluence_sync.source.base import Failure
from confluence_sync.workers import CallFailed, Workers

log = logging.getLogger(__name__)

PAGE_SECONDS = 60.0  # a page that takes longer fails; a megabyte takes well under two
GROUP_BYTES = 400_000  # enough work for a worker to be worth the way there and back
LOSSES = 5  # workers that may die in a row before something other than a page is to blame
AHEAD = 3  # groups for each worker that may wait: while the reader writes a bundle it asks for nothing, and workers must not run dry
INLINE_PAGES = 60  # starting two workers costs as much CPU as this many pages


@dataclass(frozen=True, slots=True)
class Batch:
    """Pages to prepare, failures of who read them among these, and the names of users they mention, by account id, user key or login.
    Whoever prepares them empties `pages`."""

    pages: list[Page | Failure]
    names: Mapping[str, str]


def processors() -> int:
    """CPUs this process may use: the affinity mask, and the cgroup's quota where there is one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(_quota(Path("/sys/fs/cgroup")) or allowed)))


def _quota(cgroup: Path) -> float:
    """CPUs that the cgroup grants, version 2 or 1; 0 where it grants all."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()[:2]
            return max(float(quota), 0.0) / float(period)
        except (OSError, ValueError):  # another version, or "max"
            continue
    return 0.0


Packed = Callable[[], list[Prepared]]  # what `prepare` gave, out of its packing when it is called


class Pool(Protocol):
    """Where `prepare` runs."""

    def submit(self, group: list[Page], cut: Cut, users: Mapping[str, str]) -> Future[Packed]: ...

    def end(self) -> None:
        """At once, whatever is being done."""


@dataclass(frozen=True, slots=True)
class _Job:
    """Pages on their way through a pool, and the names that go along."""

    group: list[Page]
    names: Mapping[str, str]
    future: Future[Packed]
    pool: Pool


class Workshop:
    """Where pages are converted: in worker processes, or in one thread when there is little to do or one CPU.

    A page that takes too long or kills its worker fails; the others of its group are done again in a new pool.
    """

    def __init__(self, cut: Cut, expected_pages: int, cpus: int | None = None) -> None:
        self.cut = cut
        self.workers = cpus or processors()
        self._inline = self.workers == 1 or expected_pages <= INLINE_PAGES
        self._lost_in_a_row = 0
        # Processes start now, to be ready when the first bodies are there.
        self._pool: Pool | None = _thread() if self._inline else _processes(self.workers)

    def run(self, batches: Iterable[Batch]) -> Iterator[list[Prepared | Failure]]:
        """Groups of prepared pages in the order of the pages; at most a few groups wait, so a slow reader holds everything back."""
        waiting: deque[_Job] = deque()
        for batch in batches:
            failed: list[Prepared | Failure] = [page for page in batch.pages if isinstance(page, Failure)]
            if failed:
                yield failed
            for group in _groups(batch.pages):
                waiting.append(self._submit(group, batch.names))
                if len(waiting) > self.workers * AHEAD:
                    yield self._collect(waiting.popleft())
        while waiting:
            yield self._collect(waiting.popleft())

    def close(self) -> None:
        if self._pool:
            self._pool.end()
            self._pool = None

    def _submit(self, group: list[Page], names: Mapping[str, str]) -> _Job:
        if self._pool is None:
            self._pool = _thread() if self._inline else _processes(self.workers)
        return _Job(group, names, self._pool.submit(group, self.cut, names), self._pool)

    def _collect(self, job: _Job, alone: bool = False) -> list[Prepared | Failure]:
        done, error = _outcome(job.future, PAGE_SECONDS * len(job.group))
        if error is None:
            self._lost_in_a_row = 0
            return list(done)
        if isinstance(error, (BrokenExecutor, CancelledError, TimeoutError)) and job.pool is self._pool:
            self._lose()
        if isinstance(error, CancelledError):  # its pool broke, or was ended, for another's sake
            return self._collect(self._submit(job.group, job.names), alone)
        if len(job.group) == 1 and (alone or not isinstance(error, (BrokenExecutor, TimeoutError))):
            return [_failure(job.group[0], error)]
        return self._one_by_one(job, error)

    def _one_by_one(self, job: _Job, error: BaseException) -> list[Prepared | Failure]:
        """A dead or stuck worker takes along what waits for it, so each page gets the blame only for what happens to it alone: in a pool
        that has nothing else to do. Groups of the pool before are done again when their turn comes."""
        self.close()
        log.warning("%d pages are converted one by one, because something failed beside them: %r", len(job.group), error)
        return [done for page in job.group for done in self._collect(self._submit([page], job.names), alone=True)]

    def _lose(self) -> None:
        """A dead or stuck worker takes its pool along. Raises ConfluenceSyncError when workers die whatever page they get."""
        self.close()
        self._lost_in_a_row += 1
        if self._lost_in_a_row > LOSSES:
            raise ConfluenceSyncError(f"{LOSSES} worker processes in a row died at once: give the job more memory")


def _outcome(future: Future[Packed], seconds: float) -> tuple[list[Prepared], BaseException | None]:
    """What was made, or why nothing was."""
    try:
        error = future.exception(timeout=seconds)
        return (future.result()(), None) if error is None else ([], error)
    except (TimeoutError, CancelledError, CallFailed, MemoryError) as failure:
        return [], failure


def _failure(page: Page, error: BaseException) -> Failure:
    if isinstance(error, TimeoutError):
        why = f"its conversion took longer than {PAGE_SECONDS:.0f} s"
    elif isinstance(error, BrokenExecutor):
        why = "its conversion killed the worker (out of memory?)"
    elif isinstance(error, CallFailed):
        why = f"its conversion failed: {error}"
    else:
        why = f"its conversion failed: {type(error).__name__}: {error}"
    return Failure(page.ref.id, page.ref.title, why)


def _groups(pages: list[Page | Failure]) -> Iterator[list[Page]]:
    """Takes the pages out of the list: who read them still has it, and they would live in it until the next list is there."""
    pages.reverse()
    while pages:
        group: list[Page] = []
        size = 0
        while pages and size < GROUP_BYTES:
            page = pages.pop()
            if isinstance(page, Page):
                group.append(page)
                size += len(page.utf8)
        if group:
            yield group


class _Thread:
    """A pool for little work: one thread, which can be left behind and not be ended."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "convert")

    def submit(self, group: list[Page], cut: Cut, users: Mapping[str, str]) -> Future[Packed]:
        return self._executor.submit(_done, group, cut, users)

    def end(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _done(group: list[Page], cut: Cut, users: Mapping[str, str]) -> Packed:
    done = prepare(group, cut, users)
    return lambda: done


def _thread() -> Pool:
    return _Thread()


def _processes(workers: int) -> Pool:
    return Workers[list[Prepared]](workers)
