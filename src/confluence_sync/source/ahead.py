"""Asks for what every run needs first, all at once, while the rest of the program is still being loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from confluence_sync.http import MEGABYTE, Answer, Wire


class AskedAhead:
    """A wire that sends GET requests for `urls` when it is made. Who sends one of them first gets that answer, or what went wrong;
    everything else, and the same URL a second time, goes over `wire`.

    Behind a slow line each question that waits for another's answer costs a run as much as hundreds of pages.
    """

    def __init__(self, wire: Wire, urls: Sequence[str], headers: Mapping[str, str], timeout: float) -> None:
        self._wire = wire
        askers = ThreadPoolExecutor(len(urls), "ahead")
        self._asked = {url: askers.submit(wire.send, "GET", url, headers, None, timeout, 64 * MEGABYTE) for url in urls}
        askers.shutdown(wait=False)

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout: float, limit: int) -> Answer:
        asked = self._asked.pop(url, None) if method == "GET" else None
        return asked.result() if asked else self._wire.send(method, url, headers, content, timeout, limit)

    def close(self) -> None:
        self._wire.close()
