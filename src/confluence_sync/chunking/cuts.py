"""Where a page is cut: at the strongest boundary in reach, so that after an edit the cuts find themselves again."""

from __future__ import annotations

from zlib import crc32

from confluence_sync.chunking.units import MAJOR, Unit

LEAST = 0.4  # of the budget: before a chunk has this much, no cut is looked for
ENOUGH = 0.65  # of the budget: from here on a chapter always starts a new chunk, so that what is appended to a page leaves the rest alone

_TELLING = 120  # characters of a unit that tell it from others


def spans(units: list[Unit], budget: int) -> list[tuple[int, int]]:
    """The chunks' cores as (start, end) over `units`, without gaps; each has at most `budget` tokens, opened and closed."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(units):
        end = _end(units, start, budget)
        found.append((start, end))
        start = end
    return found


def _end(units: list[Unit], start: int, budget: int) -> int:
    """Candidates lie between LEAST and the whole of the budget, never behind a heading; equals are told apart by what follows."""
    unit: Unit = units[start]
    size = unit.reopen_tokens + unit.tokens
    longest = start + 1
    candidates: list[int] = []
    for position in range(start + 1, len(units)):
        behind_heading = unit.level > 0
        unit = units[position]
        if not behind_heading:
            longest = position
            if size >= LEAST * budget:
                candidates.append(position)
            if size >= ENOUGH * budget and unit.strength == MAJOR:
                return position
        size += unit.tokens
        if size + unit.close_tokens > budget:
            return _best(units, candidates) if candidates else longest
    return len(units)


def _best(units: list[Unit], candidates: list[int]) -> int:
    strongest = max(units[position].strength for position in candidates)
    equals = [position for position in candidates if units[position].strength == strongest]
    return min(equals, key=lambda position: crc32(units[position].text[:_TELLING].encode())) if len(equals) > 1 else equals[0]
