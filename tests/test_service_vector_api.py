"""The reference Vector API over HTTP: every route, every refusal, and what a crash in the middle leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from confluence_sync.settings_kinds import Secret
from tests.service_fixture import serve_vector_api
from tests.word_embedder import WordEmbedder

BASE = "/v1/vector_io"
PRINTER = {
    "document_id": "p-1",
    "text": "Restart the print service when the printer is offline.",
    "metadata": {"page_id": "1", "space_key": "OPS", "labels": ["print", "hardware"], "weight": 3, "checked": True, "ratio": 0.5},
}
JOURNAL = {"document_id": "p-2", "text": "The journal fills the disk; vacuum it.", "metadata": {"page_id": "2", "source": "wiki"}}
FRENCH = {"document_id": "é/2?", "text": "L’imprimante est hors ligne : relancez le service.", "metadata": {"page_id": "1", "titre": "Été"}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serve_vector_api(tmp_path_factory.mktemp("api")) as base, httpx.Client(base_url=base, timeout=20) as client:
        yield client


@pytest.fixture
def api(shared: httpx.Client) -> Iterator[httpx.Client]:
    """A server without collections."""
    yield shared
    for collection in shared.get(f"{BASE}/collections").json()["collections"]:
        assert shared.delete(f"{BASE}/collections/{collection['collection_id']}").status_code == 200


@pytest.fixture
def filled(api: httpx.Client) -> httpx.Client:
    assert api.post(f"{BASE}/collections", json={"collection_id": "c"}).status_code == 201
    assert upsert(api, PRINTER, JOURNAL, FRENCH).status_code == 200
    return api


def upsert(api: httpx.Client, *documents: object, collection: str = "c") -> httpx.Response:
    return api.post(f"{BASE}/documents", json={"collection_id": collection, "documents": list(documents)})


def listed(api: httpx.Client, **query: str | int) -> dict[str, object]:
    answer = api.get(f"{BASE}/documents", params={"collection_id": "c", **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def ids(answer: object) -> list[str]:
    assert isinstance(answer, dict)
    return [one["document_id"] for one in answer.get("documents", answer.get("results"))]


def matching(api: httpx.Client, filter: object) -> list[str]:
    answer = api.post(f"{BASE}/documents/list", json={"collection_id": "c", "filter": filter})
    assert answer.status_code == 200, answer.text
    return ids(answer.json())


def refused(answer: httpx.Response, status: int, code: str, *words: str) -> None:
    """An error of the one shape, with the words that tell a caller what to change."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["error"]["code"] == code
    assert body["detail"] == body["error"]["message"]
    assert isinstance(body["error"]["details"], dict)
    assert all(word in body["detail"] for word in words), body["detail"]


def test_what_old_clients_send_works(api: httpx.Client) -> None:
    """The three requests of the oldest clients (create, upsert, query) work as they send them."""
    made = api.post(
        f"{BASE}/collections",
        json={"collection_id": "confluence", "embedding_model_id": "all-MiniLM-L6-v2", "metadata": {"source": "confluence"}},
    )
    assert made.status_code == 201
    assert made.json()["embedding_model_id"] == "all-MiniLM-L6-v2"
    assert made.json()["metadata"] == {"source": "confluence"}
    assert upsert(api, PRINTER, collection="confluence").json()["upserted"] == 1
    found = api.post(f"{BASE}/query", json={"collection_id": "confluence", "query": "printer offline", "top_k": 3}).json()
    assert ids(found) == ["p-1"]
    assert 0 < found["results"][0]["score"] < 1
    assert found["results"][0]["text"] == PRINTER["text"]


