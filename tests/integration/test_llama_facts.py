"""docs/vector-apis.md says what each server does; here the servers are asked again, so that a version that heals is noticed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.llama_facts import Bench
from tests.integration.llama_servers.server import Boot
from tests.integration.llama_traps import TABLES

pytestmark = pytest.mark.integration
pytest_plugins = ("tests.integration.llama_servers.plugin",)
DOCS = Path(__file__).parents[2] / "docs" / "vector-apis.md"
QUICK = {("0.2.12", "sqlite-vec")}  # a row takes minutes; the others are for integration-all


RARELY = ", rarely"


def documented() -> dict[tuple[str, str], dict[str, str]]:
    """The rows of the tables whose first headings are `server` and `provider`, joined by these two."""
    told: dict[tuple[str, str], dict[str, str]] = {}
    head: list[str] = []
    for line in DOCS.read_text().splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if row[:2] == ["server", "provider"]:
            head = row
        elif not line.startswith("|"):
            head = []
        elif head and not set(line) <= set("|-: "):
            told.setdefault((row[0], row[1]), {}).update(zip(head[2:], row[2:], strict=True))
    return told


def test_the_tables_name_every_fact() -> None:
    """Together they have the columns that are measured, and ten rows."""
    table = documented()
    assert len(table) == 10
    assert all(row.keys() == {name for facts in TABLES for name in facts} for row in table.values())


@pytest.mark.parametrize(
    ("version", "provider"), [pytest.param(*row, marks=() if row in QUICK else pytest.mark.slow, id="-".join(row)) for row in documented()]
)
def test_each_fact_is_as_documented(version: str, provider: str, own_server: Boot) -> None:
    """Every cell of the row is what the server did just now."""
    server = own_server(version)
    measured = {}
    for name, fact in ((name, fact) for facts in TABLES for name, fact in facts.items()):
        with closing(Bench(server, provider)) as bench:
            measured[name] = fact(bench)
    told = documented()[(version, provider)]
    for name, said in told.items():
        if said.endswith(RARELY) and measured[name] in (said.removesuffix(RARELY), "all found"):
            measured[name] = said  # a race that the server nearly always wins
    assert measured == told
