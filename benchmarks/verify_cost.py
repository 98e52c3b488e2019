"""What a sync, a quiet sync and a verify of a space cost: python -m benchmarks.verify_cost [--pages N]."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.torture.world import body, gateway, page

from benchmarks.installed import as_installed
from confluence_sync.simulator.server import Simulator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    pages = parser.parse_args().pages
    as_installed()
    with tempfile.TemporaryDirectory() as folder, Simulator([page(n, body(n)) for n in range(1, pages + 1)]) as simulator:
        values = {**gateway(simulator.url, Path(folder)), "PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "src")}
        for verb in ("sync", "sync", "verify"):
            simulator.forget_requests()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run([sys.executable, "-m", "confluence_sync", verb], env=values, capture_output=True, text=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            peak = after.ru_maxrss // 1024
            print(f"{verb:<7} {cpu:6.1f} CPU s, {len(simulator.lines):>5} requests, peak so far {peak} MB: {done.stdout.strip()}")


if __name__ == "__main__":
    main()
