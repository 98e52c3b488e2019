"""What every store behind HTTP needs: a connection made from the settings, batches that fit, and the one refused chunk found in a batch."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

from confluence_sync.config import Settings
from confluence_sync.errors import ConfluenceSyncError, Rejected, SettingsError
from confluence_sync.http import MEGABYTE, Answer, Link, Patience
from confluence_sync.jsontext import dumps
from confluence_sync.jsonvalue import JsonObject, as_object, child
from confluence_sync.model import Chunk, MetadataValue
from confluence_sync.wires import HttpxWire

log = logging.getLogger(__name__)

Routes = frozenset[tuple[str, str]]
REFUSED_AT_MOST = 10  # with more than these the server refuses everything, and asking chunk by chunk would take all night
FIRST = 8  # chunks in the first request, before anything is known of the server
AS_LONG, LONGER = 0.7, 1.5  # shares of a slow request's seconds: less at once did not help; it has become slower still
WANTED_SECONDS = 10.0  # for one request: proxies and clients give up after 30 to 60 s, and a server may become slower
PATIENCE = Patience(tries=4, first_wait=0.5, longest_wait=30.0, timeout=120.0)


def server_address(settings: Settings, variant: str) -> str:
    """Where the server is. Raises SettingsError when the settings do not say."""
    base = settings.vector_api_base_url or settings.llama_base_url
    if not base:
        raise SettingsError(f"VECTOR_BACKEND={variant} needs VECTOR_API_BASE_URL or LLAMA_BASE_URL, the address of the server")
    return base


def link_to(base: str, settings: Settings, *, connections: int = 8) -> Link:
    """A connection of its own to `base`, with the key from VECTOR_API_KEY as Bearer when there is one."""
    key = settings.vector_api_key.reveal()
    headers = {"accept": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    wire = HttpxWire(settings.conf_ca_bundle, connections, tls=base.startswith("https:"))
    return Link(base, wire, headers, (key,) if key else (), PATIENCE)


def acknowledged(answer: Answer) -> Answer:
    """`answer`, if a server can have given it: nothing, or JSON. A proxy's page has status 200, too, and nothing was done: BadAnswer."""
    if answer.body.strip():
        answer.json()
    return answer


def routes_from(openapi: JsonObject) -> Routes:
    """The (METHOD, path) pairs of an OpenAPI document, every path parameter written as {}; empty when it is none."""
    paths = child(openapi, "paths", "openapi.json")
    named = {path: as_object(item, f"openapi.json.paths.{path}") for path, item in paths.items()}
    return frozenset((method.upper(), plain_route(path)) for path, item in named.items() for method in item)


def plain_route(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


@contextmanager
def closed_on_failure(link: Link) -> Iterator[Link]:
    """Gives the connection back when what is done with it inside fails."""
    try:
        yield link
    except ConfluenceSyncError:
        link.close()
        raise


def quickly(link: Link) -> Link:
    """The same connection for questions that are asked once, in seconds: probes."""
    return replace(link, patience=Patience(tries=2, first_wait=0.3, longest_wait=2.0, timeout=20.0))


@dataclass
class Pace:
    """How many chunks one request may hold: a few at first, then as many as the server takes in WANTED_SECONDS, `most` at the most.

    Where fewer chunks take as long as more did, it is each request that costs the time, and sending less at once would only add to it.
    """

    most: int
    size: int = field(init=False)
    _slow: tuple[int, float] | None = None  # chunks and seconds of the last request that took too long

    def __post_init__(self) -> None:
        self.size = min(FIRST, self.most)

    @contextmanager
    def kept(self, count: int) -> Iterator[None]:
        """Times a request with `count` chunks; one that fails counts, too, as a server that is too slow fails."""
        started, done = monotonic(), False
        try:
            yield
            done = True
        finally:
            self._learn(count, monotonic() - started, done)

    def lower(self, most: int) -> None:
        """Not more than so many from now on, however quick the server is."""
        self.most = min(self.most, most)
        self.size = min(self.size, self.most)

    def _learn(self, count: int, seconds: float, done: bool) -> None:
        fitting = max(1, int(count * WANTED_SECONDS / max(seconds, 0.001)))
        if seconds <= WANTED_SECONDS:
            self.size = min(self.most, 2 * self.size, max(self.size, fitting)) if count >= self.size else self.size
        elif done and self._slow and count < self._slow[0] and seconds > AS_LONG * self._slow[1]:
            self.size = self._slow[0]
        elif fitting < self.size and not (done and self._slow and count == self._slow[0] and seconds < LONGER * self._slow[1]):
            log.warning("a request with %d chunks took %.0f s; from now on %d go at a time", count, seconds, fitting)
            self.size, self._slow = fitting, (count, seconds)


def batches(chunks: Sequence[Chunk], pace: Pace, size: int = 8 * MEGABYTE) -> Iterator[list[Chunk]]:
    """`chunks` in order, as many as the pace allows and about `size` bytes of JSON at a time; a chunk that is larger alone goes alone."""
    batch: list[Chunk] = []
    weight = 0
    for chunk in chunks:
        heavy = 1000 + len(dumps([chunk.text, *chunk.metadata]))
        if batch and (len(batch) >= pace.size or weight + heavy > size * 0.9):
            yield batch
            batch, weight = [], 0
        batch.append(chunk)
        weight += heavy
    if batch:
        yield batch


def write_in_batches(chunks: Sequence[Chunk], pace: Pace, send: Callable[[Sequence[Chunk]], None]) -> None:
    """Sends every chunk; a refused batch is halved until the refused chunks stand alone.

    Raises Rejected with these `chunk_ids` after the others went in, or without any as soon as more than REFUSED_AT_MOST are refused.
    """
    reasons: dict[str, str] = {}

    def timed(batch: Sequence[Chunk]) -> None:
        with pace.kept(len(batch)):
            send(batch)

    for batch in batches(chunks, pace):
        _send_or_halve(batch, timed, reasons)
    if reasons:
        named = "; ".join(f"chunk {chunk_id}: {reason}" for chunk_id, reason in reasons.items())
        raise Rejected(f"the store refuses {len(reasons)} chunk(s): {named}", 400, sent=False, chunk_ids=tuple(reasons))


def _send_or_halve(batch: Sequence[Chunk], send: Callable[[Sequence[Chunk]], None], reasons: dict[str, str]) -> None:
    try:
        send(batch)
    except Rejected as refusal:
        if len(batch) == 1:
            note_refused(batch[0], refusal, reasons)
            return
        half = len(batch) // 2
        _send_or_halve(batch[:half], send, reasons)
        _send_or_halve(batch[half:], send, reasons)


def note_refused(chunk: Chunk, refusal: Rejected, reasons: dict[str, str]) -> None:
    """Adds one chunk's reason; raises Rejected, for no chunk in particular, when the server seems to refuse everything."""
    reasons[chunk.id] = str(refusal)
    if len(reasons) > REFUSED_AT_MOST:
        raise Rejected(f"the store refused more than {REFUSED_AT_MOST} chunks, the last one: {refusal}", refusal.status) from refusal


def flat(chunk: Chunk) -> dict[str, MetadataValue]:
    """A chunk's metadata with labels as one text: some servers lose a collection to a list among the values."""
    return {**chunk.metadata.as_dict(), "labels": ",".join(chunk.metadata.labels)}
