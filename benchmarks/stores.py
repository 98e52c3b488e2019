"""What each store costs at scale: load, a night without changes, replacing a page, queries, recall, disk and memory.

python -m benchmarks.stores [KIND] [ADDRESS] [--chunks 100000] [--windows 3]      KIND: sqlite, pgvector, milvus

Texts and vectors are synthetic (embedding 300,000 windows would take hours): a chunk is 300 words drawn as words are in a
language, its vector lies near those of its topic, so that there is something to find. Ratios and CPU seconds count;
wall times are those of a busy machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from confluence_sync.embed import Facts, Matrix
from confluence_sync.model import Chunk, Filter, Metadata, digest
from confluence_sync.stores.base import Backend, Store

DIMENSION = 384
A_PAGE = 10
QUESTIONS = 100


@dataclass
class Synthetic:
    """An embedder that makes a text's vectors from its first line, which names topic and number."""

    windows_a_chunk: int
    topics: dict[int, Matrix] = field(default_factory=dict)

    def facts(self) -> Facts:
        return Facts("synthetic", f"{self.windows_a_chunk}", DIMENSION)

    def window(self) -> int:
        return 256

    def windows(self, text: str) -> list[str]:
        return [f"{text.partition(chr(10))[0]} {i}" for i in range(self.windows_a_chunk)]

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.array([self._vector(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSION)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def close(self) -> None:
        """Nothing to give back."""

    def _vector(self, text: str) -> Matrix:
        topic = int(text.split()[1])
        if topic not in self.topics:
            self.topics[topic] = np.random.default_rng(topic).standard_normal(DIMENSION).astype(np.float32)
        own = np.random.default_rng(int(digest(text, size=4), 16)).standard_normal(DIMENSION).astype(np.float32)
        return self.topics[topic] + 1.2 * own


def chunks(first: int, last: int, version: int = 1) -> Iterator[Chunk]:
    """Numbers first to last - 1, A_PAGE of them a page, a hundred topics, one page in 25 with the label `rare`."""
    for number in range(first, last):
        rng = np.random.default_rng(number)
        words = " ".join(f"w{n}" for n in np.minimum(rng.zipf(1.3, 300), 50_000))
        page = number // A_PAGE
        text = f"topic {page % 100} chunk {number} version {version}\n\n{words}"
        labels = ("rare",) if page % 25 == 0 else ("usual",)
        metadata = Metadata(
            "bench", "BENCH", str(page), f"Page {page}", f"https://wiki.example.org/{page}", "Heading", labels, version,
            "2026-01-01T00:00:00Z", number % A_PAGE, A_PAGE, digest(text), 900, "r", f"f{version}",
        )  # fmt: skip
        yield Chunk(digest("bench", text), text, metadata)


@dataclass
class Watch:
    """CPU seconds of this process, wall seconds, since it was made."""

    cpu: float = field(default_factory=time.process_time)
    wall: float = field(default_factory=time.perf_counter)

    def __str__(self) -> str:
        return f"{time.process_time() - self.cpu:8.1f} CPU s {time.perf_counter() - self.wall:8.1f} s"


def main() -> None:
    options = _options()
    embedder = Synthetic(options.windows)
    with tempfile.TemporaryDirectory() as folder:
        address = options.address or str(Path(folder) / "milvus.db")
        backend = _backend(options.kind, address, Path(folder), embedder)
        store = backend.open(f"bench_{os.getpid()}")
        _load(store, options.chunks)
        _quiet_night(store)
        _replace(store, options.chunks)
        _ask(store, embedder, options.chunks)
        print(f"disk      {sum(f.stat().st_size for f in Path(folder).rglob('*') if f.is_file()) / 1e6:8.0f} MB (of this process's folder)")
        print(f"memory    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB at most (this process)")
        store.drop()
        backend.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", default="sqlite", choices=("sqlite", "pgvector", "milvus"))
    parser.add_argument("address", nargs="?", default="", help="DATABASE_URL or Milvus address; not for sqlite")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--windows", type=int, default=3, help="window vectors a chunk")
    return parser.parse_args()


def _backend(kind: str, address: str, folder: Path, embedder: Synthetic) -> Backend:
    if kind == "sqlite":
        from confluence_sync.stores.sqlite import SqliteBackend

        return SqliteBackend(folder / "store.db", embedder)
    if kind == "pgvector":
        from confluence_sync.stores.pgvector import PgvectorBackend

        return PgvectorBackend(address, embedder)
    from confluence_sync.stores.milvus import MilvusBackend

    return MilvusBackend(address, embedder)


def _load(store: Store, count: int) -> None:
    """In transactions of 1,000 chunks, as a run writes. The time to make texts and vectors is taken off."""
    making = 0.0
    watch = Watch()
    for start in range(0, count, 1000):
        before = time.process_time()
        some = list(chunks(start, min(start + 1000, count)))
        making += time.process_time() - before
        with store.transaction():
            store.write(some)
    print(f"load      {watch}, {count} chunks; {making:.1f} CPU s of it for making the texts")


def _quiet_night(store: Store) -> None:
    watch = Watch()
    count = store.identity().count
    print(f"no change {watch}, identity and count ({count})")


def _replace(store: Store, count: int) -> None:
    """Twenty pages, one transaction each."""
    pages = np.random.default_rng(1).choice(count // A_PAGE, 20, replace=False)
    watch = Watch()
    for page in pages:
        first = int(page) * A_PAGE
        with store.transaction():
            store.write(list(chunks(first, first + A_PAGE, version=2)))
            store.delete([each.id for each in chunks(first, first + A_PAGE)])
    print(f"replace   {watch}, {len(pages)} pages of {A_PAGE} chunks")


def _ask(store: Store, embedder: Synthetic, count: int) -> None:
    """Questions that are a chunk's first window with noise; how often the exact nearest chunks are among the hits."""
    numbers = [int(n) for n in np.random.default_rng(2).choice(count, QUESTIONS, replace=False)]
    store.query("topic 1 chunk 1", 5)
    for name, where in (("query", Filter()), ("filtered", Filter(labels=("rare",)))):
        asked = [n - n % (25 * A_PAGE) + n % A_PAGE for n in numbers] if where else numbers
        took, found = [], 0
        watch = Watch()
        for number in asked:
            started = time.perf_counter()
            hits = store.query(f"topic {number // A_PAGE % 100} chunk {number} version 1", 10, where)
            took.append(time.perf_counter() - started)
            found += any(hit.text.split()[3] == str(number) for hit in hits)
        p50, p95 = np.percentile(took, [50, 95]) * 1000
        print(
            f"{name:9} {watch}, {len(asked)} questions: p50 {p50:.0f} ms, p95 {p95:.0f} ms, the right chunk found {found / len(asked):.2f}"
        )


if __name__ == "__main__":
    main()