def test_a_collection_is_made_once(api: httpx.Client) -> None:
    """Creating again with the same model gives the same object; with another model it is a conflict that names both."""
    first = api.post(f"{BASE}/collections", json={"collection_id": "c", "embedding_model_id": "m1"})
    again = api.post(f"{BASE}/collections", json={"collection_id": "c", "embedding_model_id": "m1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    refused(api.post(f"{BASE}/collections", json={"collection_id": "c", "embedding_model_id": "m2"}), 409, "conflict", "m1", "m2")


def test_collections_are_listed_in_parts(api: httpx.Client) -> None:
    """Following next_cursor shows every collection once, by name, and then null."""
    for name in ("b", "a", "c.1:x_y-z"):
        api.post(f"{BASE}/collections", json={"collection_id": name})
    first = api.get(f"{BASE}/collections", params={"limit": 2}).json()
    second = api.get(f"{BASE}/collections", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["collection_id"] for one in first["collections"] + second["collections"]] == ["a", "b", "c.1:x_y-z"]
    assert second["next_cursor"] is None


def test_a_deleted_collection_is_gone(filled: httpx.Client) -> None:
    """Deleting tells how many documents went, and afterwards every route says 404; made anew it is empty."""
    gone = filled.delete(f"{BASE}/collections/c")
    assert gone.json() == {"collection_id": "c", "deleted": True, "documents_deleted": 3}
    refused(filled.get(f"{BASE}/collections/c"), 404, "collection_not_found", "'c'")
    refused(filled.delete(f"{BASE}/collections/c"), 404, "collection_not_found")
    refused(upsert(filled, PRINTER), 404, "collection_not_found", "create it first")
    refused(filled.post(f"{BASE}/query", json={"collection_id": "c", "query": "x"}), 404, "collection_not_found")
    assert filled.post(f"{BASE}/collections", json={"collection_id": "c"}).json()["document_count"] == 0


def test_upserts_count_what_they_did(filled: httpx.Client) -> None:
    """New, changed, retagged and unchanged documents are told apart, and only changed ones get another date."""
    before = {one["document_id"]: one["updated_at"] for one in listed(filled)["documents"]}  # type: ignore[attr-defined]
    retagged = {**JOURNAL, "metadata": {"page_id": "2", "source": "other"}}
    changed = {**FRENCH, "text": "L’imprimante est en ligne."}
    new = {"document_id": "p-3", "text": "new"}
    done = upsert(filled, PRINTER, retagged, changed, new).json()
    assert (done["upserted"], done["inserted"], done["updated"], done["unchanged"]) == (4, 1, 2, 1)
    assert done["document_ids"] == ["p-1", "p-2", "é/2?", "p-3"]
    after = {one["document_id"]: one["updated_at"] for one in listed(filled)["documents"]}  # type: ignore[attr-defined]
    assert after["p-1"] == before["p-1"]
    assert after["p-2"] > before["p-2"]
    assert after["é/2?"] > before["é/2?"]


def test_metadata_comes_back_as_sent(filled: httpx.Client) -> None:
    """Foreign metadata of every kind is given back exactly, lone surrogates included."""
    strange = {"document_id": "s", "text": "strange", "metadata": {"title": "a \ud800 b", "list": [1, "1", True], "": "empty name"}}
    assert filled.post(f"{BASE}/documents", content=dumps({"collection_id": "c", "documents": [strange]})).status_code == 200
    got = filled.get(f"{BASE}/documents/s", params={"collection_id": "c"}).json()
    assert got["metadata"] == strange["metadata"]
    found = filled.get(f"{BASE}/documents/é%2F2%3F", params={"collection_id": "c"}).json()
    assert (found["metadata"], found["text"]) == (FRENCH["metadata"], FRENCH["text"])


def dumps(value: object) -> bytes:
    import json

    return json.dumps(value).encode()


def test_documents_are_listed_by_id(filled: httpx.Client) -> None:
    """Pages of a listing come in the order of ids, end with null, and hold what include names."""
    first = listed(filled, limit=2)
    assert ids(first) == ["p-1", "p-2"]
    second = listed(filled, limit=2, cursor=str(first["next_cursor"]), include="text")
    assert second["documents"] == [{"document_id": "é/2?", "text": FRENCH["text"], "updated_at": second["documents"][0]["updated_at"]}]  # type: ignore[index]
    assert second["next_cursor"] is None
    assert ids(listed(filled, page_id="1")) == ["p-1", "é/2?"]
    assert ids(listed(filled, source="wiki")) == ["p-2"]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"page_id": "1"}, ["p-1", "é/2?"]),
        ({"page_id": ["2", "7"]}, ["p-2"]),
        ({"page_id": {"$in": ["1", "2"]}, "titre": "Été"}, ["é/2?"]),
        ({"labels": "hardware"}, ["p-1"]),
        ({"page_id": {"$ne": "1"}}, ["p-2"]),
        ({"labels": {"$ne": "hardware"}}, ["p-2", "é/2?"]),
        ({"weight": {"$gte": 3, "$lte": 3.5}}, ["p-1"]),
        ({"weight": {"$gte": 4}}, []),
        ({"weight": "3"}, []),
        ({"checked": 1}, []),
        ({"checked": True}, ["p-1"]),
        ({"titre": {"$gte": "A"}}, ["é/2?"]),
        ({"page_id": []}, []),
        ({}, ["p-1", "p-2", "é/2?"]),
    ],
)
def test_filters(filled: httpx.Client, filter: object, expected: list[str]) -> None:
    """A filter selects by equality, lists, and the four operators, typed as JSON is."""
    assert matching(filled, filter) == expected


