"""Reads beside who uses what was read: listings as fast as they come, bodies a few requests ahead, so that memory stays flat."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from time import monotonic
from typing import Protocol, TypeVar

from confluence_sync.model import PageRef, Space

FEWEST = 2  # the answer in use and the one after it; each holds a few megabytes
NO_WAIT = 0.005  # seconds in which an answer that is there comes from another thread
SURE = 3  # times in a row that all answers are there before one fewer is asked for: the line may be only just quick enough


T = TypeVar("T")
Batch_co = TypeVar("Batch_co", covariant=True)


class Reader(Protocol[Batch_co]):
    """Reads the pages of a batch; called by several threads at once."""

    def pages(self, refs: list[PageRef], space: Space) -> Batch_co: ...


def fetched(source: Reader[T], space: Space, batches: Iterable[list[PageRef]], concurrency: int) -> Iterator[T]:
    """The pages of each batch, in order. At most `concurrency` requests are in flight, and only so many that the reader need not wait:
    one more is asked for ahead each time it waits for an answer, and one fewer when it comes back SURE times to find all of them there.

    Where batches themselves come slowly, out of a listing, an answer is not held back for more of them.
    """
    readers = ThreadPoolExecutor(concurrency, "fetch")
    ahead: deque[Future[T]] = deque()
    depth = _Depth(min(FEWEST, concurrency), concurrency)
    back = monotonic()  # when the reader last came for more
    try:
        for refs in batches:
            listing = monotonic() - back
            ahead.append(readers.submit(source.pages, refs, space))
            while len(ahead) >= depth.now:
                begun = monotonic()
                answer = ahead.popleft().result()
                waited = monotonic() - begun > max(listing, NO_WAIT)
                yield answer
                depth.adjust(waited, plenty=bool(ahead) and all(future.done() for future in ahead))
            back = monotonic()
        while ahead:
            yield ahead.popleft().result()
    finally:
        readers.shutdown(wait=False, cancel_futures=True)


class _Depth:
    """How many answers to ask for ahead: from `fewest` to `most`."""

    def __init__(self, fewest: int, most: int) -> None:
        self.now = self._fewest = fewest
        self._most = most
        self._plenty = 0  # times in a row

    def adjust(self, waited: bool, plenty: bool) -> None:
        """One more where the reader had to wait, one fewer where all were there before it came, SURE times in a row."""
        self._plenty = self._plenty + 1 if plenty and not waited else 0
        if waited:
            self.now = min(self.now + 1, self._most)
        elif self._plenty == SURE:
            self.now, self._plenty = max(self.now - 1, self._fewest), 0


def as_they_come(answers: Iterator[T]) -> Iterator[tuple[T, bool]]:
    """Each answer, and whether another is there already.

    All are asked for one after the other in a thread, however long the reader takes: a listing that waits shifts under who reads it.
    """
    arrived: SimpleQueue[T | None] = SimpleQueue()
    left = Event()

    def read() -> None:
        try:
            for answer in answers:
                arrived.put(answer)
                if left.is_set():
                    return
        finally:
            arrived.put(None)

    reader = ThreadPoolExecutor(1, "listing")
    try:
        reading = reader.submit(read)
        while (answer := arrived.get()) is not None:
            yield answer, not arrived.empty()
        reading.result()
    finally:
        left.set()
        reader.shutdown(wait=False, cancel_futures=True)
