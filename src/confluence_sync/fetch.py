"""Reads bodies a few requests ahead of who uses them, never more, so that memory does not grow with the space."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from confluence_sync.model import Page, PageRef, Space
from confluence_sync.source.base import Failure, Source

Fetched = list[Page | Failure]

READY = 2  # answers of a few megabytes each; more of them in waiting would make nobody quicker


def fetched(source: Source, space: Space, batches: Iterable[list[PageRef]], concurrency: int) -> Iterator[Fetched]:
    """The pages of each batch, in order. At most `concurrency` requests are in flight, and none is sent while READY answers wait."""
    readers = ThreadPoolExecutor(concurrency, "fetch")
    ahead: deque[Future[Fetched]] = deque()
    try:
        for refs in batches:
            while len(ahead) >= concurrency or sum(future.done() for future in ahead) >= READY:
                yield ahead.popleft().result()
            ahead.append(readers.submit(source.pages, refs, space))
        while ahead:
            yield ahead.popleft().result()
    finally:
        readers.shutdown(wait=False, cancel_futures=True)
