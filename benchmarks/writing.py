"""What sending chunks costs us, without what the store does with them: python -m benchmarks.writing [--chunks N] [--postgres URL]."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.night import vector_api
from confluence_sync.model import Chunk, Metadata, digest
from confluence_sync.settings_files import read_settings
from confluence_sync.stores.base import Backend
from confluence_sync.stores.detect import open_store_backend

MOST_MS = 0.15  # CPU milliseconds of ours for each chunk
AT_ONCE = 2000  # as patch.py hands them over
WORDS = ("journal", "replica", "ledger", "kestrel", "queue", "certificate", "node", "volume", "timeout", "retry", "pod", "broker")


def some_chunks(count: int) -> Iterator[list[Chunk]]:
    """Chunks of about 3 KB, `AT_ONCE` at a time."""
    for start in range(0, count, AT_ONCE):
        yield [_chunk(number) for number in range(start, min(start + AT_ONCE, count))]


def _chunk(number: int) -> Chunk:
    rng = random.Random(number)
    text = f"Bench > Page {number // 5}\n\n" + " ".join(rng.choices(WORDS, k=420))
    page = str(number // 5)
    url = f"https://example.atlassian.net/wiki/spaces/B/pages/{page}"
    made = digest(text)
    metadata = Metadata("cloud:b", "B", page, f"Page {page}", url, "Causes", ("x",), 1, "2026-01-01T00:00:00Z", 0, 1, made, 600, "r", "f")
    return Chunk(digest("cloud:b", "B", page, made, "0"), text, metadata)


def cost(backend: Backend, count: int) -> tuple[float, float]:
    """CPU milliseconds a chunk, and chunks a second of wall time."""
    store = backend.open("bench")
    used, started = 0.0, time.monotonic()
    for chunks in some_chunks(count):
        before = time.process_time()
        store.write(chunks)
        used += time.process_time() - before
    speed = count / (time.monotonic() - started)
    store.close()
    backend.close()
    return used / count * 1000, speed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=30_000)
    parser.add_argument("--postgres", default="", metavar="URL", help="measure this database instead of our Vector API")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="confluence-sync-writing-") as name:
        if options.postgres:
            settings = read_settings({}, {"DATABASE_URL": options.postgres, "EMBEDDING_BACKEND": "none"}, Path(name))
            each, speed = cost(open_store_backend(settings)[0], options.chunks)
        else:
            with vector_api(Path(name)) as address:
                settings = read_settings({}, {"VECTOR_API_BASE_URL": address}, Path(name))
                each, speed = cost(open_store_backend(settings)[0], options.chunks)
    holds = each <= MOST_MS
    print(f"{'ok  ' if holds else 'MISS'} CPU ms of ours for each chunk sent: {each:.3f} (<= {MOST_MS}); {speed:.0f} chunks a second here")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
