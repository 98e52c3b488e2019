"""`sync --rebuild` with another embedding model, in the embedded store."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from confluence_sync.stores.sqlite import SqliteBackend
from tests.rebuilding import Connect, RebuildContract, Scene

EVERY = 15  # effects; another fifteenth each day
FIRST = 1 + date.today().toordinal() % EVERY


class TestSqlite(RebuildContract):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Connect:
        return lambda model: SqliteBackend(tmp_path / "store.db", model)

    @pytest.mark.parametrize(
        ("at", "when"), [(11, "halfway"), (42, "before"), (42, "after"), (43, "after"), *((at, "after") for at in range(FIRST, 45, EVERY))]
    )
    def test_a_cut_rebuild_goes_on(self, filled: Scene, at: int, when: str) -> None:
        """Before and after the exchange itself (the 42nd of 44 effects), and a part of all others."""
        super().test_a_cut_rebuild_goes_on(filled, at, when)
