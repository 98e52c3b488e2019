"""What the Llama Stack adapters make of servers that are old, new, half up or refuse the client's version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import BadAnswer, RemoteError, ServerFailed, SettingsError
from confluence_sync.http import Patience
from confluence_sync.model import Chunk
from confluence_sync.stores import dash, rag_tool, remote
from tests.store_contract import SAMPLE, chunk
from tests.vector_api_stub import Json, StubApi, stub_api

LOGIN_PAGE = "<!doctype html><html><title>Log in</title></html>"
OLD = ["/v1/vector-dbs", "/v1/vector-io/insert", "/v1/tool-runtime/rag-tool/insert", "/v1/openai/v1/embeddings"]


@dataclass
class OldLlama(StubApi):
    """Llama Stack 0.2 in name: collections, inserts that can lose their answer or swallow the data, and a version check."""

    routes: list[str] = field(default_factory=lambda: list(OLD))
    dbs: dict[str, Json] = field(default_factory=dict)
    inserted: list[Json] = field(default_factory=list)
    lose: bool = False
    swallow: bool = False
    wants: str = "0.2"
    inserts: int = 0
    batches: list[int] = field(default_factory=list)
    proxied: str = ""  # what ends so is answered by a proxy's page, under status 200

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        if self.proxied and path.endswith(self.proxied):
            return 200, LOGIN_PAGE
        model = {"identifier": "m", "model_type": "embedding", "metadata": {"embedding_dimension": 2}}
        fixed: dict[tuple[str, str], object] = {
            ("GET", "/openapi.json"): {"paths": {route: {"post": {}, "get": {}} for route in self.routes}},
            ("GET", "/v1/version"): {"version": f"{self.wants}.12"},
            ("GET", "/v1/models"): {"data": [model]},
            ("GET", "/v1/providers"): {"data": [{"api": "vector_io", "provider_id": "faiss"}]},
            ("GET", "/v1/vector-dbs"): {"data": list(self.dbs.values())},
        }
        if path == "/v1/health":
            return (200, {"status": "OK"}) if self.wants == "0.2" else (426, {"error": {"message": "Client version is not compatible"}})
        found = fixed.get((method, path))
        return (200, found) if found is not None else self.change(path, body)

    def change(self, path: str, body: Json) -> tuple[int, object]:
        if path == "/v1/vector-dbs":
            self.dbs[str(body["vector_db_id"])] = {"identifier": body["vector_db_id"], "provider_id": "faiss"}
            return 200, self.dbs[str(body["vector_db_id"])]
        if path.endswith("/insert"):
            self.inserts += 1
            self.batches.append(len(body.get("chunks") or body["documents"]))  # type: ignore[arg-type]
            self.inserted += [] if self.swallow else body.get("chunks") or body["documents"]  # type: ignore[operator]
            return (500, {"detail": "Internal server error"}) if self.lose else (200, None)
        if path.endswith("/embeddings"):
            return 200, {"data": [{"embedding": [1.0, 0.0]} for _ in body["input"]]}  # type: ignore[attr-defined]
        best = [{"content": c["content"], "metadata": c["metadata"]} for c in self.inserted]
        return 200, {"chunks": best, "scores": [1.0 for _ in best]}


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE", Patience(tries=3, first_wait=0.001, timeout=10))


@pytest.fixture
def api() -> Iterator[OldLlama]:
    with stub_api(OldLlama) as running:
        assert isinstance(running, OldLlama)
        yield running


def test_an_insert_whose_answer_was_lost_is_not_sent_again(api: OldLlama, tmp_path: Path) -> None:
    """This route appends: repeating it blindly would make two of everything."""
    with closing(dash.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))) as backend:
        store = backend.open("c")
        api.lose = True
        with pytest.raises(RemoteError, match="500"):
            store.write(SAMPLE)
    assert api.inserts == 1


def test_vectors_go_along_with_the_chunks(api: OldLlama, tmp_path: Path) -> None:
    """Each chunk carries its vector, its own id where the server will not overwrite it, and scalars only."""
    with closing(dash.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))) as backend:
        backend.open("c").write(SAMPLE)
    assert [one["embedding"] for one in api.inserted] == [[1.0, 0.0]] * 3
    metadata = api.inserted[0]["metadata"]
    assert isinstance(metadata, dict)
    assert (metadata["conf_id"], metadata["labels"]) == (SAMPLE[0].id, "linux,disk")


def test_where_the_server_embeds_a_batch_holds_at_most_fifty(api: OldLlama, tmp_path: Path) -> None:
    """Without an embeddings route a large batch would outlast the server's own client."""
    api.routes.remove("/v1/openai/v1/embeddings")
    with closing(dash.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path, batch_size=500))) as backend:
        backend.open("c").write([chunk(str(i), f"text {i}") for i in range(120)])
    assert api.batches == [8, 16, 32, 50, 14]
    assert "embedding" not in api.inserted[0]


