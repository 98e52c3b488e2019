"""Keyword search in the embedded store: its index, which words of a question are worth looking up, and the chunks that have them."""

from __future__ import annotations

import sqlite3

from confluence_sync.model import Filter
from confluence_sync.search_words import either, plain, words
from confluence_sync.stores.sqlite_rows import condition

COMMON = 5000  # chunks: a word in more than this says little and costs most of the time
HEADING_COUNTS = 2.0  # a word in the title or a heading counts this many times one in the text

Scored = list[tuple[int, float]]


def newest(connection: sqlite3.Connection, number: int) -> int:
    """The number of the chunk that was added last; what is added later has a higher one."""
    (last,) = connection.execute(f"SELECT coalesce(max(number), 0) FROM chunks_{number}").fetchone()
    return int(last)


def index_since(connection: sqlite3.Connection, number: int, last: int) -> None:
    """Brings the chunks after number `last` into the index. One statement for all: FTS5 writes what it holds when a statement ends, and a
    trigger, which ends one for each chunk, made a first sync's writing three times as dear."""
    connection.execute(
        f"""INSERT INTO words_{number} (rowid, heading, pairs, text)
            SELECT number, heading, pairs, text FROM chunks_{number} WHERE number > ? ORDER BY number""",
        (last,),
    )


def delete_with_words(connection: sqlite3.Connection, number: int, chunk_ids: list[str]) -> None:
    """Deletes chunks, their vectors and, first and in order, because FTS5 writes whenever it goes back, their words."""
    found = connection.execute(f"SELECT number FROM chunks_{number} WHERE id IN ({', '.join('?' * len(chunk_ids))})", chunk_ids)
    those = ", ".join(str(position) for (position,) in found)
    connection.execute(
        f"""INSERT INTO words_{number} (words_{number}, rowid, heading, pairs, text)
            SELECT 'delete', number, heading, pairs, text FROM chunks_{number} WHERE number IN ({those}) ORDER BY number"""
    )
    connection.execute(f"DELETE FROM vectors_{number} WHERE chunk IN ({those})")
    connection.execute(f"DELETE FROM chunks_{number} WHERE number IN ({those})")


def by_words(connection: sqlite3.Connection, number: int, question: str, limit: int, where: Filter) -> Scored:
    """(chunk number, BM25) with the higher the better; nothing for a question without words."""
    expression = either(_worth_asking(connection, number, words(question)))
    if not expression:
        return []
    allowed, values = condition(where)
    # The plus keeps SQLite from asking the index once for each allowed chunk, which took seconds.
    among = f"AND +rowid IN (SELECT number FROM chunks_{number} WHERE {allowed})" if allowed else ""
    sql = f"""SELECT rowid, -bm25(words_{number}, {HEADING_COUNTS}, 1.0, 1.0) AS score FROM words_{number}
              WHERE words_{number} MATCH ? {among} ORDER BY score DESC, rowid LIMIT ?"""
    return connection.execute(sql, (expression, *values, limit)).fetchall()


def _worth_asking(connection: sqlite3.Connection, number: int, asked: list[str]) -> list[str]:
    """The words without those that most chunks have, unless there are no others; small collections are asked for all."""
    if not asked or newest(connection, number) <= COMMON:
        return asked
    connection.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary_{number} USING fts5vocab (main, words_{number}, row)")
    found = {word: _chunks_with(connection, number, word) for word in asked}
    rare = [word for word, count in found.items() if count <= COMMON]  # one that is nowhere costs nothing, and our count may not know it
    common = sorted((word for word, count in found.items() if count > COMMON), key=lambda word: found[word])
    return rare if any(map(found.__getitem__, rare)) else rare + common[:1]


def _chunks_with(connection: sqlite3.Connection, number: int, word: str) -> int:
    """At most so many chunks have the word, or all words of a compound."""
    sql = f"SELECT doc FROM temp.vocabulary_{number} WHERE term = ?"
    counts = [connection.execute(sql, (part,)).fetchone() for part in plain(word).split()]
    return min((row[0] if row else 0 for row in counts), default=0)
