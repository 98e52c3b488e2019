"""What answering costs: latency and load of POST /api/query without a model, over 10,000 and 100,000 chunks: python -m benchmarks.answers.

One service process, asked by the load tool wrk (`apt-get install wrk`), one connection at first and then several. Chunks and vectors are
synthetic, three windows a chunk; the questions' vectors cost next to nothing, so what an embedding model takes comes on top.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.document import circumstances, table, write_section
from benchmarks.synthetic import Synthetic, chunks, first_line
from confluence_sync.config import Settings
from confluence_sync.stores.sqlite import SqliteBackend

WAYS = {"keywords": 0, "words and vectors": 3}  # windows a chunk
CONNECTIONS = (1, 8, 32)
SECONDS = 8
TOP_K = 6
TITLE = "Answers over HTTP"
RESULT = re.compile(r"^RESULT (\S+) (\S+) (\S+) (\S+) (\S+)$", re.M)
SCRIPT = """
local bodies = {{ {bodies} }}
local n = 0
request = function()
  n = n % #bodies + 1
  return wrk.format("POST", "/api/query", {{["Content-Type"] = "application/json"}}, bodies[n])
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %f %f %f %f %d\\n", summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
    latency:percentile(95) / 1000, latency:percentile(99) / 1000, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What so many connections got. Latencies in ms; `cpu_ms` is what one answer cost the service."""

    connections: int
    per_second: float
    p50: float
    p95: float
    p99: float
    errors: int
    cpu_ms: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--windows", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve(given.serve, given.port, given.windows)
    if not shutil.which("wrk"):
        sys.exit("this needs the load tool wrk: apt-get install wrk")
    rows, bad = [], 0
    for count in given.chunks:
        for way, windows in WAYS.items():
            for load in measure(count, windows):
                bad += load.errors
                rows.append(_row(count, way, load))
                print("  ".join(rows[-1]), flush=True)
    head = ("chunks", "search", "connections", "answers/s", "p50 ms", "p95 ms", "p99 ms", "service CPU ms an answer", "errors")
    write_section(TITLE, f"`python -m benchmarks.answers`: one process. {circumstances()}\n\n{table(head, rows)}")
    return 1 if bad else 0


def measure(count: int, windows: int) -> list[Load]:
    """Fills a store, serves it, and asks for SECONDS with each number of connections."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(SqliteBackend(folder / "store.db", Synthetic(windows) if windows else None)) as backend:
            store = backend.open("confluence")
            for first in range(0, count, 1000):
                store.write(list(chunks(first, min(first + 1000, count))))
        script = folder / "ask.lua"
        script.write_text(SCRIPT.format(bodies=", ".join(_bodies(count))), encoding="utf-8")
        with _served(folder, windows) as (process, base):
            _first_answer(base)
            return [_ask(process.pid, base, script, connections) for connections in CONNECTIONS]


def serve(folder: Path, port: int, windows: int) -> int:
    """The service as `confluence-sync serve` runs it, over this store and without a rate limit."""
    import uvicorn

    from confluence_sync.service.app import create_app

    backend = SqliteBackend(folder / "store.db", Synthetic(windows) if windows else None)
    app = create_app(Settings(state_dir=folder, rate_limit=0), backend)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    return 0


def _bodies(count: int) -> list[str]:
    """Questions that name chunks all over the store, as Lua texts."""
    asked = (first_line(number) for number in range(0, count, max(1, count // 200)))
    return [f'[==[{{"question": "{line}", "top_k": {TOP_K}}}]==]' for line in asked]


@contextmanager
def _served(folder: Path, windows: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "benchmarks.answers", "--serve", str(folder), "--port", str(port), "--windows", str(windows)]
    process = subprocess.Popen(words)
    try:
        _wait(f"http://127.0.0.1:{port}/readyz", process)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise RuntimeError(f"the service did not get ready at {address}")


def _first_answer(base: str) -> None:
    """The first question maps the vectors, which takes seconds at 100,000 chunks; it is told apart from those that come after it."""
    question = json.dumps({"question": first_line(1)}).encode()
    asked = urllib.request.Request(f"{base}/api/query", question, {"content-type": "application/json"})
    began = time.monotonic()
    urllib.request.urlopen(asked, timeout=60).close()
    print(f"the first answer came after {time.monotonic() - began:.1f} s", flush=True)


def _ask(pid: int, base: str, script: Path, connections: int) -> Load:
    """One warm second first, which does not count."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--timeout", "30s", "--script", str(script), base]
    subprocess.run([*command, "--duration", "1s"], check=True, capture_output=True)
    before = _cpu(pid)
    said = subprocess.run([*command, "--duration", f"{SECONDS}s"], check=True, capture_output=True, text=True).stdout
    found = RESULT.search(said)
    if not found:
        raise RuntimeError(f"wrk did not tell its result: {said}")
    per_second, p50, p95, p99, errors = map(float, found.groups())
    return Load(connections, per_second, p50, p95, p99, int(errors), 1000 * (_cpu(pid) - before) / max(1.0, per_second * SECONDS))


def _cpu(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _row(count: int, way: str, load: Load) -> list[str]:
    latencies = [f"{value:.1f}" for value in (load.p50, load.p95, load.p99)]
    return [f"{count:,}", way, str(load.connections), f"{load.per_second:.0f}", *latencies, f"{load.cpu_ms:.1f}", str(load.errors)]


if __name__ == "__main__":
    raise SystemExit(main())
