"""How a collection lies in Milvus: one row a window, the first of a chunk carrying its text, and one row about the collection."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from confluence_sync.embed import Facts, Matrix
from confluence_sync.embed.base import facts_from
from confluence_sync.errors import ConfluenceSyncError, NotFound, Rejected, ServerFailed, SettingsError
from confluence_sync.model import Chunk, Filter

if TYPE_CHECKING:
    from pymilvus import CollectionSchema

Fields: TypeAlias = dict[str, object]
ABOUT = "~about"  # id of the row about the collection
WHERE_THE_WORDS_ARE = "words"  # the sparse vector that Milvus 2.5 and later makes of `text`
MOST_TEXT = 65535  # bytes of a VARCHAR
WORD_SEARCH = (2, 5)
PATIENCE = 120.0  # seconds for one call, pymilvus's own repetitions included


class Pages(Protocol):
    """What query_iterator gives: rows a part at a time, by growing id."""

    def next(self) -> list[Fields]: ...
    def close(self) -> None: ...


class Client(Protocol):
    """What we use of pymilvus.MilvusClient."""

    def upsert(self, collection_name: str, data: list[Fields], *, timeout: float) -> object: ...
    def delete(self, collection_name: str, *, filter: str, timeout: float) -> object: ...
    def query(self, collection_name: str, filter: str, output_fields: list[str], timeout: float, **more: object) -> list[Fields]: ...
    def query_iterator(self, collection_name: str, **more: object) -> Pages: ...
    def search(self, collection_name: str, data: list[object], **more: object) -> list[list[Fields]]: ...
    def has_collection(self, collection_name: str, timeout: float) -> bool: ...
    def create_collection(self, collection_name: str, **more: object) -> None: ...
    def load_collection(self, collection_name: str, timeout: float) -> None: ...
    def drop_collection(self, collection_name: str, timeout: float) -> None: ...
    def list_collections(self, *, timeout: float) -> list[str]: ...
    def describe_collection(self, collection_name: str, timeout: float) -> Fields: ...
    def rename_collection(self, old_name: str, new_name: str, *, timeout: float) -> None: ...
    def create_alias(self, collection_name: str, alias: str, timeout: float) -> None: ...
    def alter_alias(self, collection_name: str, alias: str, timeout: float) -> None: ...
    def drop_alias(self, alias: str, timeout: float) -> None: ...
    def get_server_version(self, *, timeout: float) -> str: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class About:
    """What the row about a collection says. `words` tells whether Milvus keeps a keyword index, `stamp` is another one after each write."""

    name: str
    id: str
    facts: Facts
    words: bool
    stamp: str = ""

    def stamped(self) -> About:
        return replace(self, stamp=uuid.uuid4().hex)

    def row(self) -> Fields:
        """In a row of its own, part -1, because Milvus Lite forgets a collection's description."""
        vector = [1.0] + [0.0] * (self.facts.dimension - 1)
        said = {
            "confluence-sync": 1, "name": self.name, "id": self.id, "words": self.words, "facts": self.facts.as_json(), "stamp": self.stamp
        }  # fmt: skip
        empty = dict.fromkeys(("chunk", "space", "page", "modified", "text", "folded"), "")
        return {"id": ABOUT, "part": -1, "vector": vector, "metadata": said, **empty}


def about_from(row: Fields) -> About:
    """What About.row wrote."""
    said = cast(Fields, row["metadata"])
    return About(str(said["name"]), str(said["id"]), facts_from(str(said["facts"])), bool(said["words"]), str(said.get("stamp", "")))


def fresh(name: str, facts: Facts, words: bool) -> About:
    """For a collection that is made now."""
    return About(name, uuid.uuid4().hex, facts, words)


def schema(about: About) -> CollectionSchema:
    """The columns, and the keyword index where the server has one."""
    from pymilvus import CollectionSchema, DataType, FieldSchema, Function, FunctionType

    short = {name: FieldSchema(name, DataType.VARCHAR, max_length=512) for name in ("chunk", "space", "page", "modified")}
    analyzed = {"enable_analyzer": True} if about.words else {}
    fields = [
        FieldSchema("id", DataType.VARCHAR, is_primary=True, max_length=256),
        *short.values(),
        FieldSchema("part", DataType.INT64),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=about.facts.dimension),
        FieldSchema("folded", DataType.VARCHAR, max_length=MOST_TEXT, **analyzed),
        FieldSchema("text", DataType.VARCHAR, max_length=MOST_TEXT),
        FieldSchema("metadata", DataType.JSON),
    ]
    if not about.words:
        return CollectionSchema(fields)
    fields.append(FieldSchema(WHERE_THE_WORDS_ARE, DataType.SPARSE_FLOAT_VECTOR))
    bm25 = Function(name="bm25", function_type=FunctionType.BM25, input_field_names=["folded"], output_field_names=[WHERE_THE_WORDS_ARE])
    return CollectionSchema(fields, functions=[bm25])


