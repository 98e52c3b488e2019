"""A first sync beside what LangChain and LlamaIndex read of the same space: python -m benchmarks.peers [--pages FILE].

Each library comes from PyPI into an environment of its own below ~/.cache/confluence-sync/peers, in pinned versions. All read the same
2,000 pages from the same simulator, one after the other, three times over, because the same program takes up to a fifth more or less. They
keep nothing; ours also fills a store. Writes docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import pages as making
from benchmarks.document import circumstances, table, write_section
from benchmarks.installed import as_installed
from benchmarks.measure import Measured, measured
from benchmarks.run import sync
from benchmarks.served import Served, served
from confluence_sync.simulator.access import SITE_TOKEN

TITLE = "Beside other libraries"
LEAST_SPEED = 4.0  # times less CPU than each of them
ROUNDS = 3
CODE = re.compile(r'<ac:structured-macro[^>]*ac:name="(?:code|noformat)"(?:(?!</ac:structured-macro>).)*?<!\[CDATA\[(.*?)\]\]>', re.S)
FENCE = re.compile(r"[\s>]*(`{3,}|~{3,})(.*)")
Texts = list[tuple[str, str]]  # page id and text of each chunk
Blocks = set[tuple[str, str]]  # page id and first line of each code block


@dataclass(frozen=True)
class Peer:
    """`folder` names its environment, `script` stands beside this file."""

    name: str
    folder: str
    script: str
    pins: tuple[str, ...]
    flags: tuple[str, ...] = ()


LANGCHAIN = (
    "langchain-community==0.4.2", "langchain-text-splitters==1.1.3", "langchain-core==1.7.2", "atlassian-python-api==4.0.7",
    "beautifulsoup4==4.15.0", "lxml==6.1.3", "markdownify==1.2.3",
)  # fmt: skip
LLAMAINDEX = ("llama-index-readers-confluence==0.8.0", "llama-index-core==0.14.25", "atlassian-python-api==4.0.7")
PEERS = (
    Peer("LangChain as it comes", "langchain", "peer_langchain.py", LANGCHAIN),
    Peer("LangChain, Markdown, restrictions not asked", "langchain", "peer_langchain.py", LANGCHAIN, ("--markdown",)),
    Peer("LlamaIndex", "llamaindex", "peer_llamaindex.py", LLAMAINDEX),
)


@dataclass(frozen=True)
class Result:
    """What one of them cost and gave."""

    name: str
    cost: Measured
    requests: int
    texts: Texts

    def cells(self, wanted: Blocks, ours: Result) -> list[str]:
        pages, characters = len({page for page, _ in self.texts}), sum(len(text) for _, text in self.texts)
        kept = len(wanted & fenced(self.texts))
        shares = [f"{self.cost.cpu:.1f}", f"{self.cost.cpu / ours.cost.cpu:.1f}", str(self.requests), f"{self.cost.peak_mb:.0f}"]
        return [self.name, *shares, str(pages), str(len(self.texts)), f"{characters / 1e6:.1f}", f"{kept} of {len(wanted)}"]


HEAD = ["", "CPU s", "times ours", "requests", "peak MB", "pages", "chunks", "million characters", "code blocks kept as fences"]


def installed(peer: Peer) -> Path:
    """Its Python, made once. Raises RuntimeError with pip's last words when its packages cannot be installed."""
    folder = Path.home() / ".cache" / "confluence-sync" / "peers" / peer.folder
    python, done = folder / "bin" / "python", folder / "pins.txt"
    pins = "\n".join(peer.pins)
    if done.is_file() and done.read_text() == pins:
        return python
    print(f"installing {', '.join(peer.pins)} (once)", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *peer.pins]
    answer = subprocess.run(pip, capture_output=True, text=True, timeout=1800)
    if answer.returncode:
        raise RuntimeError(f"{peer.name} cannot be installed: {answer.stderr.strip()[-600:]}")
    done.write_text(pins)
    return python


def theirs(peer: Peer, folder: Path, place: Served, key: str) -> Result:
    out = folder / "chunks.jsonl"
    env = place.environment
    site = [f"{env['CONF_GATEWAY_URL']}/wiki", env["CONF_USER"], SITE_TOKEN, key]
    script = str(Path(__file__).with_name(peer.script))
    python = installed(peer)
    place.counted()
    quiet = {"PYTHONPATH": "", "LANGCHAIN_TRACING_V2": "false"}
    cost = measured([str(python), script, *site, str(out), *peer.flags], folder, quiet)
    if cost.exit:
        raise RuntimeError(f"{peer.name} ended with {cost.exit}: {cost.output[-1500:]}")
    with out.open(encoding="utf-8") as lines:
        texts = [(str(row["page"]), str(row["text"])) for row in map(json.loads, lines)]
    return Result(peer.name, cost, sum(place.counted().values()), texts)


