"""Vectors from the server's own embeddings route, each text asked once and kept in STATE_DIR by model and text."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from confluence_sync.database import open_file, said_of
from confluence_sync.errors import BadAnswer
from confluence_sync.http import Link
from confluence_sync.jsonvalue import as_list, as_object, objects
from confluence_sync.model import batched, digest

AT_ONCE = 32  # a server embeds about 10 long chunks a CPU second, and its proxy may wait 60 s
KEPT_DAYS = 100
CANARY = "confluence-sync asks for this text once a run, to notice that the model behind a name has changed"
SCHEMA = "create table if not exists vector (model text, content text, used integer, vector blob, primary key (model, content))"

Vector = list[float]


class VectorCache:
    """One SQLite file, which may be lost: then every text is embedded once more. Vectors are kept as 32-bit floats."""

    def __init__(self, path: Path) -> None:
        self._path, self._closed = path, False
        self._today = int(time.time() // 86400)
        self._db = open_file(path, SCHEMA)

    def get(self, model: str, texts: Sequence[str]) -> dict[str, Vector]:
        """The kept vectors of these texts, by text."""
        asked = {digest(text): text for text in texts}
        found: dict[str, Vector] = {}
        for some in batched(list(asked), AT_ONCE):
            places = ", ".join("?" * len(some))
            rows = self._run(f"select content, vector, used from vector where model = ? and content in ({places})", model, *some)
            found.update((asked[str(content)], list(array("f", cast(bytes, vector)))) for content, vector, _ in rows)
            if any(used != self._today for _, _, used in rows):
                self._run(f"update vector set used = ? where model = ? and content in ({places})", self._today, model, *some)
        return found

    def put(self, model: str, vectors: Mapping[str, Vector]) -> None:
        """Keeps vectors by their texts, AT_ONCE or fewer. One statement, as each one waits for the disk."""
        rows = [(model, digest(text), self._today, array("f", vector).tobytes()) for text, vector in vectors.items()]
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
        self._checked = False
        self.asked = 0

    def vectors(self, texts: Sequence[str]) -> list[Vector]:
        """In the order of `texts`; what the cache has is not asked for."""
        self._check_model()
        known = self._cache.get(self._model, texts)
        for some in batched([text for text in dict.fromkeys(texts) if text not in known], AT_ONCE):
            found = dict(zip(some, self._ask(some), strict=True))
            self._cache.put(self._model, found)
            known.update(found)
        return [known[text] for text in texts]

    def _check_model(self) -> None:
        """A model swapped under the same name makes every kept vector worthless."""
        if self._checked:
            return
        kept, now = self._cache.get(self._model, [CANARY]).get(CANARY), next(self._ask([CANARY]))
        if kept is None or len(kept) != len(now) or max(abs(a - b) for a, b in zip(kept, now, strict=True)) > 1e-3:
            self._cache.forget(self._model)
            self._cache.put(self._model, {CANARY: now})
        self._checked = True

    def _ask(self, texts: list[str]) -> Iterator[Vector]:
        answer = self._link.send("POST", self._path, payload={"model": self._model, "input": texts}).json()
        rows = objects(as_object(answer, "embeddings"), "data", "embeddings")
        if len(rows) != len(texts):
            raise BadAnswer(f"{self._path} gave {len(rows)} vectors for {len(texts)} texts")
        self.asked += len(texts)
        for row in rows:
            yield _vector(as_list(row.get("embedding"), "embedding"))


def _vector(numbers: list[object]) -> Vector:
    """The same list, when it holds numbers and nothing else; BadAnswer names what else it holds."""
    strange = set(map(type, numbers)) - {float, int}
    if strange:
        raise BadAnswer(f"an embedding must hold numbers, but holds {', '.join(sorted(kind.__name__ for kind in strange))}")
    return cast(Vector, numbers)
