"""llama-stack-client with our own connection under it: its version header and shapes, our retries, limits and TLS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import httpx
from llama_stack_client import APIConnectionError, LlamaStackClient
from llama_stack_client import __version__ as client_version

from confluence_sync.errors import RemoteError
from confluence_sync.http import Link
from confluence_sync.stores.remote import acknowledged

WHOLE = 4096  # tokens; our chunks are at most 3500
KEPT_HEADERS = ("content-type", "x-llamastack-client-version", "x-llamastack-provider-data")


class Document(TypedDict):
    """What the rag-tool takes."""

    document_id: str
    content: str
    mime_type: str
    metadata: Mapping[str, object]


class LinkTransport(httpx.BaseTransport):
    """Sends the client's requests over a Link, which alone repeats, and only what may be repeated."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
        path = request.url.raw_path.decode()
        content = request.read() or None
        answer = acknowledged(self._link.send(request.method, path, content=content, headers=headers, repeatable=request.method == "GET"))
        return httpx.Response(answer.status, content=bytes(answer.body), headers={"content-type": "application/json"})


class RagTool:
    """The rag-tool's insert. `by_store_id` is the name its argument has from 0.3 on."""

    version = client_version

    def __init__(self, link: Link, by_store_id: bool) -> None:
        self._http = httpx.Client(transport=LinkTransport(link))
        self._client = LlamaStackClient(base_url="http://server", http_client=self._http, max_retries=0)
        self._key = "vector_store_id" if by_store_id else "vector_db_id"

    def check(self) -> None:
        """Whether the server takes this client's version. Raises RemoteError with status 426 when it does not."""
        try:
            self._client.get("/v1/health", cast_to=object)
        except APIConnectionError as error:
            raise _ours(error) from error

    def insert(self, place: str, documents: Sequence[Document]) -> None:
        """Never sent twice: the rag-tool appends."""
        body = {"documents": list(documents), self._key: place, "chunk_size_in_tokens": WHOLE}
        try:
            self._client.post("/v1/tool-runtime/rag-tool/insert", body=body, cast_to=object)
        except APIConnectionError as error:
            raise _ours(error) from error

    def close(self) -> None:
        self._http.close()


def _ours(error: APIConnectionError) -> BaseException:
    """The error that our connection raised and the client wrapped."""
    return error.__cause__ if isinstance(error.__cause__, RemoteError) else error
