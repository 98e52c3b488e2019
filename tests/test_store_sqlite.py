"""The embedded store against the contract, and what it does with files that are not as they should be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.stores.sqlite import SqliteBackend
from tests.store_contract import StoreContract


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SqliteBackend]:
    opened = SqliteBackend(tmp_path / "state" / "store.db")
    yield opened
    opened.close()


class TestSqlite(StoreContract):
    """Nothing of its own: the contract."""
