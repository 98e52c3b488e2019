"""A run is stopped before, in the middle of and after every effect; the next run leaves exactly what a fresh sync would."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.torture.crash import SCENARIOS, STORES, crash_matrix

EVERY = 9  # every effect is cut by `python -m benchmarks.torture`; here a ninth of them, another ninth each day
FIRST = 1 + date.today().toordinal() % EVERY


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_that_is_killed_at_any_effect_loses_nothing(tmp_path: Path, store: str, scenario: str) -> None:
    """No chunk is missing, too many, twice or stale after the run that follows a killed one, and the state names exactly them."""
    cuts = list(crash_matrix(tmp_path, store, scenario, EVERY, FIRST))
    assert len(cuts) > 6
    assert [cut for cut in cuts if cut.trouble] == []


def test_two_kills_in_a_row_lose_nothing(tmp_path: Path) -> None:
    """The run that follows a killed one may be killed at the same effect, too."""
    assert [cut for cut in crash_matrix(tmp_path, "memory", "a day of changes", EVERY, FIRST, twice=True) if cut.trouble] == []


@pytest.mark.parametrize("store", ["memory", "unlisted"])
def test_an_edit_between_a_killed_run_and_the_next_leaves_nothing_behind(tmp_path: Path, store: str) -> None:
    """What the killed run wrote of a page that was edited again is known to the state, also where the store cannot list it, and goes."""
    assert [cut for cut in crash_matrix(tmp_path, store, "a day of changes", 5, FIRST % 5 + 1, edited=True) if cut.trouble] == []
