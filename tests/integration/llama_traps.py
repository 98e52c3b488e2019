"""The traps that lose or corrupt data on a server, and what our adapters must know of it beside: measured as in llama_facts.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.integration.llama_facts import ALPHA, BASICS, BETA, Bench, Fact

AT_ONCE = 8
BURST = 24
BURSTS = 3
FRENCH = "alpha journal: L’imprimante"  # the older chardet takes it for Windows-1252
BOM = "\ufeff"


def side_by_side(bench: Bench, names: list[str], attach: bool) -> list[int]:
    """The statuses of that many uploads (and attaches) at once; 0 where no answer came."""

    def one(name: str) -> int:
        try:
            upload = bench.upload(f"{name} in the cellar")
        except httpx.TransportError:
            return 0
        if upload.status_code != 200 or not attach:
            return upload.status_code
        return bench.add(upload.json()["id"], {"n": name}).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, names))


def first_uploads(bench: Bench) -> str:
    """Eight uploads at once, the first ones of a fresh server."""
    return "taken" if set(side_by_side(bench, [f"early{n}" for n in range(AT_ONCE)], attach=False)) == {200} else "some fail"


def parallel_writes(bench: Bench) -> str:
    """Files, eight at once, all acknowledged; then a restart: is each one found?"""
    for burst in range(BURSTS):
        names = [f"lamp{burst}x{n}" for n in range(BURST)]
        taken = [name for name, status in zip(names, side_by_side(bench, names, attach=True), strict=True) if status == 200]
        bench.server.restart()
        if not all(_is_found(bench, name) for name in taken):
            return "some lost"
    return "all found"


def _is_found(bench: Bench, name: str) -> bool:
    found = bench.search(f"{name} cellar")
    return isinstance(found, list) and any(name in text for text in found)


def with_attribute(value: object) -> Fact:
    """A file whose attribute has this value beside one that is well: what does a search answer?"""

    def fact(bench: Bench) -> str:
        bench.attach(ALPHA)
        answer = bench.add(bench.upload(BETA).json()["id"], {"odd": value})
        refused = f"refused {answer.status_code}" if answer.status_code != 200 or answer.json().get("status") == "failed" else ""
        found = bench.search("journal disk")
        after = str(found) if isinstance(found, int) else "harmless" if any(ALPHA in text for text in found) else "nothing found"
        return refused if refused and after == "harmless" else ", then ".join(filter(None, (refused, after)))

    return fact


def many_attributes(bench: Bench) -> str:
    """Seventeen attributes: how many come back?"""
    return _kept(bench, {f"name{n}": "x" for n in range(17)}, lambda kept: f"{sum(name.startswith('name') for name in kept)} kept")


def long_attribute(bench: Bench) -> str:
    """An attribute of 600 characters: how many come back?"""
    return _kept(bench, {"long": "x" * 600}, lambda kept: f"{len(str(kept.get('long', '')))} kept")


def _kept(bench: Bench, attributes: dict[str, str], told: Any) -> str:
    answer = bench.add(bench.upload(ALPHA).json()["id"], attributes)
    if answer.status_code != 200 or answer.json().get("status") == "failed":
        return f"refused {answer.status_code}"
    answer = bench.call("POST", f"{bench.root}/vector_stores/{bench.id}/search", {"query": "journal disk", "max_num_results": 5})
    rows = answer.json().get("data") if answer.status_code == 200 else None
    return str(told(rows[0]["attributes"])) if rows else f"search {answer.status_code}"


def charset(bench: Bench) -> str:
    """UTF-8 without a byte order mark, then with one."""
    bench.attach(FRENCH)
    bare = bench.search("alpha journal")
    bench.attach(f"{BOM}beta journal: L’imprimante")
    marked = bench.search("beta journal")
    right = [isinstance(found, list) and any("L’imprimante" in text and name in text for text in found) for found, name in
             ((bare, "alpha"), (marked, "beta"))]  # fmt: skip
    return {(True, True): "right", (False, True): "right with a mark"}.get((right[0], right[1]), "wrong")


def file_ending(bench: Bench) -> str:
    """A file whose name has no ending."""
    answer = bench.add(bench.upload(ALPHA, name="a").json()["id"], {"n": "1"})
    status = answer.json().get("status")
    return f"{answer.status_code} {status}" if status else str(answer.status_code)


def attribute_updated(bench: Bench) -> str:
    """An attribute changed afterwards: which value does a search bring?"""
    file_id = bench.attach(ALPHA, colour="red")
    answer = bench.call("POST", f"{bench.root}/vector_stores/{bench.id}/files/{file_id}", {"attributes": {"colour": "blue"}})
    if answer.status_code != 200:
        return f"refused {answer.status_code}"
    answer = bench.call("POST", f"{bench.root}/vector_stores/{bench.id}/search", {"query": "journal disk", "max_num_results": 5})
    return {"red": "old", "blue": "new"}.get(str(answer.json()["data"][0]["attributes"].get("colour")), "none")


def last_id(bench: Bench) -> str:
    """Whether a list's `last_id` is the id of its last row."""
    for text in (ALPHA, BETA):
        bench.attach(text)
    answer = bench.call("GET", f"{bench.root}/vector_stores/{bench.id}/files?limit=1&order=asc")
    if answer.status_code != 200:
        return f"refused {answer.status_code}"
    listed = answer.json()
    return "right" if listed.get("last_id") == listed["data"][-1]["id"] else "wrong"


def rag_tool_nowhere(bench: Bench) -> str:
    """The rag-tool's insert into a store that does not exist."""
    key = "vector_db_id" if bench.dbs else "vector_store_id"
    document = {"document_id": "d", "content": ALPHA, "mime_type": "text/plain", "metadata": {}}
    answer = bench.call(
        "POST", "/v1/tool-runtime/rag-tool/insert", {"documents": [document], key: "vs_nowhere", "chunk_size_in_tokens": 4096}
    )
    return "no route" if answer.status_code == 404 and answer.json().get("detail") == "Not Found" else str(answer.status_code)


def given_vector(bench: Bench) -> str:
    """A chunk inserted with a vector: does the server embed it all the same?"""
    before = bench.server.embedded()
    key = "vector_db_id" if bench.server.version < "0.4" else "vector_store_id"
    about = {"chunk_id": "one", "document_id": "one"}
    more = {"embedding_model": "all-MiniLM-L6-v2", "embedding_dimension": 384} if key == "vector_store_id" else {}
    chunk = {"content": ALPHA, "chunk_id": "one", "embedding": [0.05] * 384, "metadata": {"document_id": "one"}, "chunk_metadata": about}
    answer = bench.call("POST", "/v1/vector-io/insert", {key: bench.id, "chunks": [{**chunk, **more}]})
    if answer.status_code >= 300:
        return f"refused {answer.status_code}"
    return "taken" if bench.server.embedded() == before else "embedded again"


TRAPS: dict[str, Fact] = {
    "first uploads at once": first_uploads,
    "writes at once, then a restart": parallel_writes,
    "null attribute": with_attribute(None),
    "list attribute": with_attribute(["x", "y"]),
    "dict attribute": with_attribute({"x": "y"}),
    "17 attributes": many_attributes,
    "600 characters": long_attribute,
    "UTF-8": charset,
}
LIMITS: dict[str, Fact] = {
    "name without ending": file_ending,
    "attribute changed": attribute_updated,
    "`last_id`": last_id,
    "rag-tool, unknown store": rag_tool_nowhere,
    "vector given": given_vector,
}
TABLES = (TRAPS, BASICS, LIMITS)
"""In the order of measuring: the first uploads of a server come before all others."""
