"""One vector store: chunks as files, and the ritual without which some servers lose or mix up what they acknowledged.

What was measured (Llama Stack 0.2.23, 0.3.5, 0.7.3, OGX 1.5.0):
    deleting the chunk a faiss index got last makes every later insert answer with another chunk's text
        -> nothing is deleted before something else was written after it: if need be, a sentinel
    parallel writes reach faiss's file out of order, and a restart loses some
        -> there one at a time; elsewhere a few at once, the first one alone
    equal texts, also of a deleted and a new file, share one id
        -> each file's text is unique, also from the older file of the same chunk, so that the new one comes before the old one goes
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace

from confluence_sync.errors import NotFound, Rejected
from confluence_sync.jsonvalue import JsonObject, as_object, child, text
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Stored, digest
from confluence_sync.stores.base import Feature, Identity
from confluence_sync.stores.remote import acknowledged, note_refused
from confluence_sync.stores.vector_stores_files import Doubtful, Files
from confluence_sync.stores.vector_stores_ledger import Held, Ledger, every_name, is_held
from confluence_sync.stores.vector_stores_text import ID, SENTINEL, attributes, encoded, fingerprint, hit_from, is_sentinel, read_attributes

log = logging.getLogger(__name__)

FEATURES = Feature.UPSERT | Feature.DELETE | Feature.LIST | Feature.QUERY
MOST_HITS = 50  # OGX refuses more
SPARE = 4  # hits that may be sentinels
PROBE = "    indented\n\n\nafter  blanks"


@dataclass
class VectorStore:
    """`last` is the chunk that surely was written last in this session, "" when nobody knows."""

    files: Files
    ledger: Ledger
    parallel: int
    fresh: bool = False
    features: Feature = FEATURES
    last: str = ""
    _written: bool = False
    _refused: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fresh:
            self.ledger.forget_store(self.id)
            self.ledger.note_fact(self.id, "complete", "yes")

    @property
    def id(self) -> str:
        return self.files.store

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Chunks that the store has already, with the same metadata, cost nothing."""
        if not chunks:
            return
        self._know_files()
        self._remove(self.ledger.replaced(self.id))
        known = self.ledger.held(self.id, [chunk.id for chunk in chunks])
        wanted = [chunk for chunk in chunks if not is_held(fingerprint(chunk), known.get(chunk.id))]
        older = {chunk.id: known[chunk.id] for chunk in wanted if chunk.id in known}
        self.ledger.put_aside(self.id, {chunk_id: one for chunk_id, one in older.items() if one.attached})
        self._remove([chunk_id for chunk_id, one in older.items() if not one.attached])
        self._refused = {}
        self._put_all(wanted)
        self._remove(self.ledger.replaced(self.id))
        if self._refused:
            named = "; ".join(f"chunk {chunk_id}: {why}" for chunk_id, why in self._refused.items())
            raise Rejected(f"the store refuses {len(self._refused)} chunk(s): {named}", 400, sent=False, chunk_ids=tuple(self._refused))

    def _put_all(self, chunks: Sequence[Chunk]) -> None:
        flattens = bool(chunks) and self._flattens()
        alone = 0 if self._written and self.parallel > 1 else len(chunks) if self.parallel == 1 else 1
        for chunk in chunks[:alone]:
            self._put(chunk, flattens)
            self.last, self._written = chunk.id, True
        if chunks[alone:]:
            self.last = ""
            self._put_side_by_side(chunks[alone:], flattens)

    def _put_side_by_side(self, chunks: Sequence[Chunk], flattens: bool) -> None:
        """A few at once; the first failure calls off those that have not begun, as a dead server would cost seconds for each."""
        with ThreadPoolExecutor(self.parallel) as pool:
            waiting = [pool.submit(self._put, chunk, flattens) for chunk in chunks]
            try:
                for one in as_completed(waiting):
                    one.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _put(self, chunk: Chunk, flattens: bool) -> None:
        """A lost answer is cleared up once, then the chunk is written again."""
        try:
            self._put_once(chunk, flattens)
        except Doubtful:
            log.info("an answer was lost; chunk %s is cleared up and written again", chunk.id)
            self._clear(self.ledger.held(self.id, [chunk.id]))
            self._put_once(chunk, flattens)

    def _put_once(self, chunk: Chunk, flattens: bool) -> None:
        """The ledger names the file before the store has it, so that a crash in between cannot leave a file nobody knows."""
        try:
            file_id = self.files.upload(chunk.id, encoded(chunk, flattens))
            held = Held(file_id, fingerprint(chunk), attached=False)
            self.ledger.note(self.id, chunk.id, held)
            self.files.attach(file_id, attributes(chunk))
        except Rejected as refusal:
            self.ledger.forget(self.id, chunk.id)
            note_refused(chunk, refusal, self._refused)
            return
        self.ledger.note(self.id, chunk.id, replace(held, attached=True))

    def _clear(self, doubtful: Mapping[str, Held]) -> None:
        """Removes what a killed server may have kept of files whose names it lost; none of them may be in the store's list.

        Attached once more, their chunks get the same ids, and taking the file out takes every copy along (sqlite-vec, pgvector, Milvus, and
        OGX's faiss, which replaces a copy and must not find it last; older faiss takes one, so that there a copy may stay).
        """
        if not doubtful:
            return
        self._put_sentinel()
        for chunk_id, one in doubtful.items():
            with suppress(Rejected):  # the file itself may be gone, and then nothing of it was ever attached
                self.files.attach(one.file_id, {ID: chunk_id})
        self._put_sentinel()
        for chunk_id, one in doubtful.items():
            self.files.remove(one.file_id)
            self.ledger.forget(self.id, chunk_id)

    def delete(self, chunk_ids: Sequence[str]) -> None:
        if chunk_ids:
            self._know_files()
            self._remove(every_name(chunk_ids))

    def _remove(self, chunk_ids: Sequence[str]) -> None:
        """One after the other, and never what was written last."""
        held = self.ledger.held(self.id, chunk_ids)
        lost = {i: one for i, one in held.items() if not one.attached and self.files.attached(one.file_id) is None}
        self._clear(lost)
        known = {chunk_id: one for chunk_id, one in held.items() if chunk_id not in lost}
        if known and (not self.last or self.last in known):
            self._guard()
        for chunk_id, one in known.items():
            self.files.remove(one.file_id)
            self.ledger.forget(self.id, chunk_id)

    def _guard(self) -> None:
        """A new sentinel as the last entry of the index, then the older ones go."""
        older = self.ledger.like(self.id, SENTINEL)
        self._put_sentinel()
        for chunk_id, one in self.ledger.held(self.id, older).items():
            self.files.remove(one.file_id)
            self.ledger.forget(self.id, chunk_id)

    def _put_sentinel(self) -> str:
        name = f"{SENTINEL}{uuid.uuid4().hex}"
        file_id = self.files.upload(name, f"\ufeff{PROBE}\n\n{name}".encode())
        self.ledger.note(self.id, name, Held(file_id, "", attached=False))
        self.files.attach(file_id, {ID: name})
        self.ledger.note(self.id, name, Held(file_id, "", attached=True))
        self.last, self._written = name, True
        return file_id

    def _flattens(self) -> bool:
        """Whether this server strips white space from files: told by a sentinel, once a store."""
        known = self.ledger.fact(self.id, "flattens")
        if not known:
            file_id = self._put_sentinel()
            known = "no" if PROBE in self.files.content(file_id) else "yes"
            self.ledger.note_fact(self.id, "flattens", known)
        return known == "yes"

    def retag(self, chunks: Sequence[Chunk]) -> None:
        raise NotImplementedError("an updated attribute does not reach the search of these servers")

    def ids(self) -> Iterator[Stored]:
        """Reads the server's whole list, which is dear there (10,000 chunks: 400 CPU seconds), and renews the ledger from it.

        A file that another program attached goes by `file:` and its id. What a killed run or server left in doubt and the list does
        not show is cleared up before the ledger forgets which file it was.
        """
        rows = list(self.files.each())
        listed = {row.get("id") for row in rows}
        lost = {chunk_id: one for chunk_id, one in self.ledger.in_doubt(self.id).items() if one.file_id not in listed}
        if lost:
            self._clear(lost)
            rows = list(self.files.each())
        flattens = self.ledger.fact(self.id, "flattens")
        self.ledger.forget_store(self.id)
        kept: dict[str, Stored] = {}
        for row in rows:
            self._take_in(row, kept)
        if flattens:
            self.ledger.note_fact(self.id, "flattens", flattens)
        self.ledger.note_fact(self.id, "complete", "yes")
        yield from kept.values()

    def _take_in(self, row: JsonObject, kept: dict[str, Stored]) -> None:
        """Notes one listed file; the second file of a chunk (a crash between two requests) goes, so that a chunk is there once."""
        file_id = text(row, "id", "file of the store")
        named, metadata = read_attributes(child(row, "attributes", "file of the store"))
        chunk_id = named or f"file:{file_id}"
        if chunk_id in kept or row.get("status") in ("failed", "cancelled"):
            self._guard()
            self.files.remove(file_id)
            return
        content = digest(chunk_id, repr(metadata)) if metadata else ""  # as in fingerprint()
        self.ledger.note(self.id, chunk_id, Held(file_id, content, attached=row.get("status") == "completed"))
        if not is_sentinel(chunk_id):
            kept[chunk_id] = Stored(chunk_id, metadata)

    def _know_files(self) -> None:
        if not self.ledger.fact(self.id, "complete"):
            list(self.ids())

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        """Filters are applied here: on most providers the server's own look at the best few hits only."""
        most = MOST_HITS if where else min(MOST_HITS, top_k + SPARE)
        hits = [hit for hit in map(hit_from, self.files.search(text, most)) if not is_sentinel(hit.chunk_id)]
        return [hit for hit in hits if not where or (hit.metadata and where.matches(hit.metadata))][:top_k]

    def identity(self) -> Identity:
        """The server's id of the store; the count without sentinels, None when the ledger does not know them."""
        about = as_object(self.files.link.get(self.files.address), "vector store")
        total = child(about, "file_counts", "vector store").get("completed")
        if not isinstance(total, int) or not self.ledger.fact(self.id, "complete"):
            return Identity(self.id, None, address=self.id)
        return Identity(self.id, max(0, total - len(self.ledger.like(self.id, SENTINEL))), address=self.id)

    def drop(self) -> None:
        with suppress(NotFound):
            acknowledged(self.files.link.send("DELETE", self.files.address))
        self.ledger.forget_store(self.id)

    def close(self) -> None:
        """Connection and ledger belong to the backend."""
