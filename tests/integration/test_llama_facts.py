"""docs/vector-apis.md says what each server does; here the servers are asked again, so that a version that heals is noticed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.llama_facts import FACTS, Bench
from tests.integration.llama_servers.server import Boot

pytestmark = pytest.mark.integration
pytest_plugins = ("tests.integration.llama_servers.plugin",)
DOCS = Path(__file__).parents[2] / "docs" / "vector-apis.md"
QUICK = {("0.2.12", "sqlite-vec"), ("0.2.23", "faiss"), ("ogx-1.5.0", "sqlite-vec")}


def documented() -> dict[tuple[str, str], dict[str, str]]:
    """The rows of the table whose first heading is `server`, by (version, provider)."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in DOCS.read_text().splitlines() if line.startswith("|")]
    heads = [i for i, row in enumerate(rows) if row[:2] == ["server", "provider"]]
    table = rows[heads[0] + 2 :]
    return {(row[0], row[1]): dict(zip(rows[heads[0]][2:], row[2:], strict=True)) for row in table if len(row) == len(FACTS) + 2}


def test_the_table_names_every_fact() -> None:
    """The table has the columns that are measured, and ten rows."""
    table = documented()
    assert len(table) == 10
    assert all(list(row) == list(FACTS) for row in table.values())


@pytest.mark.parametrize(
    ("version", "provider"), [pytest.param(*row, marks=() if row in QUICK else pytest.mark.slow, id="-".join(row)) for row in documented()]
)
def test_each_fact_is_as_documented(version: str, provider: str, own_server: Boot) -> None:
    """Every cell of the row is what the server did just now."""
    server = own_server(version)
    measured = {}
    for name, fact in FACTS.items():
        with closing(Bench(server, provider)) as bench:
            measured[name] = fact(bench)
    assert measured == documented()[(version, provider)]
