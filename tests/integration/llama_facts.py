"""What a server and provider really does with a repeated id, a delete, a restart, an error: measured, each answer in a word or two."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.integration.llama_servers.server import LlamaServer

MODEL = {"0.2.12": "all-MiniLM-L6-v2"}
ALPHA, BETA, GAMMA = "alpha journal fills the disk", "beta cookie and the proxy", "gamma printer in the cellar"


@dataclass
class Bench:
    """One fresh collection on one provider, spoken to without our adapters. `id` is what requests must name."""

    server: LlamaServer
    provider: str

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.server.url, timeout=120)
        self.dbs = self.server.version.startswith("0.2")
        self.root = "/v1/openai/v1" if self.dbs else "/v1"
        model = MODEL.get(self.server.version, "sentence-transformers/all-MiniLM-L6-v2")
        about = {"embedding_model": model, "embedding_dimension": 384, "provider_id": self.provider}
        made = self.call("POST", f"{self.root}/vector_stores", {"name": uuid.uuid4().hex, **about})
        self.id = made.json()["id"]

    def call(self, method: str, path: str, payload: object = None) -> httpx.Response:
        """A connection that the server closed after an error is opened again once."""
        try:
            return self.http.request(method, path, json=payload)
        except httpx.TransportError:
            return self.http.request(method, path, json=payload)

    def upload(self, text: str | bytes, name: str = "a.md") -> httpx.Response:
        content = text.encode() if isinstance(text, str) else text
        return self.http.post(f"{self.root}/files", data={"purpose": "assistants"}, files={"file": (name, content, "text/markdown")})

    def attach(self, text: str | bytes, **attributes: Any) -> str:
        file_id: str = self.upload(text).json()["id"]
        self.add(file_id, attributes or {"n": "1"})
        return file_id

    def add(self, file_id: str, attributes: object) -> httpx.Response:
        """Puts an uploaded file into the store; the last answer, when it is processed or refused."""
        whole = {"type": "static", "static": {"max_chunk_size_tokens": 4096, "chunk_overlap_tokens": 0}}
        answer = self.call(
            "POST", f"{self.root}/vector_stores/{self.id}/files", {"file_id": file_id, "attributes": attributes, "chunking_strategy": whole}
        )
        while answer.status_code == 200 and answer.json().get("status") == "in_progress":
            answer = self.call("GET", f"{self.root}/vector_stores/{self.id}/files/{file_id}")
        return answer

    def detach(self, file_id: str) -> int:
        return self.call("DELETE", f"{self.root}/vector_stores/{self.id}/files/{file_id}").status_code

    def search(self, query: str) -> list[str] | int:
        """The texts of the best hits, or the status of a refusal."""
        answer = self.call("POST", f"{self.root}/vector_stores/{self.id}/search", {"query": query, "max_num_results": 20})
        if answer.status_code != 200:
            return answer.status_code
        return ["".join(part["text"] for part in row["content"]) for row in answer.json()["data"]]

    def insert(self, chunk_id: str, text: str) -> int:
        chunk = {"content": text, "chunk_id": chunk_id, "metadata": {"document_id": chunk_id}, "chunk_metadata": {"chunk_id": chunk_id}}
        key = "vector_db_id" if self.server.version < "0.4" else "vector_store_id"
        return self.call("POST", "/v1/vector-io/insert", {key: self.id, "chunks": [chunk]}).status_code

    def close(self) -> None:
        self.http.close()


def repeated_id(bench: Bench) -> str:
    """The same chunk id inserted twice through /v1/vector-io."""
    status = [bench.insert("one", ALPHA), bench.insert("one", ALPHA)]
    if max(status) >= 300:
        return "needs vectors"
    found = bench.search("journal disk")
    return f"{len(found)} copies" if isinstance(found, list) else str(found)


def file_deleted(bench: Bench) -> str:
    """A file taken out of its store: are its chunks still found?"""
    first = bench.attach(ALPHA)
    bench.attach(BETA)
    bench.detach(first)
    found = bench.search("journal disk")
    return str(found) if isinstance(found, int) else "stays" if any(ALPHA in text for text in found) else "gone"


def deleted_twice(bench: Bench) -> str:
    """The status of a second delete of the same file."""
    first = bench.attach(ALPHA)
    bench.attach(BETA)
    bench.detach(first)
    return str(bench.detach(first))


def last_deleted(bench: Bench) -> str:
    """The newest chunk deleted, then another one written: does a query still bring the text that was asked for?"""
    bench.attach(ALPHA)
    bench.detach(bench.attach(BETA))
    bench.attach(GAMMA)
    found = bench.search("printer cellar")
    return "right" if isinstance(found, list) and found and GAMMA in found[0] else "mixed up"


def equal_texts(bench: Bench) -> str:
    """Two files of equal text, one deleted: is the other still found?"""
    first = bench.attach(ALPHA, page="1")
    bench.attach(ALPHA, page="2")
    bench.attach(BETA)
    bench.detach(first)
    found = bench.search("journal disk")
    copies = sum(ALPHA in text for text in found) if isinstance(found, list) else -1
    return {0: "both gone", 1: "one stays"}.get(copies, f"{copies} stay")


def equal_query(bench: Bench) -> str:
    """A query that equals a stored text."""
    bench.attach(ALPHA)
    found = bench.search(ALPHA)
    return "found" if isinstance(found, list) else str(found)


def white_space(bench: Bench) -> str:
    """Indentation and blank lines of a file."""
    bench.attach("alpha journal\n\n    two  words")
    found = bench.search("journal")
    return "kept" if isinstance(found, list) and any("\n\n    two  words" in text for text in found) else "flattened"


def after_restart(bench: Bench) -> str:
    """Restarts the server: is what was acknowledged still found?"""
    bench.attach(ALPHA)
    bench.server.restart()
    found = bench.search("journal disk")
    return "found" if isinstance(found, list) and any(ALPHA in text for text in found) else "lost" if found == [] else str(found)


Fact = Callable[[Bench], str]
BASICS: dict[str, Fact] = {
    "id inserted twice": repeated_id,
    "file deleted": file_deleted,
    "deleted twice": deleted_twice,
    "newest deleted, then a write": last_deleted,
    "equal texts, one deleted": equal_texts,
    "query equals a text": equal_query,
    "white space": white_space,
    "after a restart": after_restart,
}