def test_a_query_is_filtered_and_cut(filled: httpx.Client) -> None:
    """Filters that the store cannot do itself still leave top_k results, thresholds cut, and include trims."""
    many = [{"document_id": f"m-{i:03}", "text": "printer offline again", "metadata": {"page_id": "9", "weight": i}} for i in range(200)]
    upsert(filled, *many)
    asked = {"collection_id": "c", "query": "printer offline", "filter": {"weight": {"$gte": 195}}, "top_k": 5}
    assert sorted(ids(filled.post(f"{BASE}/query", json=asked).json())) == ["m-195", "m-196", "m-197", "m-198", "m-199"]
    only_text = filled.post(f"{BASE}/query", json={**asked, "top_k": 1, "include": ["text"]}).json()["results"][0]
    assert set(only_text) == {"document_id", "score", "text"}
    assert filled.post(f"{BASE}/query", json={**asked, "score_threshold": 1}).json()["results"] == []
    assert filled.post(f"{BASE}/query", json={**asked, "query": "zebra"}).json()["results"] == []
    assert filled.post(f"{BASE}/query", json={**asked, "query": "\"' OR * )"}).json()["results"] == []


@pytest.mark.parametrize("spelling", [{"k": 1}, {"params": {"top_k": 1}}, {"top_k": 1}])
def test_older_spellings_of_a_query(filled: httpx.Client, spelling: dict[str, object]) -> None:
    """vector_db_id, k and params.top_k are understood."""
    upsert(filled, {"document_id": "p-9", "text": "Another printer"})
    assert len(ids(filled.post(f"{BASE}/query", json={"vector_db_id": "c", "query": "printer", **spelling}).json())) == 1


