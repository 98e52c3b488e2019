"""Opens the collection that the settings mean, the live one where a store is rotated, for verbs that only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from confluence_sync.config import Settings
from confluence_sync.stores.base import Store


@contextmanager
def opened_collection(settings: Settings) -> Iterator[Store]:
    from confluence_sync.live import open_to_read
    from confluence_sync.stores.detect import collection_name, open_store_backend

    backend, detection = open_store_backend(settings)
    with closing(backend), closing(open_to_read(settings, backend, collection_name(settings, detection.variant))) as store:
        yield store
