"""How PostgreSQL is asked: rare words first on the tsvector, nearest windows by HNSW, small filters exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING

from confluence_sync.embed import Matrix
from confluence_sync.jsontext import dumps
from confluence_sync.model import Filter
from confluence_sync.search_words import folded_words, plain, words
from confluence_sync.stores.pgvector_schema import ITERATIVE

if TYPE_CHECKING:
    from confluence_sync.stores.pgvector_schema import Connection

COMMON = 5000  # chunks: a word in more than this says little, and a filter that leaves fewer is searched exactly
WINDOWS_A_CHUNK = 4  # so many windows are asked for to get one chunk, as a good chunk has several near ones
ONCE = 0.0608  # what ts_rank gives a word that stands in a text once; it grows to 1.6 times that, as BM25's share of repetition does
LONGEST, LAST = 400, 16383  # characters of a word and its last place that a tsvector takes
_PLACES = [f":{i} " for i in range(1, LAST + 1)]  # made once: formatting each word's place was half of what sending a chunk cost

Scored = list[tuple[int, float]]
Value = str | int | float | list[str]


def condition(collection: str, where: Filter) -> tuple[str, list[Value]]:
    """SQL on document_chunk c for a collection and a filter, and its values in order."""
    parts, values = ["c.collection_name = %s"], [collection]
    more: list[tuple[str, Value]] = [
        ("c.space = ANY(%s)", list(where.space_keys)),
        ("c.page = ANY(%s)", list(where.page_ids)),
        ("c.labels && %s", list(where.labels)),
        ("c.modified >= %s", where.modified_since),
        ("c.modified <= %s", where.modified_before),
    ]
    chosen = [(sql, value) for sql, value in more if value]
    return " AND ".join([*parts, *(sql for sql, _ in chosen)]), [*values, *(value for _, value in chosen)]


def tsvector(heading: str, text: str) -> str:
    """Both texts as a tsvector, the heading weighted A. Made here, because PostgreSQL's own parser drops what its locale does not know."""
    first, rest = _lexemes(heading), _lexemes(text)
    parts = [""] * (2 * len(rest))
    parts[::2] = rest
    parts[1::2] = islice(chain(islice(_PLACES, len(first), None), repeat(_PLACES[-1])), len(rest))
    return "".join([*(f"{word}:{min(i, LAST)}A " for i, word in enumerate(first, 1)), *parts]).rstrip()


def _lexemes(text: str) -> list[str]:
    words = folded_words(text)
    return words if max(map(len, words), default=0) <= LONGEST else [word[:LONGEST] for word in words]


def _tsquery(word: str) -> str:
    """A word, or the parts of a compound one behind the other."""
    return " <-> ".join(part[:LONGEST] for part in plain(word).split()[:8])


def by_words(connection: Connection, collection: str, question: str, limit: int, where: Filter) -> Scored:
    """(chunk number, score): for every word its rarity times how often it stands there, as BM25 does; the title counts double."""
    weights = _rarity(connection, collection, [query for query in map(_tsquery, words(question)) if query])
    if not weights:
        return []
    matching, values = condition(collection, where)
    queries = ", ".join(["(%s::tsquery, %s::float8)"] * len(weights))
    given = [part for pair in weights for part in pair]
    sql = f"""
        WITH asked (query, weight) AS (VALUES {queries}),
             found AS MATERIALIZED (SELECT DISTINCT c.number FROM asked JOIN document_chunk c ON c.words @@ asked.query WHERE {matching})
        SELECT c.number, sum(asked.weight * ts_rank('{{0.1, 0.1, 0.1, 0.2}}', c.words, asked.query)) / {ONCE} AS score
        FROM found JOIN document_chunk c USING (number) JOIN asked ON c.words @@ asked.query
        GROUP BY c.number ORDER BY score DESC, c.number LIMIT %s"""
    return [(int(str(number)), float(str(score))) for number, score in connection.execute(sql.encode(), [*given, *values, limit])]


def _rarity(connection: Connection, collection: str, asked: Sequence[str]) -> list[tuple[str, float]]:
    """The words worth looking up, with their weights: common ones only when there are no others."""
    if not asked:
        return []
    sql = f"""
        SELECT w, (SELECT count(*) FROM (SELECT 1 FROM document_chunk c
            WHERE c.collection_name = %s AND c.words @@ w::tsquery LIMIT {COMMON}) AS counted)
        FROM unnest(%s::text[]) AS w"""
    rows = [(str(word), int(str(count))) for word, count in connection.execute(sql.encode(), (collection, list(asked)))]
    (total,) = connection.execute("SELECT count(*) FROM document_chunk WHERE collection_name = %s", (collection,)).fetchone() or (0,)
    known = [(word, count) for word, count in rows if count]
    rare = [(word, count) for word, count in known if count < COMMON] or known[:1]
    size = int(str(total))
    return [(word, math.log(1 + (max(size - count, 0) + 0.5) / (count + 0.5))) for word, count in rare]


def by_meaning(
    connection: Connection, number: int, collection: str, vector: Matrix, limit: int, where: Filter, version: tuple[int, ...]
) -> Scored:
    """(chunk number, cosine) by the best window of each chunk. To be called in a transaction, whose settings it changes."""
    near = dumps(vector.tolist()).decode()
    matching, values = condition(collection, where)
    if where and (version < ITERATIVE or _few(connection, matching, values)):
        return _exactly(connection, number, near, limit, matching, values)
    connection.execute("SET LOCAL hnsw.ef_search = 200")
    if version >= ITERATIVE:
        connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
    joined = f"JOIN document_chunk c ON c.number = w.chunk WHERE {matching}" if where else ""
    sql = f"""SELECT w.chunk, 1 - (w.vector <=> %s::vector) AS score FROM document_window_{number} w {joined}
              ORDER BY w.vector <=> %s::vector LIMIT %s"""
    rows = connection.execute(sql.encode(), [near, *(values if where else []), near, limit * WINDOWS_A_CHUNK]).fetchall()
    best: dict[int, float] = {}
    for chunk, score in rows:
        best.setdefault(int(str(chunk)), float(str(score)))
    return list(best.items())[:limit]


def _few(connection: Connection, matching: str, values: list[Value]) -> bool:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM document_chunk c WHERE {matching} LIMIT {COMMON + 1}) AS counted"
    return int(str((connection.execute(sql.encode(), values).fetchone() or (0,))[0])) <= COMMON


def _exactly(connection: Connection, number: int, near: str, limit: int, matching: str, values: list[Value]) -> Scored:
    """Every window of every matching chunk is compared: full recall where the index would have to skip most of what it meets."""
    sql = f"""
        WITH chosen AS MATERIALIZED (SELECT c.number FROM document_chunk c WHERE {matching})
        SELECT w.chunk, max(1 - (w.vector <=> %s::vector)) AS score FROM chosen JOIN document_window_{number} w ON w.chunk = chosen.number
        GROUP BY w.chunk ORDER BY score DESC, w.chunk LIMIT %s"""
    return [(int(str(chunk)), float(str(score))) for chunk, score in connection.execute(sql.encode(), [*values, near, limit])]