def test_inserts_hold_what_the_server_takes_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few chunks go at first, more as long as the server is quick, fewer as soon as an insert takes too long; nothing goes twice."""
    now, each, sent = [0.0], [0.01], []
    monkeypatch.setattr(remote, "monotonic", lambda: now[0])

    def send(chunks: Sequence[Chunk]) -> None:
        now[0] += each[0] * len(chunks)
        sent.append([one.id for one in chunks])

    pace, many = remote.Pace(100), [chunk(str(i), f"text {i}") for i in range(600)]
    remote.write_in_batches(many[:250], pace, send)
    assert [len(ids) for ids in sent] == [8, 16, 32, 64, 100, 30]
    each[0] = 0.6  # an insert of a hundred takes a minute now
    remote.write_in_batches(many[250:400], pace, send)
    assert [len(ids) for ids in sent[6:]] == [100, 16, 16, 16, 2]
    each[0] = 0.01
    remote.write_in_batches(many[400:], pace, send)
    assert [len(ids) for ids in sent[11:]] == [16, 32, 64, 88]
    assert [chunk_id for ids in sent for chunk_id in ids] == [one.id for one in many]


def test_where_every_insert_takes_a_minute_sending_less_at_once_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small insert shows that it is not the chunks that take the time; the rest goes as before, and a slower server still gets less."""
    now, each, sent = [0.0], [60.0], []
    monkeypatch.setattr(remote, "monotonic", lambda: now[0])

    def send(chunks: Sequence[Chunk]) -> None:
        now[0] += each[0]
        sent.append(len(chunks))

    pace, many = remote.Pace(100), [chunk(str(i), f"text {i}") for i in range(40)]
    remote.write_in_batches(many[:33], pace, send)
    assert sent == [8, 1, 8, 8, 8]
    each[0] = 100.0
    remote.write_in_batches(many[:10], pace, send)
    assert sent[5:] == [8, 1, 1]


def test_a_failed_insert_that_took_long_makes_the_next_one_smaller(api: OldLlama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives up after a while gets fewer chunks the next time the same run writes."""
    api.routes.remove("/v1/openai/v1/embeddings")  # so that nothing but inserts looks at the clock
    clock = count(0, 20)
    monkeypatch.setattr(remote, "monotonic", lambda: float(next(clock)))
    with closing(dash.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))) as backend:
        store = backend.open("c")
        api.lose = True
        with pytest.raises(ServerFailed):
            store.write([chunk(str(i), f"text {i}") for i in range(15)])
        api.lose = False
        store.write([chunk(str(i), f"text {i}") for i in range(15, 20)])
    assert api.batches == [8, 4, 1]


def test_an_opened_collection_is_found_again(api: OldLlama, tmp_path: Path) -> None:
    """Opening twice makes one."""
    with closing(dash.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))) as backend:
        backend.open("c")
        backend.open("c")
        assert backend.collections() == ["c"]
    assert api.requests.count(("POST", "/v1/vector-dbs")) == 1


def test_dash_is_gone_from_newer_servers(api: OldLlama, tmp_path: Path) -> None:
    """Exit 2 with the version that dropped it."""
    api.routes = ["/v1/vector_stores"]
    with pytest.raises(SettingsError, match=r"no /v1/vector-dbs \(it went with Llama Stack 0.3\)"):
        dash.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))


def test_a_rag_tool_that_swallows_its_data_is_found_out(api: OldLlama, tmp_path: Path) -> None:
    """It says 200, and a query for what went in finds nothing: the write fails."""
    pytest.importorskip("llama_stack_client", reason="the rag-tool needs llama-stack-client: pip install 'confluence-sync[llama]'")
    api.swallow = True
    with closing(rag_tool.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))) as backend:
        store = backend.open("c")
        with pytest.raises(RemoteError, match="said 200"):
            store.write(SAMPLE)


def test_a_rag_tool_collection_that_vanished_is_noticed_before(api: OldLlama, tmp_path: Path) -> None:
    """The route would say 200 for it."""
    pytest.importorskip("llama_stack_client", reason="the rag-tool needs llama-stack-client: pip install 'confluence-sync[llama]'")
    with closing(rag_tool.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))) as backend:
        store = backend.open("c")
        api.dbs.clear()
        with pytest.raises(RemoteError, match="no longer on the server"):
            store.write(SAMPLE)
    assert api.inserts == 0


def test_a_refused_client_version_comes_with_the_pip_line(api: OldLlama, tmp_path: Path) -> None:
    """HTTP 426 is exit 2, and the line installs what the server wants."""
    pytest.importorskip("llama_stack_client", reason="the rag-tool needs llama-stack-client: pip install 'confluence-sync[llama]'")
    api.wants = "0.9"
    with pytest.raises(SettingsError, match=r"pip install 'llama-stack-client==0.9.12'"):
        rag_tool.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))


@pytest.mark.parametrize("kind", [dash, rag_tool])
def test_a_proxys_page_is_no_success(api: OldLlama, tmp_path: Path, kind: ModuleType) -> None:
    """An insert, a registration and a removal that a login page answers under status 200 did not happen, and the page is named."""
    pytest.importorskip("llama_stack_client", reason="the rag-tool needs llama-stack-client: pip install 'confluence-sync[llama]'")
    with closing(kind.open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path))) as backend:
        store = backend.open("c")
        api.proxied = "/insert"
        with pytest.raises(BadAnswer, match=r"insert answered 200 with an HTML page .*proxy in between"):
            store.write(SAMPLE)
        api.proxied = "/v1/vector-dbs/c"
        with pytest.raises(BadAnswer, match=r"vector-dbs/c answered 200 with an HTML page"):
            store.drop()
        api.proxied = "/v1/vector-dbs"
        with pytest.raises(BadAnswer, match=r"vector-dbs answered 200 with an HTML page"):
            backend.open("d")
