"""Serves any ASGI application of ours on 127.0.0.1 from a thread, for tests that talk to it as its users do."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette

from confluence_sync.config import Settings
from confluence_sync.database import open_database
from confluence_sync.embed import Embedder
from confluence_sync.model import Chunk
from confluence_sync.service.app import create_app
from confluence_sync.service.syncing import SyncNow
from confluence_sync.state import Binding, State
from confluence_sync.stores.sqlite import SqliteBackend
from tests.store_contract import SAMPLE


@contextmanager
def serve_app(app: Starlette) -> Iterator[str]:
    """The base address, without a trailing slash, while the application answers there."""
    # asyncio switches Nagle's delay off only where the protocol is named; with it every answer takes 40 ms
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2))
    loop, up, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serving(server, listening, up, stop)), daemon=True)
    thread.start()
    try:
        assert up.wait(20)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
        listening.close()


async def _serving(server: uvicorn.Server, listening: socket.socket, up: threading.Event, stop: asyncio.Event) -> None:
    """As Server.serve() does, without its tenths of a second of waiting, which hundreds of tests would wait for."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([listening])
    up.set()
    await stop.wait()
    await server.shutdown([listening])
    await asyncio.get_running_loop().shutdown_default_executor()


def remember_runs(folder: Path) -> None:
    """A state with a few runs and one space, as a sync leaves it."""
    state = State(open_database(folder, ""))
    for day, changed in enumerate((40, 3, 0, 7, 2, 0, 1, 12, 4), start=10):
        pages = {"listed": 40, "new": changed, "changed": 0, "retagged": 0, "unchanged": 40 - changed, "deleted": 0, "failed": 0}
        report = {"started": f"2026-11-{day}T02:00:00Z", "seconds": 3.2, "exit": 0, "pages": pages, "chunks": {"kept": 120}, "held": []}
        state.note_run(str(report["started"]), json.dumps(report))
    state.bind(Binding("s", "t", "KNOWN", "1", "KNOWN", "space KNOWN", ""))
    listing = "insert into listing (scope, page_id, version, title, parent_id, updated_at, fingerprint, inside) "
    state.database.run(listing + "values ('s', '1', 1, 'x', '', '2024-03-01T00:00:00Z', '', 1)")
    state.close()


@contextmanager
def serve_vector_api(folder: Path, embedder: Embedder | None = None, **settings: object) -> Iterator[str]:
    """The reference Vector API over a fresh store in `folder`; its base address."""
    backend = SqliteBackend(folder / "store.db", embedder)
    with serve_app(create_app(Settings(state_dir=folder, **settings), backend)) as base:  # type: ignore[arg-type]  # a test's own settings
        yield base
    backend.close()


@dataclass
class Service:
    """A running service: its address, the store it answers from, and its STATE_DIR."""

    base: str
    backend: SqliteBackend
    folder: Path

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.base, timeout=20, headers=headers)


@contextmanager
def serve_answers(folder: Path, chunks: Sequence[Chunk] = SAMPLE, sync_now: SyncNow | None = None, **settings: object) -> Iterator[Service]:
    """The whole service over an embedded store with a few chunks."""
    backend = SqliteBackend(folder / "store.db")
    backend.open("confluence").write(chunks)
    chosen = Settings(state_dir=folder, **settings)  # type: ignore[arg-type]  # a test's own settings
    with serve_app(create_app(chosen, backend, sync_now=sync_now)) as base:
        yield Service(base, backend, folder)
    backend.close()
