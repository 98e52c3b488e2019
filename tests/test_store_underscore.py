"""The underscore adapter against the contract: on our reference server, on a stub with every route and on one with the three oldest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.stores.base import Backend
from confluence_sync.stores.underscore import open_backend
from tests.service_fixture import serve_vector_api
from tests.store_contract import StoreContract
from tests.vector_api_stub import stub_url


class TestUnderscore(StoreContract):
    @pytest.fixture(params=["reference", "every route", "three routes"])
    def backend(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
        with serve_vector_api(tmp_path) if request.param == "reference" else stub_url(legacy=request.param == "three routes") as url:
            backend = open_backend(Settings(vector_api_base_url=url, batch_size=7))
            yield backend
            backend.close()
