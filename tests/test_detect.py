"""Which store the settings mean, told from what a server serves, and what is said when nothing fits."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import CredentialsError, ServerFailed, SettingsError
from confluence_sync.settings_kinds import Secret
from confluence_sync.stores.detect import collection_name, detect
from confluence_sync.stores.variants import VARIANTS, variant_named
from tests.vector_api_stub import StubApi, stub_api

FILES = ["/v1/openai/v1/vector_stores", "/v1/openai/v1/files"]
DASH = ["/v1/vector-dbs", "/v1/vector-io/insert"]
RAG = ["/v1/tool-runtime/rag-tool/insert"]


@dataclass
class Pretender(StubApi):
    """Serves these routes in name only, with a version and models."""

    routes: list[str] = field(default_factory=list)
    version: str = ""
    models: tuple[str, ...] = ("all-MiniLM-L6-v2",)
    providers: tuple[str, ...] = ("faiss",)
    window: int = 0

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, object]) -> tuple[int, object]:
        said = {"context_length": self.window} if self.window else {}
        model = {"model_type": "embedding", "metadata": {"embedding_dimension": 384, **said}}
        answers: dict[str, object] = {
            "/openapi.json": {"paths": {route: {"post": {}, "get": {}} for route in self.routes}},
            "/v1/version": {"version": self.version},
            "/v1/models": {"data": [{"identifier": name, **model} for name in self.models]},
            "/v1/providers": {"data": [{"api": "vector_io", "provider_id": name} for name in self.providers]},
        }
        return (200, answers[path]) if path in answers and method == "GET" else (404, {"detail": "Not Found"})


@contextmanager
def pretender(*routes: str, **options: object) -> Iterator[StubApi]:
    with stub_api(Pretender, routes=list(routes), **options) as api:
        yield api


def chosen(api: StubApi, **more: object) -> str:
    return detect(Settings(llama_base_url=api.url, **more)).variant.name  # type: ignore[arg-type]  # each test names settings


@pytest.mark.parametrize(
    ("routes", "version", "expected"),
    [
        ([*FILES, *DASH, *RAG], "0.2.12", "dash"),
        ([*FILES, *DASH, *RAG, "/v1/prompts"], "0.2.23", "vector-stores"),
        ([*FILES, *DASH, *RAG, "/v1/prompts"], "", "vector-stores"),
        ([*FILES, *DASH, *RAG], "0.2.23", "dash"),
        ([*FILES, *DASH, *RAG, "/v1/prompts"], "0.2.22", "dash"),
        (["/v1/vector_stores", "/v1/files", *RAG], "0.3.5", "vector-stores"),
        (["/v1/vector_stores", "/v1/files"], "1.5.0", "vector-stores"),
        (RAG, "0.2.12", "rag-tool"),
    ],
)
def test_the_most_capable_variant_is_chosen(routes: list[str], version: str, expected: str) -> None:
    """Routes and version must both say that a delete deletes; neither is trusted alone."""
    with pretender(*routes, version=version) as api:
        assert chosen(api) == expected


def test_underscore_goes_first_when_it_can_delete() -> None:
    """The reference API with all routes is taken, and the detection changed nothing on it."""
    with stub_api() as api:
        assert chosen(api) == "underscore"
        assert {method for method, _ in api.requests} == {"GET"}


def test_every_probe_is_told_with_its_meaning() -> None:
    """`check` can print what was asked, the status and what it means."""
    with pretender(*DASH, *RAG, version="0.2.12", providers=("faiss", "sqlite-vec")) as api:
        found = detect(Settings(llama_base_url=api.url))
    told = {probe.asked: (probe.status, probe.means) for probe in found.probes}
    assert told["GET /openapi.json"] == (200, "6 routes: dash, rag-tool")
    assert told["GET /v1/providers"] == (200, "vector providers: faiss, sqlite-vec")
    assert found.reason == f"dash is the most capable Vector API at {api.url}; it also has rag-tool"


def test_forcing_what_is_not_there_names_what_is() -> None:
    """Exit 2 with the variants that the server has."""
    with pretender(*DASH, version="0.2.12") as api, pytest.raises(SettingsError, match=r"underscore is not served.*this server has dash"):
        chosen(api, vector_backend="underscore")


def test_forcing_a_delete_that_lies_says_so() -> None:
    """0.2.12 has the routes of vector-stores, and the reason it is not used is told."""
    with pretender(*FILES, *DASH, version="0.2.12") as api, pytest.raises(SettingsError, match="keeps its chunks"):
        chosen(api, vector_backend="vector-stores")


def test_a_provider_that_forgets_its_stores_is_left_to_dash() -> None:
    """On 0.2.23 sqlite-vec stores vanish with a restart, so a server that has nothing else is used as dash."""
    with pretender(*FILES, *DASH, "/v1/prompts", version="0.2.23", providers=("sqlite-vec",)) as api:
        assert chosen(api) == "dash"


def test_a_server_without_any_known_api_is_told_with_every_answer() -> None:
    """Exit 2 with the setting, the address and what each probe saw."""
    with pretender("/v1/other") as api, pytest.raises(SettingsError, match=f"LLAMA_BASE_URL: no Vector API was found at {api.url}"):
        chosen(api)


def test_a_wrong_key_is_told_as_such() -> None:
    """401 on every probe is about the key, whose text is not shown."""
    with stub_api(key="right") as api, pytest.raises(CredentialsError, match="VECTOR_API_KEY") as refused:
        chosen(api, vector_api_key=Secret("wrong-secret"))
    assert "wrong-secret" not in str(refused.value)


def test_a_proxy_page_is_told_as_such() -> None:
    """HTML on every probe is named in the message."""
    with stub_api(page="<!doctype html><title>Sign in</title>") as api, pytest.raises(SettingsError, match="HTML page"):
        chosen(api)


def test_a_server_that_is_down_exits_with_5() -> None:
    """Nothing is guessed about a server that does not answer."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ServerFailed, match="gave no answer"):
            detect(Settings(llama_base_url=f"http://127.0.0.1:{nobody.getsockname()[1]}"))


