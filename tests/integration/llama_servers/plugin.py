"""Fixtures of the real-server tests: each (version, default provider) is booted once a session, when first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.llama_servers.install import NoPython
from tests.integration.llama_servers.server import Boot, LlamaServer, ReferenceServer


def started(version: str, folder: Path, **more: Any) -> LlamaServer:
    """A running server, with more of LlamaServer's fields; on a machine without a Python for it the test is skipped, and says so."""
    kind = ReferenceServer if version == "reference" else LlamaServer
    try:
        return kind(version, folder, **more).start()
    except NoPython as why:
        pytest.skip(f"Llama Stack {version} {why}")


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """A server that other tests use too: name collections of your own, and do not stop it."""
    running: dict[str, LlamaServer] = {}

    def boot(version: str, **more: Any) -> LlamaServer:
        assert not more, "a shared server is as every other"
        if version not in running:
            running[version] = started(version, tmp_path_factory.mktemp(f"llama-{version}"))
        return running[version]

    yield boot
    for server in running.values():
        server.stop()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """A server that belongs to one test, to be restarted, killed and emptied."""
    running: list[LlamaServer] = []

    def boot(version: str, *, state: Path | None = None, **more: Any) -> LlamaServer:
        running.append(started(version, state or tmp_path_factory.mktemp(f"own-{version}"), **more))
        return running[-1]

    yield boot
    for server in running:
        server.stop()
