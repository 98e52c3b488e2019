"""The contract, over every variant on every real server that has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.stores.base import Backend
from tests.integration.llama_cells import Cell, params
from tests.integration.llama_servers.server import Boot
from tests.store_contract import StoreContract

pytestmark = pytest.mark.integration
pytest_plugins = ("tests.integration.llama_servers.plugin",)


@pytest.mark.parametrize("cell", params(), scope="class")
class TestOnRealServers(StoreContract):
    @pytest.fixture
    def backend(self, cell: Cell, shared_server: Boot, tmp_path: Path) -> Iterator[Backend]:
        backend = cell.open(shared_server(cell.version).url, tmp_path)
        yield backend
        backend.close()
