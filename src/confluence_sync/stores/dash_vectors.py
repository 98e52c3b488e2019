"""Vectors from the server's own embeddings route, each text asked once and kept in STATE_DIR by model and text."""

from __future__ import annotations

import logging
import sys
import time
from array import array
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

from confluence_sync.database import one_of, open_file, said_of
from confluence_sync.errors import BadAnswer, Rejected, ServerFailed
from confluence_sync.http import Link
from confluence_sync.jsonvalue import as_list, as_object, objects
from confluence_sync.model import digest
from confluence_sync.stores.remote import Pace

log = logging.getLogger(__name__)

MOST_AT_ONCE = 500  # vectors in one question, and chunks in the insert that takes them along
KEPT_DAYS = 100
CANARY = "confluence-sync asks for this text once a run, to notice that the model behind a name has changed"
SCHEMA = "create table if not exists vector (model text, content text, used integer, vector blob, primary key (model, content))"

Vector: TypeAlias = "array[float]"  # of 32-bit floats, as models make them


class VectorCache:
    """One SQLite file, which may be lost: then every text is embedded once more. Vectors are kept as 32-bit floats."""

    def __init__(self, path: Path) -> None:
        self._path, self._closed = path, False
        self._today = int(time.time() // 86400)
        self._db = open_file(path, SCHEMA)

    def get(self, model: str, keys: Sequence[str]) -> dict[str, Vector]:
        """The kept vectors of the texts with these digests, by digest."""
        if not keys:
            return {}
        places, some = one_of(keys)
        rows = self._run(f"select content, vector, used from vector where model = ? and content in ({places})", model, *some)
        if any(used != self._today for _, _, used in rows):
            self._run(f"update vector set used = ? where model = ? and content in ({places})", self._today, model, *some)
        return {str(content): array("f", cast(bytes, vector)) for content, vector, _ in rows}

    def put(self, model: str, vectors: Mapping[str, Vector]) -> None:
        """Keeps vectors by the digests of their texts. One statement, as each one waits for the disk."""
        rows = [(model, key, self._today, vector.tobytes()) for key, vector in vectors.items()]
        places = ", ".join(["(?, ?, ?, ?)"] * len(rows))
        self._run(f"insert or replace into vector values {places}", *(value for row in rows for value in row))

    def forget(self, model: str) -> None:
        self._run("delete from vector where model = ?", model)

    def close(self) -> None:
        """Drops what no run asked for in KEPT_DAYS. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            self._run("delete from vector where used < ?", self._today - KEPT_DAYS)
        finally:
            self._db.close()

    def _run(self, statement: str, *values: str | int | bytes) -> list[tuple[object, ...]]:
        with said_of(self._path):
            return self._db.execute(statement, values).fetchall()


class Embeddings:
    """The vectors of one model of one server."""

    def __init__(self, link: Link, path: str, model: str, cache: VectorCache) -> None:
        self._link, self._path, self._model, self._cache = link, path, model, cache
        self._form, self._checked = "base64", False
        self._pace = Pace(MOST_AT_ONCE)  # not that of inserts: those whose texts are all known are fast, and tell nothing of the model
        self.asked = 0

    def vectors(self, texts: Sequence[str]) -> list[Vector]:
        """In the order of `texts`; what the cache has is not asked for."""
        if not self._checked:
            self._check_model()
        keys = [digest(text) for text in texts]
        known = self._cache.get(self._model, keys)
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        waiting = list(unknown)
        while waiting:
            some, waiting = waiting[: self._pace.size], waiting[self._pace.size :]
            found = dict(zip(some, self._ask_or_halve([unknown[key] for key in some]), strict=True))
            self._cache.put(self._model, found)
            known.update(found)
        return [known[key] for key in keys]

    def _check_model(self) -> None:
        """A model swapped under the same name makes every kept vector worthless."""
        key, now = digest(CANARY), self._canary()
        kept = self._cache.get(self._model, [key]).get(key)
        if kept is None or len(kept) != len(now) or max(abs(a - b) for a, b in zip(kept, now, strict=True)) > 1e-3:
            self._cache.forget(self._model)
            self._cache.put(self._model, {key: now})
        self._checked = True

    def _canary(self) -> Vector:
        """Asked for as bytes, a quarter of what the numbers take as text; what a server does not know is asked for as numbers."""
        self._form = "base64"
        try:
            return self._ask([CANARY])[0]
        except (Rejected, ServerFailed) as error:
            if not error.status:
                raise
            log.info("vectors come as numbers, because: %s", error)
        self._form = "float"
        return self._ask([CANARY])[0]

    def _ask_or_halve(self, texts: list[str]) -> list[Vector]:
        """Where the server fails on so many texts, and on neither half of them, no more go at once from then on: Llama Stack 0.2 answers
        500 to most of what a model's own server refuses."""
        try:
            with self._pace.kept(len(texts)):
                return self._ask(texts)
        except ServerFailed as error:
            if len(texts) == 1 or not error.status:
                raise
            log.info("asking for half as many vectors: %s", error)
        middle = len(texts) // 2
        halves = self._ask_or_halve(texts[:middle]) + self._ask_or_halve(texts[middle:])
        self._pace.lower(middle)
        return halves

    def _ask(self, texts: list[str]) -> list[Vector]:
        answer = self._link.send("POST", self._path, payload={"model": self._model, "input": texts, "encoding_format": self._form}).json()
        rows = objects(as_object(answer, "embeddings"), "data", "embeddings")
        if len(rows) != len(texts):
            raise BadAnswer(f"{self._path} gave {len(rows)} vectors for {len(texts)} texts")
        self.asked += len(texts)
        return [_vector(row.get("embedding")) for row in rows]


def _vector(given: object) -> Vector:
    """From numbers, or from 32-bit floats in base64; BadAnswer says what else it is."""
    if isinstance(given, str):
        return _from_bytes(given)
    numbers = as_list(given, "embedding")
    strange = set(map(type, numbers)) - {float, int}
    if strange:
        raise BadAnswer(f"an embedding must hold numbers, but holds {', '.join(sorted(kind.__name__ for kind in strange))}")
    return array("f", cast(list[float], numbers))


def _from_bytes(given: str) -> Vector:
    vector = array("f")
    try:
        vector.frombytes(b64decode(given, validate=True))
    except ValueError as error:
        raise BadAnswer(f"an embedding must be numbers, or 32-bit floats in base64, but is {given[:40]!r} ({error})") from error
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
