"""The simulator's answers against Atlassian's own interface documents, which are not part of this project.

Run by hand: OPENAPI_V2=path OPENAPI_V1=path pytest tests/test_simulator_openapi.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from confluence_sync.simulator.access import TOKEN, USER
from confluence_sync.simulator.sample import SAMPLE
from confluence_sync.simulator.server import Simulator

jsonschema = pytest.importorskip("jsonschema", reason="the interface documents are checked with jsonschema (pip install jsonschema)")

if not {"OPENAPI_V1", "OPENAPI_V2"} & set(os.environ):
    pytest.skip("the interface documents belong to Atlassian; name them to run this by hand", allow_module_level=True)

ROUTES_V2 = {
    "/spaces": "/spaces?limit=5",
    "/spaces/{id}": "/spaces/724500001",
    "/spaces/{id}/pages": "/spaces/724500001/pages?limit=250&status=current",
    "/pages": "/pages?id=72451004&id=72451801&body-format=storage",
    "/pages/{id}": "/pages/72451004?body-format=view",
    "/pages/{id}/labels": "/pages/72451004/labels",
    "/pages/{id}/ancestors": "/pages/72451006/ancestors",
    "/pages/{id}/descendants": "/pages/72451001/descendants?depth=5",
    "/pages/{id}/direct-children": "/pages/72451001/direct-children",
    "/folders/{id}": "/folders/77",
    "/folders/{id}/descendants": "/folders/77/descendants",
    "/folders/{id}/direct-children": "/folders/77/direct-children",
    "/folders/{id}/ancestors": "/folders/77/ancestors",
}
ROUTES_V1 = {
    "/rest/api/content/search": "/content/search?cql=type%3Dpage&expand=body.storage,version,space,ancestors,metadata.labels,history",
    "/rest/api/search": "/search?cql=type%3Dspace",
    "/rest/api/user/current": "/user/current",
    "/rest/api/settings/systemInfo": "/settings/systemInfo",
}


def document(name: str) -> dict[str, Any]:
    where = os.environ.get(name)
    if not where:
        pytest.skip(f"{name} does not name an interface document; these belong to Atlassian and are checked by hand")
    text = Path(where).read_text(encoding="utf-8")
    return json.loads(text) if where.endswith(".json") else yaml.safe_load(text)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(SAMPLE) as running:
        folder = {"id": "77", "type": "folder", "title": "A folder"}
        running.add({**folder, "space": {"key": "KNOWN"}})
        running.move("72451004", "77")
        yield running


def without_nulls(thing: Any) -> Any:
    """The documents say in words, not in types, what may be null; recorded answers have nulls there."""
    if isinstance(thing, dict):
        return {name: without_nulls(value) for name, value in thing.items() if value is not None}
    return [without_nulls(item) for item in thing] if isinstance(thing, list) else thing


def schema_of(doc: dict[str, Any], path: str) -> dict[str, Any]:
    operation = doc["paths"][path]["get"]
    answer = operation["responses"].get("200") or operation["responses"][200]
    return {**answer["content"]["application/json"]["schema"], "components": doc["components"]}


def conforms(doc: dict[str, Any], path: str, answer: Any) -> None:
    problems = jsonschema.Draft4Validator(schema_of(doc, path)).iter_errors(without_nulls(answer))
    assert [f"{'/'.join(map(str, p.absolute_path))}: {p.message[:200]}" for p in problems][:10] == []


@pytest.mark.parametrize("path", ROUTES_V2)
def test_an_answer_of_v2_conforms_to_the_document(simulator: Simulator, path: str) -> None:
    """Every v2 route answers what the interface document of v2 says."""
    doc = document("OPENAPI_V2")
    answer = requests.get(f"{simulator.gateway_url}/ex/confluence/{simulator.cloud_id}/wiki/api/v2{ROUTES_V2[path]}", auth=(USER, TOKEN))
    assert answer.status_code == 200
    conforms(doc, path, answer.json())


@pytest.mark.parametrize("path", ROUTES_V1)
def test_an_answer_of_v1_conforms_to_the_document(simulator: Simulator, path: str) -> None:
    """Every v1 route that Cloud keeps answers what the interface document of v1 says."""
    doc = document("OPENAPI_V1")
    answer = requests.get(f"{simulator.gateway_url}/ex/confluence/{simulator.cloud_id}/wiki/rest/api{ROUTES_V1[path]}", auth=(USER, TOKEN))
    assert answer.status_code == 200
    conforms(doc, path, answer.json())
