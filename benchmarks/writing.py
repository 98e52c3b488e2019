"""What sending chunks costs us, without what the store does with them.

    python -m benchmarks.writing [--chunks N] [--postgres URL | --llama VERSION]

--llama boots a real Llama Stack or OGX of that version (0.2.12, 0.3.5, 0.7.3, ...) with a stand-in model; 1,000 chunks are enough for it.
Each run writes its row of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.document import circumstances, rows_of, table, write_section
from benchmarks.installed import as_installed
from benchmarks.night import vector_api
from confluence_sync.model import Chunk, Metadata, digest
from confluence_sync.patch import CHUNKS_AT_ONCE
from confluence_sync.settings_files import read_settings
from confluence_sync.stores.base import Backend, requests_of
from confluence_sync.stores.detect import open_store_backend

MOST_MS = 0.15  # CPU milliseconds of ours for each chunk
TITLE = "Sending"
HEAD = ("store", "chunks", "CPU ms of ours a chunk", "bound", "holds", "requests", "chunks a second there")
WORDS = ("journal", "replica", "ledger", "kestrel", "queue", "certificate", "node", "volume", "timeout", "retry", "pod", "broker")


def some_chunks(count: int) -> Iterator[list[Chunk]]:
    """Chunks of about 3 KB, as many at a time as a run hands over."""
    for start in range(0, count, CHUNKS_AT_ONCE):
        yield [_chunk(number) for number in range(start, min(start + CHUNKS_AT_ONCE, count))]


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


@contextmanager
def destination(folder: Path, options: argparse.Namespace) -> Iterator[dict[str, str]]:
    """The settings of a store that runs until the block ends."""
    if options.postgres:
        yield {"DATABASE_URL": options.postgres, "EMBEDDING_BACKEND": "none"}
    elif options.llama:
        from tests.integration.llama_servers.server import LlamaServer

        server = LlamaServer(options.llama, folder / "served")
        server.state.mkdir()
        try:
            yield {"LLAMA_BASE_URL": server.start().url}
        finally:
            server.stop()
    else:
        with vector_api(folder) as address:
            yield {"VECTOR_API_BASE_URL": address}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=0)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--postgres", default="", metavar="URL", help="measure this database instead of our Vector API")
    where.add_argument("--llama", default="", metavar="VERSION", help="measure a real Llama Stack or OGX")
    options = parser.parse_args()
    as_installed()
    count = options.chunks or (1000 if options.llama else 30_000)
    with tempfile.TemporaryDirectory(prefix="confluence-sync-writing-") as name, destination(Path(name), options) as wanted:
        (Path(name) / "state").mkdir()
        settings = read_settings({}, {"STATE_DIR": str(Path(name) / "state"), **wanted}, Path(name))
        backend = open_store_backend(settings)[0]
        each, speed = cost(backend, count)
    holds = each <= MOST_MS
    told = f"{count} chunks, {backend.name}: {each:.3f} CPU ms of ours for each (<= {MOST_MS})"
    print(f"{'ok  ' if holds else 'MISS'} {told}; {requests_of(backend)} requests, {speed:.0f} chunks a second here")
    store = f"{backend.name}{f' (Llama Stack {options.llama})' if options.llama else ''}"
    _write([store, str(count), f"{each:.3f}", f"<= {MOST_MS}", "yes" if holds else "no", str(requests_of(backend)), f"{speed:.0f}"])
    return 0 if holds else 1


def _write(row: list[str]) -> None:
    rows = {**rows_of(TITLE), row[0]: row}
    place = circumstances().partition(";")[0]
    command = f"Each row written by `python -m benchmarks.writing`; CPU of the sending process. The last row: {place}."
    write_section(TITLE, f"{command}\n\n{table(HEAD, list(rows.values()))}")


if __name__ == "__main__":
    sys.exit(main())
