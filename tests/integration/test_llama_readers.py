"""What was written is found by the queries that the first programs of such clusters send, under the live id."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.integration.llama_cells import Cell, params
from tests.integration.llama_scene import Scene, scene, symptom
from tests.integration.llama_servers.server import Boot

pytestmark = [pytest.mark.integration, pytest.mark.parametrize("cell", params())]
pytest_plugins = ("tests.integration.llama_servers.plugin",)
QUESTION = symptom(3)


def test_the_first_programs_find_it(cell: Cell, shared_server: Boot, tmp_path: Path) -> None:
    """/v1/vector-io/query, and the rag-tool's query where there is one, bring page 3 for a question about it; /v1/vector_io/query ours."""
    with scene(cell, shared_server(cell.version), tmp_path, f"readers-{cell.variant}-{cell.provider}", 5) as made:
        made.sync()
        if cell.variant == "underscore":
            found = asked(made, "/v1/vector_io/query", {"collection_id": made.collection, "query": QUESTION, "top_k": 3})
            assert any("Case 3" in str(row["text"]) for row in found["results"])
            return
        live = live_id(made)
        by_chunk = asked(made, "/v1/vector-io/query", {key(cell): live, "query": QUESTION, "params": {"max_chunks": 3}})
        assert any("Case 3" in str(chunk["content"]) for chunk in by_chunk["chunks"])
        if cell.version < "0.4":
            ids = "vector_db_ids" if cell.version < "0.3" else "vector_store_ids"
            context = asked(made, "/v1/tool-runtime/rag-tool/query", {"content": QUESTION, ids: [live]})
            assert "Case 3" in str(context["content"])


def key(cell: Cell) -> str:
    return "vector_db_id" if cell.version < "0.4" else "vector_store_id"


def live_id(made: Scene) -> str:
    """From the file where collections are rotated, else from the server's list of stores."""
    file = made.folder / "live.vdb"
    if file.exists():
        return file.read_text().strip()
    root = "/v1/openai/v1" if made.cell.version.startswith("0.2") else "/v1"
    stores = httpx.get(f"{made.server.url}{root}/vector_stores", params={"limit": 100}, timeout=60).json()["data"]
    return str(next(store["id"] for store in stores if store["name"] == made.collection))


def asked(made: Scene, path: str, payload: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    answer = httpx.post(f"{made.server.url}{path}", json=payload, timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, list[dict[str, object]]] = answer.json()
    return found
