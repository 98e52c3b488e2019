"""Units back to text: which of them a chunk repeats from the one before, how they read together and what they count."""

from __future__ import annotations

from collections.abc import Sequence
from string import punctuation

from confluence_sync.chunking.pieces import Count
from confluence_sync.chunking.units import BLOCK, Unit


def core_tokens(units: Sequence[Unit], start: int, end: int) -> int:
    """At most what the chunk's own units count, opened and closed."""
    return units[start].reopen_tokens + sum(unit.tokens for unit in units[start:end]) + units[end - 1].close_tokens


def overlap_start(units: Sequence[Unit], start: int, floor: int, allowance: int) -> int:
    """Where the chunk whose own units begin at `start` begins: with whole trailing units, not before `floor`, of the chunk before.

    There is none across a heading: a section brings its own path, and an edit at the end of one must not change the next.
    """
    if start == 0 or units[start].strength > BLOCK:
        return start
    first, size = start, -units[start].reopen_tokens
    while first > floor:
        unit = units[first - 1]
        size += unit.tokens
        if size + unit.reopen_tokens > allowance:
            break
        first -= 1
    return first


def rendered(units: Sequence[Unit], first: int, end: int) -> str:
    """Units as text: a block that starts before the chunk is opened again, one that goes on after it is closed."""
    opening = units[first].reopen + "\n" if units[first].reopen else ""
    body = "".join([unit.text + unit.sep for unit in units[first : end - 1]])
    last = units[end - 1]
    return opening + body + last.text + ("\n" + last.close if last.close else "")


def rendered_tokens(units: Sequence[Unit], first: int, end: int, count: Count) -> int:
    """Exactly what the rendered units count: each was counted with its separator, which the last does not have."""
    last = units[end - 1]
    ending = count(last.text + "\n") + count(last.close) if last.close else _bare_tokens(last, count)
    return units[first].reopen_tokens + sum([unit.tokens for unit in units[first : end - 1]]) + ending


def _bare_tokens(unit: Unit, count: Count) -> int:
    """A unit's tokens without its separator. The encoder always splits between letters and punctuation: only that is recounted."""
    kept = unit.text.rstrip(punctuation)
    if not kept or not kept[-1].isascii() or not kept[-1].isalnum():
        return count(unit.text)
    tail = unit.text[len(kept) :]
    return unit.tokens - count(tail + unit.sep) + count(tail)
