"""Fixtures of the real-server tests: each (version, default provider) is booted once a session, when first asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.llama_servers.server import Boot, LlamaServer


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """A server that other tests use too: name collections of your own, and do not stop it."""
    running: dict[str, LlamaServer] = {}

    def boot(version: str) -> LlamaServer:
        if version not in running:
            running[version] = LlamaServer(version, tmp_path_factory.mktemp(f"llama-{version}")).start()
        return running[version]

    yield boot
    for server in running.values():
        server.stop()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """A server that belongs to one test, to be restarted, killed and emptied."""
    running: list[LlamaServer] = []

    def boot(version: str) -> LlamaServer:
        running.append(LlamaServer(version, tmp_path_factory.mktemp(f"own-{version}")).start())
        return running[-1]

    yield boot
    for server in running:
        server.stop()
