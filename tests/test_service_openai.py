"""The OpenAI-compatible and the Ollama routes, as their clients call them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.llm_stub import Stub, llm_stub
from tests.service_fixture import Service, serve_answers

ASKED = [{"role": "user", "content": "The journal fills the disk"}]


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with llm_stub() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, stub: Stub) -> Iterator[Service]:
    with serve_answers(
        tmp_path_factory.mktemp("state"), litellm_api_base=stub.url, litellm_model="good", pipeline_title="Wiki", rate_limit=0
    ) as running:
        yield running


@pytest.fixture
def client(service: Service, stub: Stub) -> Iterator[httpx.Client]:
    stub.seen.clear()
    with service.client() as client:
        yield client


def chunks(text: str) -> list[dict[str, object]]:
    """The JSON of every event, without the [DONE] that must end them."""
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def deltas(text: str) -> list[dict[str, object]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks(text)]  # type: ignore[index]


def test_the_model_is_listed_by_its_title(client: httpx.Client) -> None:
    """Clients show PIPELINE_TITLE."""
    [model] = client.get("/v1/models").json()["data"]
    assert (model["id"], model["name"], model["object"]) == ("confluence", "Wiki", "model")


def test_a_whole_completion(client: httpx.Client) -> None:
    """One message with the answer, a Markdown list of the cited sources, and annotations."""
    got = client.post("/v1/chat/completions", json={"model": "confluence", "messages": ASKED}).json()
    message = got["choices"][0]["message"]
    assert message["content"].startswith("Restart the print service [1].\n\n**Sources**\n\n- **1** [Page 1 › Symptoms](https://")
    assert message["annotations"][0]["type"] == "url_citation"
    assert message["annotations"][0]["url_citation"]["title"] == "Page 1 › Symptoms"
    assert (got["object"], got["choices"][0]["finish_reason"]) == ("chat.completion", "stop")


def test_a_streamed_completion(client: httpx.Client) -> None:
    """Server-sent events: role, text in pieces, annotations in the last delta, stop, [DONE]."""
    answer = client.post("/v1/chat/completions", json={"messages": ASKED, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = deltas(answer.text)
    assert told[0] == {"role": "assistant", "content": ""}
    assert "".join(str(one.get("content", "")) for one in told).startswith("Restart the print service [1].")
    assert told[-2]["annotations"][0]["url_citation"]["url"].startswith("https://")  # type: ignore[index]
    assert chunks(answer.text)[-1]["choices"][0]["finish_reason"] == "stop"  # type: ignore[index]


def test_requests_about_the_chat_get_no_retrieval(client: httpx.Client, stub: Stub) -> None:
    """Open WebUI's "### Task:" prompts go to the model as they are, without passages."""
    task = [{"role": "user", "content": "### Task:\nGenerate a title"}]
    got = client.post("/v1/chat/completions", json={"messages": task}).json()
    assert stub.seen[0]["messages"] == task
    assert got["choices"][0]["message"]["annotations"] == []


def test_requests_about_the_chat_without_a_model(tmp_path: Path) -> None:
    """Where no model is set, they get an empty answer and no error."""
    with serve_answers(tmp_path) as service, service.client() as client:
        got = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "### Task: tags"}]})
    assert got.json()["choices"][0]["message"]["content"] == ""


def test_a_follow_up_is_condensed(client: httpx.Client, stub: Stub) -> None:
    """What was said before becomes part of the question; parts of a message are joined."""
    history = [*ASKED, {"role": "assistant", "content": "Vacuum it."}, {"role": "user", "content": [{"type": "text", "text": "And then?"}]}]
    client.post("/v1/chat/completions", json={"messages": history})
    assert len(stub.seen) == 2
    assert "Last question: And then?" in str(stub.seen[0])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"messages": []}, 422),
        ({"messages": ["x"]}, 422),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 422),
        ({"messages": [{"role": "user", "content": ""}]}, 400),
        ({"messages": [{"role": "user", "content": "x" * 9000}]}, 413),
        ({"messages": ASKED, "stream": "yes"}, 422),
    ],
)
def test_completions_that_cannot_be(client: httpx.Client, body: dict[str, object], status: int) -> None:
    """Wrong requests are refused before a stream begins, with OpenAI's error shape."""
    for stream in ({}, {"stream": True}):
        answer = client.post("/v1/chat/completions", json={**stream, **body})
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


def test_a_stream_that_breaks_off_says_so(tmp_path: Path, stub: Stub) -> None:
    """The model dying in the middle ends the stream with an error event and [DONE]."""
    with serve_answers(tmp_path, litellm_api_base=stub.url + "/v1", litellm_model="die") as service, service.client() as client:
        told = chunks(client.post("/v1/chat/completions", json={"messages": ASKED, "stream": True}).text)
    assert "broke off" in told[-1]["error"]["message"]  # type: ignore[index]


def test_the_ollama_bots_chat(client: httpx.Client) -> None:
    """Without `stream` the older reply with choices; with it JSON lines that end in done."""
    whole = client.post("/api/chat", json={"model": "llama3.2:1b", "messages": ASKED}).json()
    assert (whole["object"], whole["model"]) == ("chat.completion", "llama3.2:1b")
    assert whole["choices"][0]["message"]["content"].startswith("Restart the print service [1].")
    lines = [json.loads(line) for line in client.post("/api/chat", json={"messages": ASKED, "stream": True}).text.splitlines()]
    assert "".join(line["message"]["content"] for line in lines).startswith("Restart the print service")
    assert [line["done"] for line in lines][-1] is True


def test_the_ollama_bots_generate(client: httpx.Client) -> None:
    """A prompt is answered under `response`."""
    assert client.post("/api/generate", json={"model": "m", "prompt": "journal disk"}).json()["response"].startswith("Restart")
    lines = client.post("/api/generate", json={"prompt": "journal disk", "stream": True}).text.splitlines()
    assert json.loads(lines[-1])["done"] is True


def test_the_ollama_bots_models(client: httpx.Client) -> None:
    """The models of the Ollama behind are listed with a size, and loaded on request."""
    models = client.get("/api/models").json()["models"]
    assert {"name": "good", "size": "0.0GB"} in models
    assert client.post("/api/pull", json={"name": "good"}).json() == {"status": "success"}
    failed = client.post("/api/pull", json={"model": "nope"})
    assert (failed.status_code, "does not exist" in failed.json()["detail"]) == (502, True)


def test_pulling_needs_an_ollama(tmp_path: Path) -> None:
    """Without an Ollama behind, the setting to change is named."""
    with serve_answers(tmp_path) as service, service.client() as client:
        assert "LITELLM_API_BASE" in client.post("/api/pull", json={"name": "x"}).json()["detail"]
        assert client.get("/api/models").json() == {"models": []}
