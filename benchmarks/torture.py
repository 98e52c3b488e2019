"""Prints the crash matrix and the fault matrix: python -m benchmarks.torture [--full] [--cells N] [--seed N].

With `--stores pgvector dash vector-stores` real servers are started, and the fault matrix is pairwise, as a cell there takes seconds.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from datetime import date
from itertools import chain
from pathlib import Path

from tests.torture import faults
from tests.torture.crash import SCENARIOS, Cut, crash_matrix
from tests.torture.crash import STORES as CRASH_STORES
from tests.torture.grounds import GROUNDS, QUICK, REAL
from tests.torture.world import KINDS

SAMPLE = 40  # cells of each kind and store


def main() -> int:
    options = _options()
    logging.disable(logging.CRITICAL)
    seed = options.seed if options.seed is not None else date.today().toordinal()
    print(f"seed {seed}; {'every cell' if options.full else f'{options.cells} cells of each kind and store, a fifth of the cuts'}")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        if "crash" in options.only:
            bad += crashes(Path(folder), 1 if options.full else 5, seed)
        if "fault" in options.only:
            bad += mishaps(Path(folder), seed, 0 if options.full else options.cells, options)
    print(f"{bad} cells lost, wrongly deleted, doubled or left something")
    return 1 if bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="every cell, which takes an hour or more")
    parser.add_argument("--cells", type=int, default=SAMPLE, help=f"fault cells of each kind and store ({SAMPLE})")
    parser.add_argument("--seed", type=int, help="which cells (the date)")
    parser.add_argument("--only", nargs="+", default=["crash", "fault"], choices=["crash", "fault"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--stores", nargs="+", default=list(QUICK), choices=list(GROUNDS))
    return parser.parse_args()


def crashes(folder: Path, every: int, seed: int) -> int:
    """Prints cuts that went well of all cuts, and each that did not."""
    started, bad = time.process_time(), 0
    for store in CRASH_STORES:
        for scenario in SCENARIOS:
            cuts = list(crash_matrix(folder / store / scenario, store, scenario, every, 1 + seed % every))
            bad += _print_cuts(store, scenario, cuts)
    print(f"{time.process_time() - started:.0f} CPU seconds\n")
    return bad


def _print_cuts(store: str, scenario: str, cuts: list[Cut]) -> int:
    good = sum(not cut.trouble for cut in cuts)
    print(f"{store:<8} {scenario:<20} {good:>4} of {len(cuts):>4} cuts lead to the same store", flush=True)
    for cut in cuts:
        if cut.trouble:
            print(f"    {cut.when} effect {cut.at} ({cut.effect}): {cut.trouble}")
    return len(cuts) - good


def mishaps(folder: Path, seed: int, cells: int, options: argparse.Namespace) -> int:
    """Prints, for each fault and each kind and store, how many cells went well of how many."""
    started = time.process_time()
    product = faults.matrix(folder, seed, cells, options.kinds, [store for store in options.stores if store in QUICK])
    pairs = faults.pairwise(folder, seed, options.kinds, [store for store in options.stores if store in REAL])
    outcomes: list[faults.Outcome] = []
    try:
        outcomes.extend(_told(chain(product, pairs)))
    except KeyboardInterrupt:
        print("stopped; the table has the cells that were run")
    columns = [(kind, store) for kind in options.kinds for store in options.stores]
    print(f"{'fault':<28}" + "".join(f"{f'{kind} {store}':>16}" for kind, store in columns))
    names = sorted({(o.cell.side, o.cell.fault) for o in outcomes})
    for side, fault in names:
        print(f"{side:<11}{fault:<17}" + "".join(f"{_share(outcomes, side, fault, *column):>16}" for column in columns))
    exits = Counter(outcome.exit for outcome in outcomes)
    print("exit codes of the broken runs: " + ", ".join(f"{code}: {count}" for code, count in sorted(exits.items())))
    print(f"{len(outcomes)} cells, {time.process_time() - started:.0f} CPU seconds\n")
    return sum(bool(outcome.trouble) for outcome in outcomes)


def _told(outcomes: Iterable[faults.Outcome]) -> Iterable[faults.Outcome]:
    for number, outcome in enumerate(outcomes, 1):
        if outcome.trouble:
            print(f"    {outcome.cell}: {outcome.trouble}", flush=True)
        if number % (25 if outcome.cell.store in REAL else 500) == 0:
            print(f"    {number} cells ...", flush=True)
        yield outcome


def _share(outcomes: list[faults.Outcome], side: str, fault: str, kind: str, store: str) -> str:
    here = [o for o in outcomes if (o.cell.side, o.cell.fault, o.cell.kind, o.cell.store) == (side, fault, kind, store)]
    return f"{sum(not o.trouble for o in here)}/{len(here)}" if here else "-"


if __name__ == "__main__":
    raise SystemExit(main())
