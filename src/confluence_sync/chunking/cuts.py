"""Where a page is cut: at the strongest boundary in reach, so that after an edit the cuts find themselves again."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from confluence_sync.chunking.units import Unit

LEAST = 0.35  # of the budget: a cut is not looked for before a chunk has this much


def spans(units: Sequence[Unit], budget: int) -> list[tuple[int, int]]:
    """The chunks' cores as (start, end) over `units`, without gaps; each has at most `budget` tokens."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(units):
        end = _end(units, start, budget)
        found.append((start, end))
        start = end
    return found


def _end(units: Sequence[Unit], start: int, budget: int) -> int:
    size = units[start].reopen_tokens
    best, best_rank = start + 1, (-1, 0)
    for position in range(start, len(units)):
        unit = units[position]
        if position > start and (size >= LEAST * budget or best_rank[0] < 0):
            rank = _rank(units, position) if size >= LEAST * budget else (-1, position)
            if rank >= best_rank and (rank[0] >= 0 or not units[position - 1].level):
                best, best_rank = position, rank
        size += unit.tokens
        if size + unit.close_tokens > budget:
            return best
    return len(units)


def _rank(units: Sequence[Unit], position: int) -> tuple[int, int]:
    """How good a cut before this unit is; a heading never ends a chunk, and equals are told apart by what follows."""
    if units[position - 1].level:
        return -1, 0
    return units[position].strength, -crc32(units[position].text.encode())
