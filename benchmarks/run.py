"""Measures the whole run beside the usual way: python -m benchmarks.run [--pages FILE] [--large] [--only NAME] (docs/benchmarks.md)."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import pages as making
from benchmarks.document import circumstances, table, write_section
from benchmarks.installed import as_installed
from benchmarks.measure import Measured, measured
from benchmarks.served import Served, served

PYTHON = sys.executable
LEAST_SPEED = 4.0  # times less CPU than the usual way
MOST_CPU_A_MB = 0.20  # seconds are the machine's as much as ours: more than this is told and not judged
MOST_PEAK_MB = 250.0
MOST_GROWTH = 1.15
MOST_QUIET_CPU = 1.5
EDITS = 100


@dataclass(frozen=True)
class Row:
    """One line of the table. `holds` is None for what is only told."""

    measure: str
    figure: str
    bound: str
    holds: bool | None


def sync(folder: Path, place: Served, memory: bool = True, **more: str) -> tuple[Measured, dict[str, dict[str, int]]]:
    """One run in a process of its own; gives its cost and its report."""
    report = folder / "report.json"
    environment = {**place.environment, "STATE_DIR": str(folder / "state"), "EMBEDDING_BACKEND": "none", "LOG_LEVEL": "warning", **more}
    cost = measured([PYTHON, "-m", "confluence_sync", "sync", "--report", str(report)], folder, environment, memory=memory)
    if cost.exit:
        raise RuntimeError(f"sync ended with {cost.exit}: {cost.output[-2000:]}")
    return cost, json.loads(report.read_text())


def cold(folder: Path, file: Path, size: int) -> Iterator[Row]:
    """A first sync beside the usual way: same server, same pages, one after the other."""
    with served(file) as place:
        ours, report = sync(folder, place)
        env = place.environment
        base = f"{env['CONF_GATEWAY_URL']}/ex/confluence/{env['CONF_CLOUD_ID']}"
        key = json.loads(next(iter(file.open(encoding="utf-8"))))["space"]["key"]
        usual = measured(
            [PYTHON, str(Path(__file__).with_name("usual_way.py")), base, env["CONF_USER"], env["CONF_API_TOKEN"], key], folder
        )
    ratio, each, theirs = usual.cpu / ours.cpu, ours.cpu / (size / 1e6), usual.cpu / (size / 1e6)
    pages = report["pages"]["listed"]
    told = f"{ours.cpu:.1f} against {usual.cpu:.1f} CPU s for {pages} pages, {size / 1e6:.0f} MB: {ratio:.1f} times less"
    yield Row("first sync, all in, against the usual way (which has no store)", told, f">= {LEAST_SPEED}", ratio >= LEAST_SPEED)
    told = f"{each:.2f}; the usual way {theirs:.2f}"
    yield Row("CPU seconds for each MB of storage format", told, f"<= {MOST_CPU_A_MB}", each <= MOST_CPU_A_MB or None)


def memory(folder: Path, sizes: list[int]) -> Iterator[Row]:
    """The peak of the whole tree at growing sizes, with pages of the same kind."""
    peaks = []
    for count in sizes:
        file = folder / f"{count}.jsonl"
        making.write_space(file, count)
        with served(file) as place:
            cost, _ = sync(_fresh(folder, f"memory-{count}"), place)
        file.unlink()
        peaks.append(cost.peak_mb)
        yield Row(
            f"peak memory (PSS) of a first sync, {count} pages",
            f"{cost.peak_mb:.0f} MB",
            f"<= {MOST_PEAK_MB:.0f} MB",
            cost.peak_mb <= MOST_PEAK_MB,
        )
    growth = peaks[-1] / peaks[0]
    yield Row(f"{sizes[-1]} pages against {sizes[0]}", f"{growth:.2f}", f"<= {MOST_GROWTH}", growth <= MOST_GROWTH)


def requests(folder: Path, given: Path | None) -> Iterator[Row]:
    """What a first sync, a night with nothing to do and single edits cost, with the pages of `given` or 10,000 made ones."""
    file = given or folder / "requests.jsonl"
    if not given:
        making.write_space(file, 10_000, median=5900)
    count = sum(1 for _ in making.contents(file))
    bulk = math.ceil(count / 250)
    with served(file) as place:
        _, report = sync(folder, place)
        asked, most = report["requests"]["confluence"], 1.1 * 3 * bulk + 15
        yield Row(f"requests of a first sync, {count} pages, labels included", str(asked), f"<= {most:.0f}", asked <= most)
        place.counted()
        quiet, report = sync(folder, place)
        asked, bodies = sum(place.counted().values()), report["chunks"]["written"]
        yield Row("requests of a night with nothing to do", str(asked), f"<= {bulk + 5}", asked <= bulk + 5 and bodies == 0)
        yield Row("its CPU seconds", f"{quiet.cpu:.2f}", f"<= {MOST_QUIET_CPU}", quiet.cpu <= MOST_QUIET_CPU)
        yield from _edits(folder, place, file, asked)
    if not given:
        file.unlink()


def _edits(folder: Path, place: Served, file: Path, quiet: int) -> Iterator[Row]:
    """One word more in one page, over and over."""
    rows = [content for content in making.contents(file) if "<p>" in making.edited(content)]
    written, extra = [], []
    for content in random.Random(7).sample(rows, EDITS):
        place.change({"op": "edit", "id": content["id"], "body": making.edited(content)})
        place.counted()
        _, report = sync(folder, place)
        written.append(report["chunks"]["written"])
        extra.append(report["requests"]["confluence"] - quiet)
    mean, p95 = sum(written) / EDITS, sorted(written)[int(0.95 * EDITS)]
    yield Row(f"chunks written for one edited word, {EDITS} pages: mean, p95", f"{mean:.2f}, {p95}", "<= 2, <= 3", mean <= 2 and p95 <= 3)
    yield Row("requests besides the listing, at most", str(max(extra)), "<= 2", max(extra) <= 2)


def latency(folder: Path, file: Path, size: int) -> Iterator[Row]:
    """Wall time of a first sync behind a slow line, the middle one of three, beside the floors of network and CPU."""
    count = sum(1 for _ in making.contents(file))
    batches = math.ceil(count / 250)
    for milliseconds in (50, 200):
        with served(file, milliseconds) as place:
            costs = [sync(_fresh(folder, f"latency-{milliseconds}-{n}"), place, memory=False)[0] for n in range(3)]
        cost = sorted(costs, key=lambda one: one.wall)[1]
        each = milliseconds / 1000
        network, cpu = batches * each + 2 * batches * each / 4, cost.cpu / (os.cpu_count() or 1)
        floor = max(network, cpu)
        told = f"{cost.wall:.2f} s; network floor {network:.2f} s, CPU floor {cpu:.2f} s"
        yield Row(f"wall time at {milliseconds} ms a request, {count} pages", told, "<= 1.5 x the larger floor", cost.wall <= 1.5 * floor)


def start_up(folder: Path) -> Iterator[Row]:
    """What it costs to say no, or how."""
    for words, command, most in (("confluence-sync --help", "--help", 0.12), ("a run that fails on settings", "sync", 0.25)):
        times = [
            measured([PYTHON, "-m", "confluence_sync", command], folder, {"CONF_CLOUD_ID": "", "CONF_BASE_URL": ""}).cpu for _ in range(5)
        ]
        best = sorted(times)[len(times) // 2]
        yield Row(f"CPU seconds of {words}", f"{best:.2f}", f"<= {most}", best <= most)


def _fresh(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=Path, help="a JSONL file of content objects instead of pages made from the sample space")
    parser.add_argument("--large", action="store_true", help="memory up to 100,000 pages, too")
    parser.add_argument("--only", default="", help="cold, memory, requests, latency or start_up")
    options = parser.parse_args()
    as_installed()
    with tempfile.TemporaryDirectory(prefix="confluence-sync-bench-") as name:
        folder = Path(name)
        file = options.pages or folder / "pages.jsonl"
        size = _size(file) if options.pages else making.write_space(file, 2000)
        sizes = [2000, 20_000, 100_000] if options.large else [2000, 20_000]
        measures: dict[str, Callable[[Path], Iterator[Row]]] = {
            "start_up": start_up,
            "cold": lambda f: cold(f, file, size),
            "latency": lambda f: latency(f, file, size),
            "memory": lambda f: memory(f, sizes),
            "requests": lambda f: requests(f, options.pages),
        }
        rows = []
        for measure, rows_of in measures.items():
            if options.only in ("", measure):
                for row in rows_of(_fresh(folder, measure)):
                    print(
                        f"{'' if row.holds is None else 'ok  ' if row.holds else 'MISS'} {row.measure}: {row.figure} ({row.bound})",
                        flush=True,
                    )
                    rows.append(row)
    if not options.only:
        _write(rows)
    return 1 if any(row.holds is False for row in rows) else 0


def _size(file: Path) -> int:
    return sum(len(content["body"]["storage"]["value"].encode()) for content in making.contents(file))  # type: ignore[index]  # v1's own shape


def _write(rows: list[Row]) -> None:
    lines = [[row.measure, row.figure, row.bound, {True: "yes", False: "no", None: ""}[row.holds]] for row in rows]
    told = table(["measure", "figure", "bound", "holds"], lines)
    write_section("The whole run", f"Written by `python -m benchmarks.run`. {circumstances()}\n\n{told}")


if __name__ == "__main__":
    sys.exit(main())
