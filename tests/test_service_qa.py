"""Questions, syncs and history over HTTP, in every shape that older programs send."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from confluence_sync.config import Settings
from confluence_sync.service.app import create_app
from confluence_sync.service.syncing import Asked, Outcome
from confluence_sync.stores.sqlite import SqliteBackend
from tests.llm_stub import Stub, llm_stub
from tests.service_fixture import Service, serve_answers, serve_app
from tests.store_contract import SAMPLE
from tests.word_embedder import WordEmbedder

DISK = {"question": "The journal fills the disk"}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with llm_stub() as running:
        yield running


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory, stub: Stub) -> Iterator[Service]:
    """A service with a model."""
    with serve_answers(
        tmp_path_factory.mktemp("state"), litellm_api_base=stub.url + "/v1", litellm_model="good", rate_limit=0, llm_timeout=2
    ) as service:
        yield service


@pytest.fixture(scope="module")
def retrieving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without a model."""
    with serve_answers(tmp_path_factory.mktemp("state"), rate_limit=0) as service:
        yield service


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    found = []
    for one in text.strip().split("\n\n"):
        name, data = one.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_a_question_is_answered_with_sources(answering: Service) -> None:
    """The older question service's request gets its answer, its sources with links, and the counts it reads."""
    with answering.client() as client:
        got = client.post("/api/query", json=DISK).json()
    assert got["answer"] == "Restart the print service [1]."
    assert got["sources"][0]["url"].startswith("https://example.atlassian.net/wiki/")
    assert {"title", "url", "heading", "updated_at", "excerpt"} <= got["sources"][0].keys()
    assert got["sources"][0]["cited"] is True
    assert got["chunks_used"] >= 1
    assert isinstance(got["latency_ms"], int)
    assert got["answered_by"] == "model"


def test_without_a_model_the_answer_says_so(retrieving: Service) -> None:
    """Retrieval only: the best passages, plainly called that, in the language of the question."""
    with retrieving.client() as client:
        english = client.post("/api/query", json=DISK).json()
        french = client.post("/api/query", json={"query": "l’imprimante n’est pas trouvée"}).json()
    assert english["answered_by"] == "retrieval"
    assert english["answer"].startswith("No language model is set up")
    assert french["answer"].startswith("Aucun modèle de langage")
    assert french["sources"][0]["space"] == "FR"


def test_the_angular_client_gets_its_contexts(retrieving: Service) -> None:
    """POST /query answers with contexts and a timestamp."""
    with retrieving.client() as client:
        got = client.post("/query", json={"session_id": "default", "query": "journal disk", "top_k": 1}).json()
    assert set(got) == {"answer", "contexts", "timestamp"}
    assert set(got["contexts"][0]) == {"id", "source", "content", "metadata"}
    assert len(got["contexts"]) == 1


