"""The order of effects without which real servers lose or mix up chunks, and what is done about lost answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import Rejected, RemoteError, ServerFailed, SettingsError
from confluence_sync.http import Patience
from confluence_sync.stores import remote
from confluence_sync.stores.vector_stores import VectorStoresBackend, open_backend
from confluence_sync.stores.vector_stores_files import Files
from tests.store_contract import DISK, FRENCH, LOGIN, SAMPLE, chunk
from tests.vector_api_stub import stub_api
from tests.vector_stores_stub import StubStores


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE", Patience(tries=2, first_wait=0.001, timeout=10))


@pytest.fixture
def api() -> Iterator[StubStores]:
    with stub_api(StubStores) as running:
        assert isinstance(running, StubStores)
        yield running


@pytest.fixture
def backend(api: StubStores, tmp_path: Path) -> Iterator[VectorStoresBackend]:
    opened = open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path, vector_db_provider="faiss"))
    yield opened
    opened.close()


def counted(api: StubStores) -> list[str]:
    """The texts of our chunks, without sentinels."""
    return sorted(str(attributes["conf_id"]) for _, _, attributes in api.chunks if "sentinel" not in str(attributes["conf_id"]))


def test_the_newest_entry_is_never_deleted(api: StubStores, backend: VectorStoresBackend) -> None:
    """faiss mixes up later writes when its newest entry goes, so a sentinel is written before a delete that would hit it."""
    store = backend.open("c")
    store.write([DISK, LOGIN])
    store.delete([LOGIN.id])
    before = api.order[: api.order.index(f"delete {LOGIN.id}")]
    assert before[-1].startswith(("write sentinel-", "delete sentinel-"))
    assert [done for done in before if done.startswith("write")][-1].startswith("write sentinel-")


def test_a_delete_of_an_older_entry_needs_no_sentinel(api: StubStores, backend: VectorStoresBackend) -> None:
    """What was written in between protects the index already."""
    store = backend.open("c")
    store.write([DISK])
    store.write([LOGIN])
    sentinels = sum("write sentinel" in done for done in api.order)
    store.delete([DISK.id])
    assert sum("write sentinel" in done for done in api.order) == sentinels


def test_sentinels_do_not_pile_up(api: StubStores, backend: VectorStoresBackend) -> None:
    """However many deletes there were, one sentinel is left, and it is counted, listed and found by nobody."""
    store = backend.open("c")
    for number in range(4):
        one = chunk(str(number), f"text {number}")
        store.write([one])
        store.delete([one.id])
    assert sum("sentinel" in str(attributes["conf_id"]) for _, _, attributes in api.chunks) == 1
    assert store.identity().count == 0
    assert list(store.ids()) == []
    assert store.query("sentinel text", 5) == []


def test_an_answer_that_was_lost_leaves_no_copy(api: StubStores, backend: VectorStoresBackend) -> None:
    """The server kept the chunk, lost the file's name and answered 500: it is cleared up, and the chunk is there once."""
    store = backend.open("c")
    api.lose = 1
    store.write(SAMPLE)
    assert counted(api) == sorted(one.id for one in SAMPLE)


def test_a_run_killed_during_an_attach_leaves_no_copy(api: StubStores, backend: VectorStoresBackend, tmp_path: Path) -> None:
    """The next process knows from the ledger which file was in doubt."""
    store = backend.open("c")
    store.write([LOGIN])
    api.lose = 2
    with pytest.raises(Exception, match="500"):
        store.write([DISK])
    again = open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path, vector_db_provider="faiss"))
    again.open("c").write([DISK])
    again.close()
    assert counted(api) == sorted([DISK.id, LOGIN.id])


def test_what_is_in_doubt_is_cleared_before_the_list_is_read(api: StubStores, backend: VectorStoresBackend, tmp_path: Path) -> None:
    """The list after a killed run does not show the copy in doubt; it goes all the same, also when nobody wants its chunk any more."""
    store = backend.open("c")
    store.write([LOGIN])
    api.lose = 2
    with pytest.raises(RemoteError, match="500"):
        store.write([DISK])
    again = open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path, vector_db_provider="faiss"))
    assert [stored.chunk_id for stored in again.open("c").ids()] == [LOGIN.id]
    again.close()
    assert counted(api) == [LOGIN.id]


def test_a_lost_ledger_is_read_from_the_server_once(api: StubStores, backend: VectorStoresBackend, tmp_path: Path) -> None:
    """Without STATE_DIR nothing is written twice and deletes find their files; the list is asked for once a run."""
    backend.open("c").write(SAMPLE)
    fresh = open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path / "other", vector_db_provider="faiss"))
    store = fresh.open("c")
    api.requests.clear()
    store.write(SAMPLE)
    store.delete([DISK.id])
    fresh.close()
    assert counted(api) == sorted(one.id for one in SAMPLE if one is not DISK)
    assert sum(method == "GET" and path.endswith("/files") for method, path in api.requests) == 1


def test_a_file_the_server_cannot_take_is_named_and_the_rest_goes_in(api: StubStores, backend: VectorStoresBackend) -> None:
    """`failed` comes under status 200; the chunk is named, and nothing of it stays."""
    api.poison = "cookie"
    with pytest.raises(Rejected, match="cannot be read") as refused:
        backend.open("c").write(SAMPLE)
    assert refused.value.chunk_ids == (LOGIN.id,)
    assert counted(api) == sorted(one.id for one in SAMPLE if one is not LOGIN)


