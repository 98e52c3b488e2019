"""Serves any ASGI application of ours on 127.0.0.1 from a thread, for tests that talk to it as its users do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette

from confluence_sync.config import Settings
from confluence_sync.embed import Embedder
from confluence_sync.model import Chunk
from confluence_sync.service.app import create_app
from confluence_sync.service.syncing import SyncNow
from confluence_sync.stores.sqlite import SqliteBackend
from tests.store_contract import SAMPLE


@contextmanager
def serve_app(app: Starlette) -> Iterator[str]:
    """The base address, without a trailing slash, while the application answers there."""
    # asyncio switches Nagle's delay off only where the protocol is named; with it every answer takes 40 ms
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


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
