"""The vector-stores adapter against the contract, on a stub that flattens, pages and processes late; real servers: see integration."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.stores.base import Backend
from confluence_sync.stores.vector_stores import open_backend
from tests.store_contract import StoreContract
from tests.vector_api_stub import stub_api
from tests.vector_stores_stub import StubStores


class TestVectorStores(StoreContract):
    @pytest.fixture(params=["faiss", "sqlite-vec"])
    def backend(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
        with stub_api(StubStores, slow=True, flattens=request.param == "faiss") as api:
            backend = open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path, vector_db_provider=request.param))
            yield backend
            backend.close()
