"""The memory store against the contract."""

import pytest

from confluence_sync.stores.memory import MemoryBackend
from tests.store_contract import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def backend(self) -> MemoryBackend:
        return MemoryBackend()