def test_one_space_can_be_asked(retrieving: Service) -> None:
    """`space` leaves out the others."""
    with retrieving.client() as client:
        assert client.post("/api/query", json={"question": "disk journal", "space": "FR"}).json()["sources"] == []
        assert client.post("/api/query", json={"question": "disk journal", "space": "KNOWN"}).json()["sources"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"question": ""}, 400, "empty"),
        ({"question": "  \n"}, 400, "empty"),
        ({}, 400, "empty"),
        ({"question": 7}, 400, "empty"),
        ({"question": "x" * 100_000}, 413, "100000"),
        ({"question": "x", "top_k": 0}, 422, "top_k"),
        ({"question": "x", "top_k": 10**9}, 422, "top_k"),
        ({"question": "x", "top_k": "many"}, 422, "top_k"),
        ({"question": "x", "space": ["A"]}, 422, "space"),
        ({"question": "x", "session_id": "s" * 300}, 422, "session_id"),
    ],
)
@pytest.mark.parametrize("route", ["/api/query", "/query", "/api/ask"])
def test_what_cannot_be_asked(retrieving: Service, route: str, body: object, status: int, words: str) -> None:
    """A wrong request gets a status and a sentence that names what is wrong, on every route."""
    with retrieving.client() as client:
        answer = client.post(route, json=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_an_answer_streams(answering: Service) -> None:
    """The page's route tells sources first, then text, then which sources are cited."""
    with answering.client() as client:
        answer = client.post("/api/ask", json=DISK)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    assert told[0][0] == "sources"
    assert "".join(str(data["text"]) for name, data in told if name == "text") == "Restart the print service [1]."
    assert told[-1] == ("done", {"cited": [1], "by_model": True})


@pytest.mark.parametrize(
    ("model", "status", "words"), [("hang", 502, "LLM_TIMEOUT"), ("garbage", 502, "JSON"), ("die", 502, "broke off"), ("nope", 502, "nope")]
)
def test_a_model_that_fails_is_said(tmp_path: Path, stub: Stub, model: str, status: int, words: str) -> None:
    """A model that hangs, breaks off, talks garbage or is missing: an error that says so, streamed or not, and the service lives on."""
    stub.gone.clear()
    with (
        serve_answers(tmp_path, litellm_api_base=stub.url + "/v1", litellm_model=model, llm_timeout=1) as service,
        service.client() as client,
    ):
        whole = client.post("/api/query", json=DISK)
        streamed = events(client.post("/api/ask", json=DISK).text)
        assert (whole.status_code, words in whole.json()["detail"]) == (status, True), whole.text
        assert streamed[-1][0] == "error"
        assert words in str(streamed[-1][1]["detail"])
        assert client.get("/api/health").json() == {"status": "ok"}


@pytest.mark.parametrize("route", ["/api/query", "/api/ask"])
def test_a_reader_who_leaves_stops_the_model(tmp_path: Path, stub: Stub, route: str) -> None:
    """When the client disconnects while the model is silent, the request to the model is closed at once."""
    stub.gone.clear()
    with serve_answers(tmp_path, litellm_api_base=stub.url + "/v1", litellm_model="hang", llm_timeout=60) as service:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(service.base + route, json=DISK, timeout=0.5).raise_for_status()
        assert stub.gone.wait(5)


def test_a_conversation_is_remembered(tmp_path: Path, stub: Stub) -> None:
    """History survives a restart, feeds the next question, belongs to its session, and can be cleared."""
    settings = {"litellm_api_base": stub.url + "/v1", "litellm_model": "good"}
    with serve_answers(tmp_path, **settings) as service, service.client() as client:
        client.post("/api/query", json={**DISK, "session_id": "s1"})
    with serve_answers(tmp_path, **settings) as service, service.client() as client:
        stub.seen.clear()
        client.post("/api/query", json={"question": "And on Debian?", "session_id": "s1"})
        assert "Last question: And on Debian?" in str(stub.seen[0])
        assert "The journal fills the disk" in str(stub.seen[0])
        turns = client.get("/api/history", params={"session_id": "s1"}).json()["turns"]
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant"]
        assert turns[1]["sources"]
        assert client.get("/api/history", params={"session_id": "other"}).json()["turns"] == []
        assert client.delete("/api/history", params={"session_id": "s1"}).json() == {"deleted": 4}
        assert client.get("/api/history", params={"session_id": "s1"}).json()["turns"] == []
    assert (tmp_path / "service.db").stat().st_mode & 0o077 == 0


def test_history_can_be_switched_off(tmp_path: Path) -> None:
    """KEEP_HISTORY=0 keeps nothing, and the session that everybody shares is never kept."""
    with serve_answers(tmp_path, keep_history=False) as service, service.client() as client:
        client.post("/api/query", json={**DISK, "session_id": "s1"})
        assert client.get("/api/history", params={"session_id": "s1"}).json()["turns"] == []
    with serve_answers(tmp_path) as service, service.client() as client:
        client.post("/query", json={"query": "disk", "session_id": "default"})
        assert client.get("/api/history", params={"session_id": "default"}).json()["turns"] == []


def test_questions_are_logged_only_on_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """QUERY_LOG gets question and answer; without it, and in the log at INFO, there is none of either."""
    caplog.set_level("INFO")
    file = tmp_path / "log.jsonl"
    with serve_answers(tmp_path, query_log=file) as service, service.client() as client:
        client.post("/api/query", json={"question": "secretword disk"})
    assert json.loads(file.read_text())["question"] == "secretword disk"
    assert "/api/query 200" in caplog.text
    assert "secretword" not in caplog.text


class Syncing:
    """A sync that ends when it is told to, with the outcome it is given."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.go = threading.Event()
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked, started: Callable[..., None]) -> Outcome:
        self.asked.append(asked)
        self.go.wait(10)
        return self.outcome


PAGES = {"new": 2, "changed": 1, "retagged": 1, "unchanged": 35, "deleted": 3, "failed": 1}


def test_a_sync_answers_when_it_has_ended(tmp_path: Path) -> None:
    """The counts are those the older workflow reads; an unreadable space is one failure."""
    syncing = Syncing(Outcome(3, {"pages": PAGES, "spaces": [{"key": "A", "error": "no access"}, {"key": "B", "error": ""}]}, "no access"))
    syncing.go.set()
    with serve_answers(tmp_path, sync_now=syncing) as service, service.client() as client:
        got = client.post("/api/sync", json={"space_keys": ["A", "B"], "force": True}).json()
        state = client.get(f"/api/sync/{got['run_id']}").json()
    assert (got["status"], got["synced"], got["skipped"], got["failed"], got["deleted"]) == ("complete", 4, 35, 2, 3)
    assert state == got
    assert syncing.asked == [Asked(("A", "B"), force=True)]


def test_one_sync_at_a_time(tmp_path: Path) -> None:
    """While one is at work another is a conflict; `wait: false` gives the id at once; a run that failed says why."""
    syncing = Syncing(Outcome(5, {}, "Confluence does not answer"))
    with serve_answers(tmp_path, sync_now=syncing) as service, service.client() as client:
        first = client.post("/api/sync", json={"space_keys": "A, B", "force": "false", "wait": False})
        assert (first.status_code, first.json()["status"]) == (202, "running")
        second = client.post("/api/sync", json={})
        assert second.status_code == 409
        assert first.json()["run_id"] in second.json()["detail"]
        syncing.go.set()
        for _ in range(100):
            state = client.get(first.headers["location"]).json()
            if state["status"] != "running":
                break
            time.sleep(0.02)
        assert (state["status"], state["failed"], state["error"]) == ("failed", 2, "Confluence does not answer")
        assert client.get("/api/sync/none").status_code == 404


def test_the_older_ingest_route(tmp_path: Path) -> None:
    """POST /ingest_confluence says ok, or 500 with the reason."""
    syncing = Syncing(Outcome(0, {"pages": PAGES}))
    syncing.go.set()
    with serve_answers(tmp_path, sync_now=syncing) as service, service.client() as client:
        assert client.post("/ingest_confluence").json() == {"status": "ok"}
        syncing.outcome = Outcome(2, {}, "SPACE_NAME is missing")
        failed = client.post("/ingest_confluence")
        assert (failed.status_code, failed.json()["detail"]) == (500, "SPACE_NAME is missing")


def test_a_sync_is_not_a_get(retrieving: Service) -> None:
    """GET /api/sync, which n8n sends by default, says what to change."""
    with retrieving.client() as client:
        answer = client.get("/api/sync")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "POST" in answer.json()["detail"]


@pytest.mark.parametrize("body", [{"space_keys": [1]}, {"space_keys": [""]}, {"space_keys": {"a": 1}}, {"force": "yes"}, {"wait": 1}])
def test_a_sync_that_cannot_be(retrieving: Service, body: object) -> None:
    """Wrong values of a sync are named before anything starts."""
    with retrieving.client() as client:
        assert client.post("/api/sync", json=body).status_code == 422


def test_health_says_whether_there_is_something_to_search(tmp_path: Path) -> None:
    """Alive is not ready: without chunks questions get 503 and the next step."""
    with serve_answers(tmp_path, chunks=()) as service, service.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.post("/api/query", json=DISK)
        assert answer.status_code == 503
        assert "confluence-sync sync" in answer.json()["detail"]


def test_another_collection_is_named(tmp_path: Path) -> None:
    """A collection that is not there is told with those that are, and is not made."""
    with serve_answers(tmp_path, collection_id="missing") as service, service.client() as client:
        answer = client.post("/api/query", json=DISK)
        assert (answer.status_code, client.get("/readyz").status_code) == (503, 503)
        assert "'missing'" in answer.json()["detail"]
        assert "confluence" in answer.json()["detail"]
        assert service.backend.collections() == ["confluence"]


def test_another_embedding_model_is_refused(tmp_path: Path) -> None:
    """A collection that another model filled is told with both models' names, and nothing is answered from it."""
    before = SqliteBackend(tmp_path / "store.db", WordEmbedder(model="old", weights="w1"))
    before.open("confluence").write(SAMPLE)
    before.close()
    now = SqliteBackend(tmp_path / "store.db", WordEmbedder(model="new", weights="w2"))
    with serve_app(create_app(Settings(state_dir=tmp_path), now)) as base:
        answer = httpx.post(base + "/api/query", json=DISK)
        assert httpx.get(base + "/readyz").status_code == 503
    now.close()
    assert (answer.status_code, "old" in answer.json()["detail"], "new" in answer.json()["detail"]) == (503, True, True)


def test_metrics_count_requests(tmp_path: Path) -> None:
    """/metrics has requests by group and status, and a histogram."""
    with serve_answers(tmp_path) as service, service.client() as client:
        client.post("/api/query", json=DISK)
        client.post("/api/query", json={})
        text = client.get("/metrics").text
    assert 'confluence_sync_http_requests_total{group="ask",status="200"} 1' in text
    assert 'confluence_sync_http_requests_total{group="ask",status="400"} 1' in text
    assert 'confluence_sync_http_seconds_bucket{group="ask",le="+Inf"} 2' in text
