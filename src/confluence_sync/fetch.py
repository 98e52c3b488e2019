"""Reads listings and bodies a few requests ahead of who uses them, never more, so that memory does not grow with the space."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from confluence_sync.model import Page, PageRef, Space
from confluence_sync.source.base import Failure

Fetched = list[Page | Failure]

FEWEST = 2  # the answer in use and the one after it; each holds a few megabytes


T = TypeVar("T")


class Reader(Protocol):
    """Reads the pages of a batch; called by several threads at once."""

    def pages(self, refs: list[PageRef], space: Space) -> Fetched: ...


def fetched(source: Reader, space: Space, batches: Iterable[list[PageRef]], concurrency: int) -> Iterator[Fetched]:
    """The pages of each batch, in order. At most `concurrency` requests are in flight, and only so many that the reader need not wait:
    each time it comes back to find all answers there, one fewer is asked for ahead, and one more when it had to wait.
    """
    readers = ThreadPoolExecutor(concurrency, "fetch")
    ahead: deque[Future[Fetched]] = deque()
    most, waited = concurrency, False
    try:
        for refs in batches:
            if ahead and not waited and all(future.done() for future in ahead):
                most = max(most - 1, min(FEWEST, concurrency))
            ahead.append(readers.submit(source.pages, refs, space))
            while len(ahead) >= most:
                first = ahead.popleft()
                waited = not first.done()
                most = min(most + waited, concurrency)
                yield first.result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        readers.shutdown(wait=False, cancel_futures=True)


def one_ahead(answers: Iterator[T]) -> Iterator[T]:
    """The same answers; the next one is asked for while one is in use."""
    reader = ThreadPoolExecutor(1, "listing")
    try:
        coming = reader.submit(next, answers, None)
        while (answer := coming.result()) is not None:
            coming = reader.submit(next, answers, None)
            yield answer
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