def test_deleting_documents(filled: httpx.Client) -> None:
    """Documents go by id, by filter and one by one; what was not there is named."""
    by_id = filled.post(f"{BASE}/documents/delete", json={"collection_id": "c", "document_ids": ["p-2", "nope"]})
    assert by_id.json() == {"deleted": 1, "not_found": ["nope"]}
    by_filter = filled.request("DELETE", f"{BASE}/documents", json={"collection_id": "c", "filter": {"titre": "Été"}})
    assert by_filter.json() == {"deleted": 1, "not_found": []}
    assert filled.delete(f"{BASE}/documents/p-1", params={"collection_id": "c"}).json()["deleted"] == 1
    refused(filled.delete(f"{BASE}/documents/p-1", params={"collection_id": "c"}), 404, "document_not_found", "p-1")
    assert listed(filled)["documents"] == []
    assert filled.post(f"{BASE}/query", json={"collection_id": "c", "query": "printer"}).json()["results"] == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("collections", {"collection_id": "a b"}, "collection_id"),
        ("collections", {"collection_id": "x" * 129}, "collection_id"),
        ("collections", {"collection_id": "c", "dimension": -1}, "dimension"),
        ("collections", {"collection_id": "c", "distance": "taxi"}, "distance"),
        ("collections", {"collection_id": "c", "metadata": []}, "metadata"),
        ("documents", {"collection_id": "c"}, "documents"),
        ("documents", {"collection_id": "c", "documents": [{"text": "x"}]}, "document_id"),
        ("documents", {"collection_id": "c", "documents": [{"document_id": "", "text": "x"}]}, "document_id"),
        ("documents", {"collection_id": "c", "documents": [{"document_id": "1"}]}, "text"),
        ("documents", {"collection_id": "c", "documents": [{"document_id": "1", "text": "x", "metadata": {"a": {"b": 1}}}]}, "metadata.a"),
        ("documents", {"collection_id": "c", "documents": [{"document_id": "1", "text": "x", "metadata": {"page_id": ["1"]}}]}, "page_id"),
        ("documents", {"collection_id": "c", "documents": [{"document_id": "1", "text": "x", "embedding": ["a"]}]}, "embedding"),
        ("documents", {"collection_id": "c", "documents": [], "mode": "append"}, "mode"),
        ("documents/list", {"collection_id": "c", "filter": {"a": {"$regex": "x"}}}, "$regex"),
        ("documents/list", {"collection_id": "c", "cursor": "é!"}, "cursor"),
        ("documents/delete", {"collection_id": "c"}, "document_ids"),
        ("documents/delete", {"collection_id": "c", "filter": {}, "document_ids": []}, "document_ids"),
        ("query", {"collection_id": "c", "query": ""}, "query"),
        ("query", {"collection_id": "c", "query": [0.1, 0.2]}, "query"),
        ("query", {"collection_id": "c", "query": "x", "top_k": 0}, "top_k"),
        ("query", {"collection_id": "c", "query": "x", "top_k": 10**9}, "top_k"),
        ("query", {"collection_id": "c", "query": "x", "score_threshold": 2}, "score_threshold"),
        ("query", {"collection_id": "c", "query": "x", "include": ["vectors"]}, "include"),
    ],
)
def test_values_that_cannot_be_used(filled: httpx.Client, path: str, body: object, field: str) -> None:
    """A wrong value is a 422 that names the field."""
    refused(filled.post(f"{BASE}/{path}", json=body), 422, "validation", field)


def test_a_refused_request_changes_nothing(filled: httpx.Client) -> None:
    """One bad document, or one id twice, and none of the request is stored."""
    good = {"document_id": "new", "text": "good"}
    refused(upsert(filled, good, {"document_id": "bad"}), 422, "validation")
    refused(upsert(filled, good, good), 422, "validation", "'new'")
    assert "new" not in ids(listed(filled))


def test_too_much_at_once(filled: httpx.Client) -> None:
    """More than 512 documents or 8 MiB is a 413, also when the length is not announced."""
    many = [{"document_id": str(i), "text": "x"} for i in range(513)]
    refused(upsert(filled, *many), 413, "too_large", "512")
    big = b'{"collection_id": "c", "documents": "' + b"x" * (8 * 1024 * 1024) + b'"}'
    refused(filled.post(f"{BASE}/documents", content=big), 413, "too_large", "8388608")
    refused(filled.post(f"{BASE}/documents", content=iter([big])), 413, "too_large", "8388608")


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_bodies_that_are_no_json_object(api: httpx.Client, body: bytes) -> None:
    """What is no JSON object is a 400."""
    refused(api.post(f"{BASE}/collections", content=body), 400, "invalid_request", "body")


