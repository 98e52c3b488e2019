"""A sample of the fault matrix on real servers, another one each day; `python -m benchmarks.torture --stores ...` runs it pairwise."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest

from tests.torture.faults import prepared
from tests.torture.grounds import REAL
from tests.torture.world import KINDS

pytestmark = pytest.mark.integration

SEED = date.today().toordinal()
CELLS = {"pgvector": 8, "dash": 2, "vector-stores": 2}


@pytest.mark.parametrize("store", [pytest.param(name, marks=[] if name == "pgvector" else pytest.mark.slow) for name in REAL])
def test_whatever_goes_wrong_with_a_real_store_the_next_run_makes_it_right(tmp_path: Path, store: str) -> None:
    """Nothing is lost, wrongly deleted or doubled; the seed of the sample is the date."""
    chance = random.Random(f"{SEED} {store}")
    kind = chance.choice(KINDS)
    print(f"seed {SEED}: {kind}")
    with prepared(tmp_path, kind, store) as field:
        cells = field.cells()
        assert {cell.side for cell in cells} == {"confluence", "store"}
        outcomes = [field.run(cell) for cell in chance.sample(cells, CELLS[store])]
    assert [outcome for outcome in outcomes if outcome.trouble] == []
