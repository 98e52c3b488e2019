"""The requests of a vector store made of files (OpenAI's shape): upload, attach, detach, list, each safe to do again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluence_sync.errors import BadAnswer, NotFound, Rejected, RemoteError, ServerFailed
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, text
from confluence_sync.model import MetadataValue
from confluence_sync.stores.remote import acknowledged

WHOLE = {"type": "static", "static": {"max_chunk_size_tokens": 4096, "chunk_overlap_tokens": 0}}
PAGE = 100  # 0.7.3 and OGX refuse more; 0.2.23 and 0.3.5 would take 1000
SECONDS_TO_PROCESS = 120.0
FIRST_LOOK = 0.05


class Doubtful(ServerFailed):
    """The answer to an attach was lost: the servers keep chunks first and the file's name after, so one may be there without the other."""


@dataclass(frozen=True, slots=True)
class Files:
    """One store of one server: `root` is /v1 or /v1/openai/v1."""

    link: Link
    root: str
    store: str

    @property
    def address(self) -> str:
        return f"{self.root}/vector_stores/{self.store}"

    def upload(self, name: str, content: bytes) -> str:
        """The id of a new file. An upload whose answer was lost leaves an unused file behind, which no search sees."""
        border = uuid.uuid4().hex
        parts = [
            f'--{border}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'.encode(),
            f'--{border}\r\ncontent-disposition: form-data; name="file"; filename="{name}.md"\r\n'.encode(),
            b"content-type: text/markdown\r\n\r\n",
            content,
            f"\r\n--{border}--\r\n".encode(),
        ]
        kind = {"content-type": f"multipart/form-data; boundary={border}"}
        answer = self.link.send("POST", f"{self.root}/files", content=b"".join(parts), headers=kind)
        return text(as_object(answer.json(), "file"), "id", "file")

    def attach(self, file_id: str, attributes: Mapping[str, MetadataValue]) -> None:
        """Puts an uploaded file into the store and waits until it can be found. Never sent twice: that would make two of it.

        Raises Rejected with the server's reason when it cannot process the file (which it tells under status 200), Doubtful when the
        answer was lost and the store does not name the file: its chunks may be there all the same.
        """
        payload = {"file_id": file_id, "attributes": dict(attributes), "chunking_strategy": WHOLE}
        try:
            answer = self.link.send("POST", f"{self.address}/files", payload=payload, repeatable=False).json()
            self._await_processed(file_id, as_object(answer, "attached file"))
        except (ServerFailed, BadAnswer) as lost:
            found = self.attached(file_id)
            if found is None:
                raise Doubtful(str(lost), lost.status) from lost
            self._await_processed(file_id, found)

    def attached(self, file_id: str) -> JsonObject | None:
        """What the store says of one of its files, None when it names no such file."""
        try:
            return as_object(self.link.get(f"{self.address}/files/{file_id}"), "attached file")
        except (NotFound, Rejected):
            return None

    def _await_processed(self, file_id: str, seen: JsonObject) -> None:
        deadline, pause = time.monotonic() + SECONDS_TO_PROCESS, FIRST_LOOK
        while seen.get("status") not in ("completed", "failed", "cancelled"):
            if time.monotonic() > deadline:
                raise ServerFailed(f"file {file_id} is still {seen.get('status')!r} after {SECONDS_TO_PROCESS:.0f} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
            seen = as_object(self.link.get(f"{self.address}/files/{file_id}"), "attached file")
        if seen.get("status") != "completed":
            reason = child(seen, "last_error", "attached file").get("message") or "no reason given"
            self.remove(file_id)
            raise Rejected(f"the server could not take the file: {reason}", 400, sent=False)

    def remove(self, file_id: str) -> None:
        """Takes a file out of the store and deletes it; one that is gone already is no error (some servers say 400 for that)."""
        for address in (f"{self.address}/files/{file_id}", f"{self.root}/files/{file_id}"):
            try:
                acknowledged(self.link.send("DELETE", address))
            except (NotFound, Rejected) as refusal:
                if not _is_absent(refusal):
                    raise

    def each(self) -> Iterator[JsonObject]:
        """Every file of the store. The last row's id leads on: `last_id` is wrong on 0.2.23 and 0.3.5."""
        after = ""
        while True:
            params = [("limit", str(PAGE)), ("order", "asc"), *([("after", after)] if after else [])]
            answer = as_object(self.link.get(f"{self.address}/files", params), "files of the store")
            rows = objects(answer, "data", "files of the store")
            yield from rows
            if not rows or not answer.get("has_more"):
                return
            after = text(rows[-1], "id", "file of the store")

    def content(self, file_id: str) -> str:
        """The text as the server keeps it."""
        answer = as_object(self.link.get(f"{self.address}/files/{file_id}/content"), "file content")
        rows = objects(answer, "data" if "data" in answer else "content", "file content")
        return "".join(text(row, "text", "file content") for row in rows)

    def search(self, query: str, most: int) -> list[JsonObject]:
        answer = self.link.send("POST", f"{self.address}/search", payload={"query": query, "max_num_results": most})
        return objects(as_object(answer.json(), "search"), "data", "search")


def _is_absent(refusal: RemoteError) -> bool:
    return isinstance(refusal, NotFound) or "not found" in str(refusal).lower()
