"""Units back to text: which of them a chunk repeats from the one before, how they read together and what they count."""

from __future__ import annotations

from string import punctuation

from confluence_sync.chunking.pieces import Count
from confluence_sync.chunking.units import BLOCK, Unit


def core_tokens(units: list[Unit], start: int, end: int) -> int:
    """At most what the chunk's own units count, opened and closed."""
    opening: Unit = units[start]
    ending: Unit = units[end - 1]
    return opening.reopen_tokens + _tokens(units, start, end) + ending.close_tokens


def _tokens(units: list[Unit], start: int, end: int) -> int:
    unit: Unit
    total = 0
    for unit in units[start:end]:
        total += unit.tokens
    return total


def overlap_start(units: list[Unit], start: int, floor: int, allowance: int) -> int:
    """Where the chunk whose own units begin at `start` begins: with whole trailing units, not before `floor`, of the chunk before.

    There is none across a heading: a section brings its own path, and an edit at the end of one must not change the next.
    """
    unit: Unit = units[start]
    if start == 0 or unit.strength > BLOCK:
        return start
    first, size = start, -unit.reopen_tokens
    while first > floor:
        unit = units[first - 1]
        size += unit.tokens
        if size + unit.reopen_tokens > allowance:
            break
        first -= 1
    return first


def rendered(units: list[Unit], first: int, end: int) -> str:
    """Units as text: a block that starts before the chunk is opened again, one that goes on after it is closed."""
    unit: Unit = units[first]
    last: Unit = units[end - 1]
    pieces = [unit.reopen, "\n"] if unit.reopen else []
    for unit in units[first : end - 1]:
        pieces += (unit.text, unit.sep)
    pieces += (last.text, "\n", last.close) if last.close else (last.text,)
    return "".join(pieces)


def rendered_tokens(units: list[Unit], first: int, end: int, count: Count) -> int:
    """Exactly what the rendered units count: each was counted with its separator, which the last does not have."""
    opening: Unit = units[first]
    last: Unit = units[end - 1]
    ending = count(last.text + "\n") + count(last.close) if last.close else _bare_tokens(last, count)
    return opening.reopen_tokens + _tokens(units, first, end - 1) + ending


def _bare_tokens(unit: Unit, count: Count) -> int:
    """A unit's tokens without its separator. The encoder always splits between letters and punctuation: only that is recounted."""
    kept = unit.text.rstrip(punctuation)
    if not kept or not kept[-1].isascii() or not kept[-1].isalnum():
        return count(unit.text)
    tail = unit.text[len(kept) :]
    return unit.tokens - count(tail + unit.sep) + count(tail)
