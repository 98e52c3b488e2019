"""What each store costs at scale: load, a night without changes, replacing a page, queries, recall, disk and memory.

python -m benchmarks.stores [KIND ...] [--chunks 100000] [--windows 3] [--questions 100] [--write]
KIND is sqlite, pgvector, milvus or milvus-lite; without one all four are measured, one after the other.

Each server is started here, on the machine's own disk. Texts and vectors are synthetic (benchmarks/synthetic.py). CPU seconds are those of
the server and of this process together; wall times are those of whatever else the machine does. --write puts a column for each kind
into the table of docs/retrieval.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.stores_served import KINDS, Place, served
from benchmarks.synthetic import A_PAGE, LABELS, Exact, Synthetic, chunks, first_line, wordless
from confluence_sync.model import Filter
from confluence_sync.stores.base import Store

DOCUMENT = Path(__file__).parent.parent / "docs" / "retrieval.md"
BEGIN, END = "<!-- benchmarks.stores -->", "<!-- /benchmarks.stores -->"
AT_ONCE = 1000  # chunks of one transaction, as a run writes
PAGES, TOP = 20, 10

Rows = dict[str, str]


def main() -> None:
    options = _options()
    exact = Exact(Synthetic(options.windows), options.chunks)
    for kind in options.kinds or KINDS:
        rows = {"chunks, window vectors": f"{options.chunks:,}, {options.chunks * options.windows:,}"}
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)  # PostgreSQL runs as another account
            with served(kind, Path(folder), exact.embedder) as place:
                for measure, figure in _measured(place, exact, options.questions):
                    print(f"{kind:12} {measure}: {figure}", flush=True)
                    rows[measure] = figure
        if options.write:
            DOCUMENT.write_text(with_column(DOCUMENT.read_text(), kind, rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--windows", type=int, default=3, help="window vectors a chunk")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--write", action="store_true", help="write the figures into docs/retrieval.md")
    options = parser.parse_args()
    unknown = set(options.kinds) - set(KINDS)
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(KINDS)}")
    return options


def _measured(place: Place, exact: Exact, questions: int) -> Iterator[tuple[str, str]]:
    store, count = place.backend.open("bench"), len(exact.pages)
    yield "load", _load(place, store, count)
    yield "a night without changes", _quiet_night(place, store)
    yield from _ask(place, store, exact, questions)
    yield f"a page of {A_PAGE} chunks replaced", _replace(place, store, count)
    yield "CPU seconds in all", f"{place.cpu():.0f}"
    yield "disk", f"{place.disk_mb():,.0f} MB"
    place.look()
    yield "memory at most", f"{place.peak_mb:,.0f} MB"


def _load(place: Place, store: Store, count: int) -> str:
    """The time to make texts and vectors is taken off."""
    making, made, began, cpu = 0.0, 0.0, time.perf_counter(), place.cpu()
    for start in range(0, count, AT_ONCE):
        before, own = time.perf_counter(), time.process_time()
        some = list(chunks(start, min(start + AT_ONCE, count)))
        making, made = making + time.process_time() - own, made + time.perf_counter() - before
        with store.transaction():
            store.write(some)
    return f"{place.cpu() - cpu - making:.0f} CPU s, {time.perf_counter() - began - made:.0f} s"


def _quiet_night(place: Place, store: Store) -> str:
    """What a run asks of the store when nothing changed."""
    began, cpu = time.perf_counter(), place.cpu()
    store.identity()
    return f"{1000 * (place.cpu() - cpu):.0f} ms of CPU, {1000 * (time.perf_counter() - began):.0f} ms"


def _replace(place: Place, store: Store, count: int) -> str:
    """One transaction for each page, where there are any."""
    pages = np.random.default_rng(1).choice(count // A_PAGE, PAGES, replace=False)
    new = {int(page): list(chunks(int(page) * A_PAGE, int(page) * A_PAGE + A_PAGE, version=2)) for page in pages}
    old = {page: [each.id for each in chunks(page * A_PAGE, page * A_PAGE + A_PAGE)] for page in new}
    began, cpu = time.perf_counter(), place.cpu()
    for page, written in new.items():
        with store.transaction():
            store.write(written)
            store.delete(old[page])
    return f"{1000 * (place.cpu() - cpu) / PAGES:.0f} ms of CPU, {1000 * (time.perf_counter() - began) / PAGES:.0f} ms"


def _ask(place: Place, store: Store, exact: Exact, questions: int) -> Iterator[tuple[str, str]]:
    """Questions in words and meaning for the time they take; wordless ones for what vectors find of what brute force finds."""
    numbers = [int(n) for n in np.random.default_rng(2).choice(len(exact.pages), questions, replace=False)]
    store.query(first_line(numbers[0]), TOP)
    for name, label in (("a question", ""), *((name, label) for name, (label, _) in LABELS.items())):
        where = Filter(labels=(label,)) if label else Filter()
        took, cpu = [], place.cpu()
        for number in numbers:
            began = time.perf_counter()
            store.query(first_line(number), TOP, where)
            took.append(1000 * (time.perf_counter() - began))
        each = 1000 * (place.cpu() - cpu) / len(numbers)
        p50, p95 = np.percentile(took, [50, 95])
        found = [_found(store, exact, wordless(number), where) for number in numbers]
        yield name, f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, {each:.0f} ms of CPU; recall of the {TOP} nearest {np.mean(found):.3f}"


def _found(store: Store, exact: Exact, question: str, where: Filter) -> float:
    nearest = exact.nearest(question, TOP, where)
    return len(nearest & {int(hit.text.split()[3]) for hit in store.query(question, TOP, where)}) / len(nearest)


def with_column(text: str, kind: str, rows: Rows) -> str:
    """The document with this kind's column made new and the others as they were."""
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    cells = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in table.strip().splitlines() if line.startswith("|")]
    columns = {name: {row[0]: row[i] for row in cells[2:]} for i, name in enumerate(cells[0]) if i} if cells else {}
    columns = {name: rows if name == kind else columns.get(name, {}) for name in KINDS if name == kind or name in columns}
    measures = list(dict.fromkeys(measure for column in columns.values() for measure in column))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {measure} | " + " | ".join(column.get(measure, "") for column in columns.values()) + " |" for measure in measures]
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


if __name__ == "__main__":
    main()
