"""What a store holds, chunk for chunk, and what a fresh sync of the same space would put there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from confluence_sync.model import MetadataValue
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.base import Store
from confluence_sync.stores.memory import MemoryBackend, MemoryStore
from confluence_sync.stores.sqlite import SqliteStore
from tests.torture.world import settings_for, strike, sync_once

Contents = dict[str, tuple[str, dict[str, MetadataValue]]]


def contents(store: Store) -> Contents:
    """Chunk id -> (text, metadata)."""
    texts = _texts(store)
    return {chunk_id: (texts[chunk_id], metadata) for chunk_id, metadata in listed(store).items()}


def listed(store: Store) -> dict[str, dict[str, MetadataValue]]:
    """Chunk id -> metadata, of any store that can list."""
    found = [(one.chunk_id, one.metadata.as_dict() if one.metadata else {}) for one in store.ids()]
    assert len(found) == len(dict(found)), "a chunk is there twice"
    return dict(found)


def _texts(store: Store) -> dict[str, str]:
    if isinstance(store, MemoryStore):
        return {chunk.id: chunk.text for chunk in store.chunks.values()}
    assert isinstance(store, SqliteStore)
    return {str(i): str(text) for i, text in store.connections.mine().execute(f"SELECT id, text FROM chunks_{store.number}")}


def fresh(simulator: Simulator, kind: str = "v2", **settings: str) -> Contents:
    """What an empty store and an empty state become from the space as it is now, without any fault."""
    strike(simulator, kind)
    with tempfile.TemporaryDirectory() as folder:
        backend = MemoryBackend()
        report = sync_once(settings_for(simulator, Path(folder), kind, **settings), backend)
        assert report.exit == 0, report.summary()
        return contents(backend.open("confluence"))


def without(found: Contents, names: frozenset[str]) -> Contents:
    """The contents with these names left out of every chunk's metadata."""
    return {i: (text, {name: value for name, value in about.items() if name not in names}) for i, (text, about) in found.items()}


def difference(found: Contents, wanted: Contents) -> str:
    """ "" when both are the same, else how many chunks are missing, too many or different, with the first of each."""
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    other = sorted(i for i in found.keys() & wanted.keys() if found[i] != wanted[i])
    named = [(wanted, "missing", missing), (found, "extra", extra), (found, "different", other)]
    return "; ".join(f"{len(ids)} {word} ({where[ids[0]][1].get('title')!r})" for where, word, ids in named if ids)
