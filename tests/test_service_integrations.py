"""What is shipped for other programs: the Pipelines file as its host loads it, and the n8n workflow, step by step."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import GeneratorType
from typing import Any

import httpx
import pytest

from confluence_sync.service.syncing import Asked, Outcome
from confluence_sync.settings_kinds import Secret
from tests.llm_stub import llm_stub
from tests.service_fixture import Service, serve_answers

pytest.importorskip("pydantic", reason="the Pipelines host brings pydantic; the service itself does not need it")

ROOT = Path(__file__).parent.parent
PIPELINE, WORKFLOW = ROOT / "integrations" / "open_webui_pipeline.py", ROOT / "integrations" / "n8n-confluence-sync.json"
ASKED = [{"role": "user", "content": "The journal fills the disk"}]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with (
        llm_stub() as stub,
        serve_answers(
            tmp_path, litellm_api_base=stub.url + "/v1", litellm_model="good", api_key=Secret("k"), sync_now=synced, rate_limit=0
        ) as running,
    ):
        yield running


def synced(asked: Asked, started: Callable[..., None]) -> Outcome:
    """A sync of three spaces, one of which cannot be read."""
    assert asked.spaces == ("ENG", "QA", "OPS")
    return Outcome(3, {"pages": {"new": 4, "unchanged": 9}, "spaces": [{"error": "space OPS is not visible"}]}, "space OPS is not visible")


def loaded(valves: dict[str, object]) -> Any:
    """A Pipeline as the host makes it: from its file, with the values an administrator saved laid over the defaults."""
    spec = importlib.util.spec_from_file_location("open_webui_pipeline", PIPELINE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pipeline = module.Pipeline()
    pipeline.valves = pipeline.valves.__class__(**{**pipeline.valves.model_dump(), **valves})
    asyncio.run(pipeline.on_startup())
    return pipeline


def asked(pipeline: Any, stream: bool) -> Any:
    """As the host calls it, with everything by name."""
    body = {"model": pipeline.id, "messages": ASKED, "stream": stream}
    return pipeline.pipe(user_message=ASKED[-1]["content"], model_id=pipeline.id, messages=ASKED, body=body)


def test_the_pipeline_streams_events(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is lines the host passes on, citations included, without the end that the host adds itself."""
    monkeypatch.setenv("PIPELINE_TITLE", "Notre Wiki")
    pipeline = loaded({"SERVICE_URL": service.base, "API_KEY": "k", "TOP_K": 2, "SPACE": "KNOWN"})
    assert (pipeline.name, pipeline.id) == ("Notre Wiki", "notre-wiki")
    answer = asked(pipeline, stream=True)
    assert isinstance(answer, GeneratorType)
    lines = list(answer)
    assert all(line.startswith("data: {") for line in lines)
    deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in lines]
    assert "".join(delta.get("content", "") for delta in deltas).startswith("Restart the print service [1].")
    assert any("annotations" in delta for delta in deltas)
    asyncio.run(pipeline.on_shutdown())


def test_the_pipeline_answers_whole(service: Service) -> None:
    """Without a stream the host joins what it gets, so it gets text."""
    pipeline = loaded({"SERVICE_URL": service.base + "/", "API_KEY": "k"})
    assert asked(pipeline, stream=False).startswith("Restart the print service [1].")


def test_the_pipeline_says_what_is_wrong(service: Service) -> None:
    """A wrong key, an unknown address and a wrong space are told in the chat."""
    assert "401" in asked(loaded({"SERVICE_URL": service.base, "API_KEY": "wrong"}), stream=True)
    assert "cannot be reached" in asked(loaded({"SERVICE_URL": "http://127.0.0.1:9"}), stream=True)
    assert "top_k" in asked(loaded({"SERVICE_URL": service.base, "API_KEY": "k", "TOP_K": 0}), stream=False)


def test_the_pipeline_needs_nothing_from_the_network() -> None:
    """No requirements line: the host would install from it at every start."""
    head = PIPELINE.read_text().split('"""')[1]
    assert "requirements" not in head
    assert "title: Confluence" in head


def evaluated(template: object, json_in: dict[str, object], env: dict[str, str]) -> object:
    """The few n8n expressions that the workflow uses, worked out."""
    if not isinstance(template, str) or not template.startswith("="):
        return template
    values = {**{f"$json.{key}": value for key, value in json_in.items()}, **{f"$env.{key}": value for key, value in env.items()}}
    whole = re.fullmatch(r"=\{\{\s*(\$[\w.]+)\s*\}\}", template)
    if whole:
        return values.get(whole[1])
    return re.sub(r"\{\{\s*(\$[\w.]+)\s*\}\}", lambda match: str(values.get(match[1], "")), template[1:])


def test_the_n8n_workflow_step_by_step(service: Service) -> None:
    """From the schedule along the connections: POST with a key, the counts, the branch, the message."""
    flow = json.loads(WORKFLOW.read_text())
    nodes = {node["name"]: node for node in flow["nodes"]}

    def following(name: str, output: int = 0) -> str:
        return str(flow["connections"][name]["main"][output][0]["node"])

    [trigger] = [name for name, node in nodes.items() if node["type"].endswith("scheduleTrigger")]
    request = nodes[following(trigger)]["parameters"]
    [header] = request["headerParameters"]["parameters"]
    body = re.fullmatch(r"=\{\{ JSON\.stringify\((.*)\) \}\}", request["jsonBody"])
    assert body
    sent = json.loads(re.sub(r"(\w+):", r'"\1":', body[1]))
    answer = httpx.request(
        request["method"],
        request["url"].replace("http://api:8080", service.base),
        headers={header["name"]: str(evaluated(header["value"], {}, {"CONFLUENCE_SYNC_KEY": "k"}))},
        json=sent,
        timeout=20,
    )
    got = answer.json()
    assert (answer.status_code, got["status"], got["synced"], got["skipped"], got["failed"]) == (200, "complete", 4, 9, 1)
    branch = nodes[following(following(trigger))]
    [condition] = branch["parameters"]["conditions"]["number"]
    assert evaluated(condition["value1"], got, {}) == 1 > condition["value2"]
    message = nodes[following(branch["name"])]["parameters"]["text"]
    assert evaluated(message, got, {}) == "Confluence sync: 1 failed. Synced: 4, skipped: 9. space OPS is not visible"
    assert flow["connections"][branch["name"]]["main"][1] == []
