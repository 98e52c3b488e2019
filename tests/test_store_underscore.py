"""The underscore adapter against the contract, on a server with every route and on one with the three oldest."""

from collections.abc import Iterator

import pytest

from confluence_sync.config import Settings
from confluence_sync.stores.base import Backend
from confluence_sync.stores.underscore import open_backend
from tests.store_contract import StoreContract
from tests.vector_api_stub import stub_api


class TestUnderscore(StoreContract):
    @pytest.fixture(params=["every route", "three routes"])
    def backend(self, request: pytest.FixtureRequest) -> Iterator[Backend]:
        with stub_api(legacy=request.param == "three routes") as api:
            backend = open_backend(Settings(vector_api_base_url=api.url, batch_size=7))
            yield backend
            backend.close()
