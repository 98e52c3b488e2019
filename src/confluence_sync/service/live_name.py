"""The name under which a collection is live now: stores that cannot delete are filled anew under new names."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from confluence_sync.config import Settings
from confluence_sync.database import open_database
from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.live import rotates
from confluence_sync.stores.base import Backend

KEPT_FOR = 5.0  # seconds a name is used before it is looked up again


def live_name(settings: Settings, backend: Backend, name: str) -> Callable[[], str]:
    """Looks the name up each time it is asked for, as a rotation may have changed it: in LIVE_COLLECTION_FILE, else in the state."""
    if not rotates(backend.features):
        return lambda: name
    found, at = name, float("-inf")

    def live() -> str:
        nonlocal found, at
        if time.monotonic() - at > KEPT_FOR:
            found, at = _from_file(settings) or _from_state(settings, f"{backend.name}:{name}") or name, time.monotonic()
        return found

    return live


def _from_file(settings: Settings) -> str:
    try:
        return settings.live_collection_file.read_text(encoding="utf-8").strip() if settings.live_collection_file else ""
    except OSError:
        return ""


def _from_state(settings: Settings, target: str) -> str:
    address = settings.state_url.reveal() or settings.database_url.reveal()
    if not address and not (settings.state_dir / "state.db").is_file():
        return ""
    try:
        with closing(open_database(settings.state_dir, address)) as database:
            rows = database.rows("select name from generation where target = ? and status = 'live'", [target])
    except ConfluenceSyncError:
        return ""
    return str(rows[0][0]) if rows else ""