def rows(chunk: Chunk, windows: Matrix, folded: str) -> list[Fields]:
    """One row for each window. Rejected when the text does not fit."""
    try:
        size = len(chunk.text.encode())
    except UnicodeEncodeError as error:
        raise Rejected(
            f"chunk {chunk.id} of page {chunk.page_id} holds half a character at {error.start}, which nothing can keep"
        ) from error
    if size > MOST_TEXT:
        raise Rejected(f"chunk {chunk.id} of page {chunk.page_id} has {size} bytes, Milvus takes {MOST_TEXT}; lower CHUNK_TOKENS")
    first: Fields = {"text": chunk.text, "folded": _cut(folded)}
    rest: Fields = {"text": "", "folded": ""}
    return [
        {"id": f"{chunk.id}/{part}", "part": part, "vector": vector.tolist(), **(rest if part else first), **tags(chunk)}
        for part, vector in enumerate(windows)
    ]


def tags(chunk: Chunk) -> Fields:
    """The columns that filters and readers see, which retag replaces."""
    m = chunk.metadata
    values = {k: v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for k, v in m.as_dict().items()}
    return {"chunk": chunk.id, "space": m.space_key, "page": m.page_id, "modified": m.last_modified, "metadata": values}


def expression(where: Filter) -> str:
    """A filter in Milvus's language; empty when everything matches."""
    parts = [f"space in {_listed(where.space_keys)}"] if where.space_keys else []
    parts += [f"page in {_listed(where.page_ids)}"] if where.page_ids else []
    parts += [f'json_contains_any(metadata["labels"], {_listed(where.labels)})'] if where.labels else []
    parts += [f"modified >= {json.dumps(where.modified_since)}"] if where.modified_since else []
    parts += [f"modified <= {json.dumps(where.modified_before)}"] if where.modified_before else []
    return " and ".join(parts)


def of_chunks(chunk_ids: Sequence[str]) -> str:
    """The rows of these chunks."""
    return f"chunk in {_listed(chunk_ids)}"


def _listed(values: Sequence[str]) -> str:
    return json.dumps(list(values), ensure_ascii=False)


def _cut(text: str) -> str:
    return text.encode("utf-8", "replace")[:MOST_TEXT].decode("utf-8", "ignore")


def release(where: str) -> None:
    """Lets go of a Lite file, which Milvus Lite would keep locked until this process ends."""
    if "://" not in where:
        from milvus_lite.server_manager import server_manager_instance

        server_manager_instance.release_server(where)


@contextmanager
def said_plainly(where: str) -> Iterator[None]:
    """Turns what pymilvus raises inside into our failures. It repeats a call until PATIENCE is over, and then lets gRPC's own error out."""
    from grpc import RpcError  # type: ignore[import-untyped]  # it has none
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, RpcError) as error:
        raise _translated(error, where) from error


def _translated(error: Exception, where: str) -> ConfluenceSyncError:
    said = " ".join(str(error).split())[:300]
    low = said.lower()
    if "deadline" in low and "exceeded" in low:
        return ServerFailed(
            f"Milvus at {where} did not answer in time ({PATIENCE:.0f} s); it may be busy or down: run again, which is harmless"
        )
    if "auth" in low or "permission" in low or "unauthenticated" in low:
        return SettingsError(f"Milvus at {where} does not let us in ({said}); check VECTOR_API_KEY (token, or user:password)")
    if "open local milvus failed" in low or "lock" in low:
        return ServerFailed(f"{where} is open in another program, and Milvus Lite allows one ({said}); let it end, or run a Milvus server")
    if "not found" in low or "not exist" in low:
        return NotFound(f"Milvus at {where}: the collection was dropped while it was in use ({said}); open it again")
    return ServerFailed(f"Milvus at {where}: {said or type(error).__name__}; run again, which is harmless")