def own(folder: Path, place: Served) -> Result:
    """In a folder of its own, so that it is a first sync each time."""
    folder.mkdir()
    place.counted()
    cost, _ = sync(folder, place)
    with closing(sqlite3.connect(folder / "state" / "store.db")) as store:
        texts = [(str(page), str(text)) for page, text in store.execute("select page, text from chunks_1")]
    return Result("confluence-sync, with its store", cost, sum(place.counted().values()), texts)


def rounds(folder: Path, place: Served, key: str) -> tuple[list[Result], list[str]]:
    """What each of them usually costs, ours first, and why one could not be measured."""
    runs: dict[str, list[Result]] = {}
    problems: dict[str, str] = {}
    for number in range(ROUNDS):
        runs.setdefault("ours", []).append(own(folder / f"round-{number}", place))
        for peer in PEERS:
            if peer.name in problems:
                continue
            try:
                runs.setdefault(peer.name, []).append(theirs(peer, folder, place, key))
            except RuntimeError as problem:  # a library that does not install or run is told, and the others are measured
                problems[peer.name] = str(problem)
    return [middle(results) for results in runs.values() if results], list(problems.values())


def middle(results: list[Result]) -> Result:
    """The run that took neither the most nor the least CPU; the cheaper one of two."""
    return sorted(results, key=lambda result: result.cost.cpu)[(len(results) - 1) // 2]


def code_blocks(file: Path) -> Blocks:
    """Code in the pages, by page and first line."""
    found = set()
    for content in making.contents(file):
        body = content["body"]["storage"]["value"]  # type: ignore[index]  # v1's own shape
        found |= {(str(content["id"]), line) for code in CODE.findall(body) if (line := _first(code.split("\n")))}
    return found


def _first(lines: list[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def fenced(texts: Texts) -> Blocks:
    """Every line that stands in a fence, by page."""
    return {(page, line) for page, text in texts for line in _lines_in_fences(text)}


def _lines_in_fences(text: str) -> Iterator[str]:
    mark = ""
    for line in text.split("\n"):
        fence = FENCE.fullmatch(line)
        if not mark and fence:
            mark = fence[1]
        elif fence and fence[1].startswith(mark) and not fence[2].strip():
            mark = ""
        elif mark:
            yield line.strip()


def told(results: list[Result], wanted: Blocks, problems: list[str]) -> str:
    ours, *others = results
    rows = [result.cells(wanted, ours) for result in results]
    verdicts = [
        f"{other.name}: {other.cost.cpu / ours.cost.cpu:.1f} times our CPU (>= {LEAST_SPEED}), "
        f"{other.requests} requests against {ours.requests}, {other.cost.peak_mb:.0f} MB against {ours.cost.peak_mb:.0f}."
        for other in others
    ]
    versions = "; ".join(sorted({", ".join(peer.pins) for peer in PEERS}))
    lines = [f"Of {ROUNDS} runs of each, in turns, the one with the middle CPU.", *verdicts, *problems, f"Versions: {versions}."]
    return "\n".join([table(HEAD, rows), "", *(f"- {line}" for line in lines)])


def holds(results: list[Result]) -> bool:
    ours, *others = results
    return all(
        other.cost.cpu >= LEAST_SPEED * ours.cost.cpu and other.requests > ours.requests and other.cost.peak_mb > ours.cost.peak_mb
        for other in others
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, help="a JSONL file of content objects instead of pages made from the sample space")
    options = parser.parse_args()
    as_installed()
    with tempfile.TemporaryDirectory(prefix="confluence-sync-peers-") as name:
        folder, file = Path(name), options.pages or Path(name) / "pages.jsonl"
        if not options.pages:
            making.write_space(file, 2000)
        wanted, key = code_blocks(file), json.loads(next(iter(file.open(encoding="utf-8"))))["space"]["key"]
        with served(file) as place:
            results, problems = rounds(folder, place, key)
    found = told(results, wanted, problems)
    print(found)
    source = f"`--pages {file.name}`" if options.pages else "pages made from the sample space"
    write_section(TITLE, f"Written by `python -m benchmarks.peers`, {source}. {circumstances()}\n\n{found}")
    return 0 if holds(results) and not problems else 1


if __name__ == "__main__":
    sys.exit(main())
