"""What the underscore adapter makes of servers that refuse, conflict, want a key or are not there at all."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import BadAnswer, NotAllowed, Rejected, ServerFailed, SettingsError
from confluence_sync.http import Patience
from confluence_sync.settings_kinds import Secret
from confluence_sync.stores import remote
from confluence_sync.stores.base import Feature
from confluence_sync.stores.underscore import UnderscoreBackend, open_backend
from tests.store_contract import chunk
from tests.vector_api_stub import StubApi, stub_api

Opened = Callable[..., UnderscoreBackend]


@pytest.fixture
def api() -> Iterator[StubApi]:
    with stub_api() as running:
        yield running


@pytest.fixture
def opened(api: StubApi) -> Iterator[Callable[..., UnderscoreBackend]]:
    """Opens the stub with more settings, and closes what it opened."""
    with ExitStack() as stack:

        def opens(**more: object) -> UnderscoreBackend:
            backend = open_backend(Settings(vector_api_base_url=api.url, **more))  # type: ignore[arg-type]  # each test names settings
            stack.callback(backend.close)
            return backend

        yield opens


def test_one_refused_chunk_of_fifty_is_named_and_the_rest_goes_in(api: StubApi, opened: Opened) -> None:
    """A batch with one chunk that the server refuses costs a few more requests, and only that chunk is missing."""
    api.refuses = "poison"
    chunks = [chunk(str(i), f"Known Issues > {i}\n\n{'poison' if i == 31 else 'text'} {i}") for i in range(50)]
    with pytest.raises(Rejected, match=chunks[31].id) as refused:
        opened().open("c").write(chunks)
    assert refused.value.chunk_ids == (chunks[31].id,)
    assert len(api.documents["c"]) == 49
    assert len(api.requests) < 20


def test_a_server_that_refuses_everything_is_not_asked_chunk_by_chunk(api: StubApi, opened: Opened) -> None:
    """When more than ten chunks are refused the server is at fault, and no chunk is named."""
    api.refuses = "text"
    with pytest.raises(Rejected, match="more than 10 chunks") as refused:
        opened().open("c").write([chunk(str(i), f"text {i}") for i in range(200)])
    assert refused.value.chunk_ids == ()
    assert len(api.requests) < 60


def test_batches_keep_below_the_api_limits(api: StubApi, opened: Opened) -> None:
    """However large BATCH_SIZE is, a request holds at most 512 documents and 8 MiB."""
    store = opened(batch_size=10_000).open("c")
    store.write([chunk(str(i), f"short {i}") for i in range(2000)])
    store.write([chunk(f"L{i}", f"{i} " + "x" * 3_000_000) for i in range(4)])
    assert api.requests.count(("POST", "/v1/vector_io/documents")) == 9 + 2  # 8 to 256 by doubling, then 512 at a time


def test_the_same_collection_with_another_model_is_refused(api: StubApi, opened: Opened) -> None:
    """A conflict names the collection, both ways out and exits with 2."""
    opened(embedding_model_id="one").open("c")
    with pytest.raises(SettingsError, match="COLLECTION_ID"):
        opened(embedding_model_id="two").open("c")


def test_the_key_is_sent_and_never_shown(api: StubApi, opened: Opened) -> None:
    """VECTOR_API_KEY goes as Bearer; a wrong one is told without its text."""
    api.key = "right-key"
    assert Feature.DELETE in opened(vector_api_key=Secret("right-key")).features
    with pytest.raises(NotAllowed) as refused:
        opened(vector_api_key=Secret("wrong-secret"))
    assert "wrong-secret" not in str(refused.value)


def test_a_proxy_page_is_told_as_such(api: StubApi, opened: Opened) -> None:
    """HTML instead of JSON is named as a login page or proxy."""
    backend = opened()
    api.page = "<!doctype html><title>Sign in</title>"
    with pytest.raises(BadAnswer, match="HTML page"):
        backend.open("c").identity()


def test_a_server_that_is_down_is_told_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection names the address and exits with 5."""
    monkeypatch.setattr(remote, "PATIENCE", Patience(tries=1))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(ServerFailed, match=address):
            open_backend(Settings(vector_api_base_url=address))


def test_a_server_that_cannot_delete_is_warned_about(api: StubApi, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """With the three oldest routes the store is written to and never cleaned, and every run says so."""
    api.legacy = True
    assert opened().features == Feature.UPSERT | Feature.QUERY
    assert "neither list nor delete" in caplog.text


def test_an_address_is_needed() -> None:
    """Forcing the variant without an address names the setting."""
    with pytest.raises(SettingsError, match="VECTOR_API_BASE_URL"):
        open_backend(replace(Settings(), vector_backend="underscore"))
