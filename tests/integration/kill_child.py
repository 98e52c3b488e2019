"""Replaces a page without end, to be killed: python -m tests.integration.kill_child KIND ADDRESS."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from confluence_sync.model import Chunk
from confluence_sync.stores.base import Backend
from tests.store_contract import chunk
from tests.word_embedder import WordEmbedder

CHUNKS = 6
COLLECTION = "killed"


def backend(kind: str, address: str) -> Backend:
    """A store of this kind with the test embedder."""
    if kind == "sqlite":
        from confluence_sync.stores.sqlite import SqliteBackend

        return SqliteBackend(Path(address), WordEmbedder())
    if kind == "pgvector":
        from confluence_sync.stores.pgvector import PgvectorBackend

        return PgvectorBackend(address, WordEmbedder())
    from confluence_sync.stores.milvus import MilvusBackend

    return MilvusBackend(address, WordEmbedder())


def page(version: int) -> list[Chunk]:
    """The chunks of one version of the page; no two versions share one."""
    texts = [f"Known Issues > Page\n\nversion {version} chunk {i} " + "some more words " * 40 for i in range(CHUNKS)]
    return [chunk("1", text, index=i, count=CHUNKS, version=version) for i, text in enumerate(texts)]


def main() -> None:
    store = backend(*sys.argv[1:3]).open(COLLECTION)
    old = [stored.chunk_id for stored in store.ids()]
    start = max((stored.metadata.version for stored in store.ids() if stored.metadata), default=0)
    print("ready", flush=True)
    for version in count(start + 1) if len(sys.argv) < 4 else ():
        new = page(version)
        with store.transaction():
            store.write(new)
            store.delete(old)
        old = [each.id for each in new]
        print(version, flush=True)


if __name__ == "__main__":
    main()
