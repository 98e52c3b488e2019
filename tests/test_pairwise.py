"""A pairwise matrix meets every pair that the whole product has, with far fewer cells."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from tests.torture.pairwise import cover


@dataclass(frozen=True)
class Three:
    fault: str
    kind: str
    step: str

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        return frozenset({(self.fault, self.kind), (self.fault, self.step), (self.kind, self.step)})


CELLS = [
    Three(*some) for some in product((f"fault {n}" for n in range(9)), (f"kind {n}" for n in range(4)), (f"step {n}" for n in range(6)))
]


def test_every_pair_is_met() -> None:
    """Nothing that any cell pairs is left out, and no cell is chosen for nothing."""
    picked = cover(CELLS, 1)
    assert set().union(*(cell.pairs for cell in picked)) == set().union(*(cell.pairs for cell in CELLS))
    assert len(picked) < len(CELLS) / 3
    assert len(set(picked)) == len(picked)


def test_the_seed_decides_among_equals() -> None:
    """The same seed gives the same cells; of cells that pair the same, another seed picks others."""
    twins = [*CELLS, *(Three(cell.fault, cell.kind, cell.step) for cell in CELLS)]
    assert cover(twins, 3) == cover(twins, 3)
    same = [Again("a", "b", "c", n) for n in range(50)]
    assert len({cover(same, seed)[0].number for seed in range(9)}) > 3


@dataclass(frozen=True)
class Again(Three):
    number: int
