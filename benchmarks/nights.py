"""A large space with a day of changes a night, night after night: what each night costs, and whether the store ends equal to a fresh one.

    python -m benchmarks.nights [--pages N] [--nights N] [--rate SHARE] [--median BYTES] [--write]

The space is made from the sample space; a share of its pages is edited, renamed, moved, relabelled, deleted or added each day.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import pages as making
from benchmarks.document import circumstances, table, write_section
from benchmarks.installed import as_installed
from benchmarks.measure import Measured
from benchmarks.night import held
from benchmarks.run import sync
from benchmarks.served import Served, served

TITLE = "Night after night"
MOST_CREEP = 1.2  # the last night against the second one, in CPU seconds
MOST_PEAK_MB = 250.0
AT_ONCE = 500  # changes in one request to the simulator
KINDS = {"word": 0.40, "section": 0.20, "delete": 0.08, "trash": 0.03, "rename": 0.08, "move": 0.07, "relabel": 0.06, "add": 0.08}
Change = dict[str, object]
Report = dict[str, dict[str, int]]


@dataclass
class Space:
    """The page numbers that are current, and the next one that is free."""

    median: int
    numbers: list[int]
    free: int
    sections: list[str] = field(default_factory=making.sections)

    def day(self, night: int, count: int) -> Iterator[Change]:
        """One day of `count` changes, no page twice, every kind at least once."""
        rng = random.Random(f"night {night}")
        kinds = [*KINDS, *rng.choices(list(KINDS), list(KINDS.values()), k=count - len(KINDS))]
        picked = rng.sample(self.numbers, count)
        for kind, number in zip(kinds, picked, strict=True):
            yield self._change(kind, number, night, rng)
        gone = {number for kind, number in zip(kinds, picked, strict=True) if kind in ("delete", "trash")}
        self.numbers = [number for number in self.numbers if number not in gone]

    def _change(self, kind: str, number: int, night: int, rng: random.Random) -> Change:
        page_id, words = making.page_id(number), f"Reference {number} of the catalogue."
        if kind == "add":
            self.free += 1
            self.numbers.append(self.free)
            return {"op": "add", "content": making.content(self.free, making.body(rng, self.sections, self.free, self.median))}
        more: dict[str, Change] = {
            "word": {"op": "replace", "old": words, "new": f"Since night {night}: {words}"},
            "section": {"op": "replace", "old": f"{words}</p>", "new": f"{words}</p><h2>Night {night}</h2>{rng.choice(self.sections)}"},
            "rename": {"title": f"Case {number} of night {night}"},
            "move": {"parent": making.page_id(0)},
            "relabel": {"labels": [f"night-{night % 5}"]},
        }
        return {"op": kind, "id": page_id, **more.get(kind, {})}


@dataclass(frozen=True)
class Night:
    """What one night cost; sizes in MB."""

    name: str
    cost: Measured
    report: Report
    state_mb: float
    store_mb: float

    def cells(self) -> list[str]:
        pages, asked, chunks = self.report["pages"], self.report["requests"]["confluence"], self.report["chunks"]
        written = pages["new"] + pages["changed"] + pages["retagged"]
        sizes = [f"{self.state_mb:.1f}", f"{self.store_mb:.1f}"]
        done = [str(pages["listed"]), str(written), str(pages["deleted"]), str(chunks["written"]), str(asked)]
        return [self.name, *done, f"{self.cost.cpu:.1f}", f"{self.cost.peak_mb:.0f}", *sizes]


HEAD = ["night", "listed", "written", "deleted", "chunks written", "requests", "CPU s", "peak MB", "state MB", "store MB"]


def one(name: str, folder: Path, place: Served) -> Night:
    cost, report = sync(folder, place, REFRESH_LABELS="1")  # labels raise no version
    state = folder / "state"
    if report["pages"]["failed"] or report["pages"]["deferred"]:
        raise RuntimeError(f"{name}: not everything went in: {report['pages']}")
    night = Night(name, cost, report, _megabytes(state, "state.db"), _megabytes(state, "store.db"))
    print(" | ".join(night.cells()), flush=True)
    return night


def _megabytes(folder: Path, name: str) -> float:
    """Of a database with what lies beside it (its log)."""
    found = list(folder.glob(f"{name}*"))
    if not found:
        raise FileNotFoundError(f"{folder}: no {name}; there are {sorted(p.name for p in folder.iterdir())}")
    return sum(file.stat().st_size for file in found) / 1e6


def nights(folder: Path, place: Served, space: Space, count: int, changes: int) -> tuple[list[Night], bool]:
    """The first sync, one with nothing to do and `count` nights; then a fresh sync, and whether both stores hold the same."""
    for name in ("old", "new"):
        (folder / name).mkdir()
    print(" | ".join(HEAD), flush=True)
    done = [one("first sync", folder / "old", place), one("nothing changed", folder / "old", place)]
    for number in range(1, count + 1):
        day = list(space.day(number, changes))
        for start in range(0, len(day), AT_ONCE):
            place.change(*day[start : start + AT_ONCE])
        done.append(one(str(number), folder / "old", place))
    done.append(one("fresh sync, to compare", folder / "new", place))
    same = held(folder / "old" / "state", "confluence") == held(folder / "new" / "state", "confluence")
    return done, same


def creep(done: list[Night]) -> tuple[float, float]:
    """The last night against the second, and the mean of the last five against that of the second to the sixth; CPU seconds."""
    spent = [night.cost.cpu for night in done if night.name.isdecimal()]
    few = min(5, len(spent) - 1)
    return spent[-1] / spent[1], sum(spent[-few:]) / sum(spent[1 : 1 + few])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--rate", type=float, default=0.01, help="share of the pages that a day changes")
    parser.add_argument("--median", type=int, default=900, help="bytes of storage format of the middle page")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    as_installed()
    if options.nights < 2:
        parser.error("--nights: at least 2, because the last is compared with the second")
    changes = max(len(KINDS), round(options.pages * options.rate))
    with tempfile.TemporaryDirectory(prefix="confluence-sync-nights-") as name:
        file = Path(name) / "pages.jsonl"
        size = making.write_space(file, options.pages, median=options.median)
        space = Space(options.median, list(range(1, options.pages)), options.pages)
        with served(file) as place:
            done, same = nights(Path(name), place, space, options.nights, changes)
    last, mean = creep(done)
    peak = max(night.cost.peak_mb for night in done)
    kept, fresh = done[-2], done[-1]
    told = (
        f"{options.pages} pages of {size / options.pages / 1000:.1f} KB on average, {changes} of them changed a day. "
        f"Ends {'equal to' if same else 'DIFFERENT from'} a fresh sync, chunk for chunk. CPU seconds of the last night against the second: "
        f"{last:.2f} (<= {MOST_CREEP}); the last five against the second to the sixth: {mean:.2f}. "
        f"State {kept.state_mb / fresh.state_mb:.2f} and store {kept.store_mb / fresh.store_mb:.2f} times the fresh ones. "
        f"Highest peak {peak:.0f} MB (<= {MOST_PEAK_MB:.0f})."
    )
    print(told)
    if options.write:
        command = f"Written by `python -m benchmarks.nights --write`. {circumstances()}"
        write_section(TITLE, f"{command}\n\n{told}\n\n{table(HEAD, [night.cells() for night in done])}")
    return 0 if same and last <= MOST_CREEP and peak <= MOST_PEAK_MB else 1


if __name__ == "__main__":
    sys.exit(main())