def test_a_refused_upload_is_named_and_the_rest_goes_in(api: StubStores, backend: VectorStoresBackend) -> None:
    """A text that the server does not even take as a file fails its own chunk; a server that refuses all of them is not asked all night."""
    api.unwelcome = "cookie"
    with pytest.raises(Rejected, match="not this one") as refused:
        backend.open("c").write(SAMPLE)
    assert refused.value.chunk_ids == (LOGIN.id,)
    assert counted(api) == sorted(one.id for one in SAMPLE if one is not LOGIN)
    api.unwelcome, before = "page", api.uploads
    with pytest.raises(Rejected, match="more than 10 chunks"):
        backend.open("c").write([chunk(str(n), f"page {n}") for n in range(40)])
    assert api.uploads - before < 20


def test_stores_of_others_with_the_same_name_are_left_alone(api: StubStores, backend: VectorStoresBackend) -> None:
    """Names are not unique there; only a store with our mark is taken for ours."""
    api.stores["vs_theirs"] = {"id": "vs_theirs", "name": "c", "metadata": {}}
    api.attached["vs_theirs"] = {}
    store = backend.open("c")
    store.write([DISK])
    assert store.identity().id != "vs_theirs"
    assert {where for where, _, _ in api.chunks} == {store.identity().id}


def test_chunks_that_would_be_cut_are_refused_early(api: StubStores, tmp_path: Path) -> None:
    """CHUNK_TOKENS above what a file may hold is exit 2."""
    with pytest.raises(SettingsError, match="CHUNK_TOKENS=4000"):
        open_backend(Settings(llama_base_url=api.url, state_dir=tmp_path, chunk_tokens=4000))


@pytest.mark.parametrize(
    "step", ["POST /v1/files", "POST /v1/vector_stores/vs/files", "DELETE /v1/vector_stores/vs/files/f", "DELETE /v1/files/f"]
)
def test_a_proxys_page_is_no_success(api: StubStores, backend: VectorStoresBackend, step: str) -> None:
    """A login page with status 200 in place of an answer that changes something is an error, and a chunk to be deleted is not forgotten."""
    store = backend.open("c")
    store.write([DISK, LOGIN])
    api.proxied = step
    with pytest.raises(RemoteError, match="an HTML page"):
        store.write([FRENCH]) if step.startswith("POST") else store.delete([DISK.id])
    api.proxied = ""
    store.delete([DISK.id])
    store.write([FRENCH])
    assert counted(api) == sorted([LOGIN.id, FRENCH.id])


def test_a_new_version_that_is_not_taken_leaves_the_old_one(
    api: StubStores, backend: VectorStoresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same chunk with other labels: its new file comes before the old one goes, so that a failure in between makes no hole."""
    store = backend.open("c")
    store.write([DISK, LOGIN])
    other = replace(DISK, metadata=DISK.metadata._replace(labels=("moved",)))

    def away(self: Files, file_id: str, attributes: object) -> None:
        raise ServerFailed("the server is away", 500)

    with monkeypatch.context() as broken:
        broken.setattr(Files, "attach", away)
        with pytest.raises(ServerFailed):
            store.write([other])
    assert counted(api) == sorted([DISK.id, LOGIN.id])
    store.write([other])
    assert counted(api) == sorted([DISK.id, LOGIN.id])
    [hit] = [hit for hit in store.query(DISK.text, 5) if hit.chunk_id == DISK.id]
    assert hit.metadata is not None
    assert hit.metadata.labels == ("moved",)


def test_a_chunk_deleted_after_its_new_version_was_not_taken_is_gone(
    api: StubStores, backend: VectorStoresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the new file in doubt nor the older one set aside outlives a delete, and nothing brings the chunk back later."""
    store = backend.open("c")
    store.write([DISK, LOGIN])

    def away(self: Files, file_id: str, attributes: object) -> None:
        raise ServerFailed("the server is away", 500)

    with monkeypatch.context() as broken:
        broken.setattr(Files, "attach", away)
        with pytest.raises(ServerFailed):
            store.write([replace(DISK, metadata=DISK.metadata._replace(labels=("moved",)))])
    store.delete([DISK.id])
    assert counted(api) == [LOGIN.id]
    store.write([FRENCH])
    assert counted(api) == sorted([LOGIN.id, FRENCH.id])
    assert {stored.chunk_id for stored in store.ids()} == {LOGIN.id, FRENCH.id}


def test_a_new_version_that_is_refused_leaves_the_old_one(
    api: StubStores, backend: VectorStoresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk whose new file the server refuses is named, and stays as it was."""
    store = backend.open("c")
    store.write([DISK, LOGIN])

    def refuse(self: Files, file_id: str, attributes: object) -> None:
        raise Rejected("too odd", 400, sent=False)

    with monkeypatch.context() as broken:
        broken.setattr(Files, "attach", refuse)
        with pytest.raises(Rejected, match=DISK.id):
            store.write([replace(DISK, metadata=DISK.metadata._replace(labels=("moved",)))])
    assert counted(api) == sorted([DISK.id, LOGIN.id])
    store.delete([DISK.id])
    assert counted(api) == [LOGIN.id]