def test_unknown_routes_and_methods(api: httpx.Client) -> None:
    """What is not there is told in the same shape as every other error."""
    refused(api.get("/v1/nothing"), 404, "not_found", "/v1/nothing")
    refused(api.put(f"{BASE}/query"), 405, "method_not_allowed", "PUT")


def test_openapi_names_every_route(api: httpx.Client) -> None:
    """Clients find out what the server can do from these literal paths and methods."""
    paths = api.get("/openapi.json").json()["paths"]
    assert set(paths[f"{BASE}/documents"]) == {"get", "post", "delete"}
    assert "post" in paths[f"{BASE}/documents/delete"]
    for path, operations in paths.items():
        for method in operations:
            answer = api.request(method, path.replace("{collection_id}", "c").replace("{document_id}", "d"))
            assert answer.status_code != 405, (method, path)
            assert answer.status_code != 404 or answer.json()["error"]["code"] != "not_found", (method, path)


def test_a_key_is_asked_for(tmp_path: Path) -> None:
    """With VECTOR_API_KEY only health and the description are open; the key goes in either header and is never echoed."""
    with serve_vector_api(tmp_path, vector_api_key=Secret("s3cret")) as base, httpx.Client(base_url=base) as client:
        assert client.get("/health").json()["status"] == "ok"
        assert client.get("/openapi.json").status_code == 200
        refused(client.get(f"{BASE}/collections"), 401, "unauthorized")
        refused(client.get(f"{BASE}/collections", headers={"Authorization": "Bearer wrong"}), 401, "unauthorized")
        assert client.get(f"{BASE}/collections", headers={"Authorization": "Bearer s3cret"}).status_code == 200
        assert client.get(f"{BASE}/collections", headers={"api-key": "s3cret"}).status_code == 200
        assert "s3cret" not in client.get(f"{BASE}/collections", headers={"api-key": "s3cret2"}).text


def test_a_server_with_a_model(tmp_path: Path) -> None:
    """With an embedder the server names its model, embeds only text that changed, takes vectors as queries and refuses other models."""
    embedder = WordEmbedder()
    with serve_vector_api(tmp_path, embedder) as base, httpx.Client(base_url=base + BASE) as client:
        assert httpx.get(base + "/health").json()["embedding_model"] == "words"
        made = client.post("/collections", json={"collection_id": "c"}).json()
        assert (made["embedding_model_id"], made["dimension"]) == ("words", 64)
        refused(client.post("/collections", json={"collection_id": "d", "dimension": 3}), 422, "validation", "64")
        refused(client.post("/collections", json={"collection_id": "c", "embedding_model_id": "other"}), 409, "conflict", "other", "words")
        client.post("/documents", json={"collection_id": "c", "documents": [PRINTER, JOURNAL]})
        embedder.seen.clear()
        client.post("/documents", json={"collection_id": "c", "documents": [{**PRINTER, "metadata": {}}, JOURNAL]})
        assert embedder.seen == []
        vector = [float(x) for x in embedder.embed(["journal fills disk"])[0]]
        found = client.post("/query", json={"collection_id": "c", "query": vector, "top_k": 1}).json()
        assert ids(found) == ["p-2"]
        assert 0 < found["results"][0]["score"] <= 1
        refused(client.post("/query", json={"collection_id": "c", "query": [1.0, 2.0]}), 422, "validation", "64")


def test_documents_outlive_the_server(tmp_path: Path) -> None:
    """What was answered with 200 is there after a restart."""
    with serve_vector_api(tmp_path) as base:
        httpx.post(f"{base}{BASE}/collections", json={"collection_id": "c", "metadata": {"a": 1}})
        httpx.post(f"{base}{BASE}/documents", json={"collection_id": "c", "documents": [PRINTER]})
    with serve_vector_api(tmp_path) as base:
        collection = httpx.get(f"{base}{BASE}/collections/c").json()
    assert (collection["document_count"], collection["metadata"]) == (1, {"a": 1})