def test_a_server_without_a_model_yet_exits_with_5(tmp_path: Path) -> None:
    """Health is fine and no embedding model is there: a later run may find one."""
    with pretender(*DASH, version="0.2.12", models=()) as api:
        settings = Settings(llama_base_url=api.url, state_dir=tmp_path)
        with pytest.raises(ServerFailed, match="no embedding model"):
            detect(settings).variant.open(settings)


@pytest.mark.parametrize(("name", "value"), [("embedding_model_id", "granite"), ("vector_db_provider", "weaviate")])
def test_a_model_or_provider_the_server_lacks_is_told_with_the_list(name: str, value: str, tmp_path: Path) -> None:
    """Exit 2, naming the setting, its value and what there is."""
    with pretender(*DASH, version="0.2.12") as api:
        settings = Settings(llama_base_url=api.url, state_dir=tmp_path, **{name: value})  # type: ignore[arg-type]  # as parametrized
        with pytest.raises(SettingsError, match=f"{name.upper()}='{value}' is not served here; this server has (all-MiniLM-L6-v2|faiss)"):
            detect(settings).variant.open(settings)


@pytest.mark.parametrize(("variant", "routes"), [("vector-stores", [*FILES, "/v1/prompts"]), ("dash", DASH), ("rag-tool", RAG)])
def test_what_the_servers_model_does_not_read_is_told(variant: str, routes: list[str]) -> None:
    """With numbers and a CHUNK_TOKENS that fits, also when the server says it; nothing when the model reads all, or is not known."""
    with pretender(*routes, version="0.2.23") as api:
        found = detect(Settings(llama_base_url=api.url, chunk_tokens=1000))
        assert (found.variant.name, "all-MiniLM-L6-v2 reads 256 tokens of a chunk of up to 1000" in found.unread) == (variant, True)
        assert "CHUNK_TOKENS=204" in found.unread
        assert detect(Settings(llama_base_url=api.url, chunk_tokens=200)).unread == ""
    with pretender(*routes, version="0.2.23", models=("house-model",), window=512) as api:
        assert "house-model reads 512 tokens" in detect(Settings(llama_base_url=api.url, chunk_tokens=1000)).unread
    with pretender(*routes, version="0.2.23", models=("house-model",)) as api:
        assert detect(Settings(llama_base_url=api.url, chunk_tokens=1000)).unread == ""


def test_a_vector_api_of_the_oldest_kind_is_told_what_its_model_does_not_read() -> None:
    """Ours with all routes embeds a long text in parts; the oldest ones got a model's name and nothing else."""
    with stub_api(legacy=True) as api:
        assert "all-MiniLM-L6-v2 reads 256 tokens" in detect(Settings(vector_api_base_url=api.url, chunk_tokens=1000)).unread
    with stub_api() as api:
        assert detect(Settings(vector_api_base_url=api.url, chunk_tokens=1000)).unread == ""


def test_destinations_have_an_order() -> None:
    """VECTOR_API_BASE_URL goes before LLAMA_BASE_URL before DATABASE_URL before the embedded store; VECTOR_BACKEND overrides."""
    with stub_api() as first, pretender(*DASH) as second:
        database = Secret("postgresql://x")
        assert detect(Settings(vector_api_base_url=first.url, llama_base_url=second.url)).variant.name == "underscore"
        assert detect(Settings(llama_base_url=second.url, database_url=database)).variant.name == "dash"
    assert detect(Settings(database_url=database)).variant.name == "pgvector"
    assert detect(Settings()).variant.name == "sqlite"
    assert detect(Settings(vector_backend="sqlite", database_url=database)).variant.name == "sqlite"


def test_the_image_wants_a_destination() -> None:
    """A store inside a container would be lost with it: exit 2, unless VECTOR_BACKEND=sqlite says that it is meant."""
    with pytest.raises(SettingsError, match="no destination"):
        detect(Settings(in_image=True))
    assert detect(Settings(in_image=True, vector_backend="sqlite")).variant.name == "sqlite"


def test_forcing_a_server_needs_its_address() -> None:
    """Exit 2 with the two settings that could name it."""
    with pytest.raises(SettingsError, match="LLAMA_BASE_URL"):
        detect(Settings(vector_backend="dash"))


def test_the_collection_has_two_names() -> None:
    """VECTOR_DB_ID on Llama Stack, COLLECTION_ID elsewhere; each gives way to the other, then to the old defaults."""
    dash, sqlite = variant_named("dash"), variant_named("sqlite")
    both = Settings(collection_id="mine", vector_db_id="theirs")
    assert (collection_name(both, sqlite), collection_name(both, dash)) == ("mine", "theirs")
    assert collection_name(Settings(collection_id="mine"), dash) == "mine"
    assert collection_name(Settings(vector_db_id="theirs"), sqlite) == "theirs"
    assert (collection_name(Settings(), sqlite), collection_name(Settings(), dash)) == ("confluence", "conf-known-issues")


def test_an_unknown_variant_is_told_with_all() -> None:
    """The message names every variant."""
    with pytest.raises(SettingsError, match=", ".join(variant.name for variant in VARIANTS)):
        variant_named("weaviate")
