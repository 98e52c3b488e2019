"""A sample of the fault matrix, another one each day; `python -m benchmarks.torture --full` runs all of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.torture.faults import Cell, Outcome, prepared
from tests.torture.faults import matrix as fault_matrix
from tests.torture.grounds import LARGE, QUICK, SLOW
from tests.torture.world import KINDS

SEED = date.today().toordinal()


@pytest.mark.parametrize("store", QUICK)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_goes_wrong_the_next_run_makes_it_right(tmp_path: Path, kind: str, store: str, record_property: object) -> None:
    """Nothing is lost, wrongly deleted or doubled by a fault at any request, once or lasting; the seed of the sample is the date."""
    print(f"seed {SEED}")
    outcomes = list(fault_matrix(tmp_path, SEED, 5, [kind], [store]))
    assert len(outcomes) == 5
    assert [outcome for outcome in outcomes if outcome.trouble] == []


@pytest.mark.parametrize("fault", ["404", "html200", "half-json"])
def test_a_side_that_is_gone_from_the_start_is_exit_2_or_5(tmp_path: Path, fault: str) -> None:
    """No fault that lasts from the first request on passes for success."""
    with prepared(tmp_path, "v2", "underscore") as field:
        for side in ("confluence", "store"):
            outcome = field.run(Cell("v2", "underscore", side, fault, 1, "from then on"))
            assert outcome == Outcome(outcome.cell, outcome.exit, "")
            assert outcome.exit in (2, 5), outcome


def test_the_matrix_has_every_fault_at_every_request(tmp_path: Path) -> None:
    """What the benchmark calls full is full: each fault, each request of either side, once and lasting."""
    with prepared(tmp_path, "v2", "underscore") as field:
        cells = field.cells()
    assert len(cells) == len(set(cells))
    assert {cell.request for cell in cells if cell.side == "confluence"} == set(range(1, field.requests["confluence"] + 1))
    assert {*LARGE, *SLOW} < {cell.fault for cell in cells}
    assert field.requests["store"] > 5


def test_a_token_that_ends_before_the_labels_costs_no_labels(tmp_path: Path) -> None:
    """Bodies came, labels answer 401 like everything after them: no page is settled without its labels."""
    with prepared(tmp_path, "v2", "sqlite") as field:
        for request in range(7, 11):
            outcome = field.run(Cell("v2", "sqlite", "confluence", "401", request, "from then on"))
            assert (outcome.trouble, outcome.exit in (2, 4, 5)) == ("", True)


def test_a_proxy_page_in_place_of_the_stores_answer_is_no_success(tmp_path: Path) -> None:
    """A write, a new metadata or a deletion that a page of HTML answered with 200 did not happen: exit 5, and the next run does it."""
    with prepared(tmp_path, "v2", "underscore") as field:
        for request in range(1, field.requests["store"] + 1):
            outcome = field.run(Cell("v2", "underscore", "store", "html200", request, "once"))
            assert (outcome.exit, outcome.trouble) == (5, ""), outcome
