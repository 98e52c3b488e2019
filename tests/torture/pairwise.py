"""Chooses cells so that every pair that any cell holds is held by a chosen one."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Sequence
from typing import Protocol, TypeVar


class Paired(Protocol):
    @property
    def pairs(self) -> frozenset[Hashable]: ...


T = TypeVar("T", bound=Paired)


def cover(cells: Sequence[T], seed: int) -> list[T]:
    """Greedy: always a cell with most pairs still missing, the first of those that are as good.

    Of cells with the same pairs the seed picks one.
    """
    chance = random.Random(seed)
    alike: dict[frozenset[Hashable], list[T]] = {}
    for cell in cells:
        alike.setdefault(cell.pairs, []).append(cell)
    candidates = [chance.choice(some) for some in alike.values()]
    missing = {pair for pairs in alike for pair in pairs}
    picked: list[T] = []
    while missing:
        best = _best(candidates, missing)
        picked.append(best)
        missing -= best.pairs
    return picked


def _best(candidates: Iterable[T], missing: set[Hashable]) -> T:
    return max(candidates, key=lambda cell: len(cell.pairs & missing))
