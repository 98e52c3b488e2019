"""What the image weighs and needs, run as the manifests run it: python -m benchmarks.image (docs/benchmarks.md). Needs podman and root."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.integration.containers import TAG, Podman, as_arguments, built, restricted

from benchmarks import pages as making
from benchmarks.document import circumstances, table, write_section
from benchmarks.measure import LOOK_EVERY, pss, tree
from benchmarks.served import Served, served

BASE = os.environ.get("BASE", "docker.io/library/python:3.12-slim")  # as scripts/build-image has it
PAGES = 2000
NAME = "confluence-sync-bench"
VERSION = """
import os, subprocess
subprocess.run(["confluence-sync", "--version"], check=True, stdout=subprocess.DEVNULL)
used = os.times()
print(used.children_user + used.children_system)
"""
Row = tuple[str, str]


def added(podman: Podman) -> Row:
    """What the image has beyond its base, in MB (10^6 bytes)."""
    whole, base = (int(podman("image", "inspect", "--format={{.Size}}", name).stdout) for name in (TAG, BASE))
    return f"size beyond its base ({BASE}, {base / 1e6:.0f} MB)", f"{(whole - base) / 1e6:.0f} MB"


def version(podman: Podman) -> Row:
    said = [podman("run", "--rm", "--entrypoint=python3", *restricted(None), TAG, "-c", VERSION).stdout for _ in range(5)]
    return "CPU seconds of confluence-sync --version, median of 5", f"{sorted(map(float, said))[2]:.2f}"


def peak(podman: Podman, place: Served, state: Path) -> tuple[float, dict[str, dict[str, int]]]:
    """The most memory (PSS, MiB) that the container's processes held together in one run, and its report."""
    settings = {**place.environment, "VECTOR_BACKEND": "sqlite", "EMBEDDING_BACKEND": "none"}
    podman("rm", "--force", "--ignore", NAME)
    podman(
        *("run", "--detach", "--name", NAME, *restricted(state), *as_arguments(settings), TAG),
        *("sync", "--report", "/var/lib/confluence-sync/report.json"),
    )
    pid, most = int(podman("inspect", "--format={{.State.Pid}}", NAME).stdout), 0.0
    while pid and Path(f"/proc/{pid}").exists():
        most = max(most, sum(map(pss, tree(pid))))
        time.sleep(LOOK_EVERY)
    code, said = podman("wait", NAME).stdout.strip(), podman("logs", NAME).stderr
    podman("rm", "--force", NAME)
    if code != "0":
        raise RuntimeError(f"the run in the container ended with {code}: {said[-2000:]}")
    return most / 1024, json.loads((state / "report.json").read_text())


def runs(podman: Podman, folder: Path) -> list[Row]:
    """A first sync, and a night with nothing to do after it."""
    making.write_space(folder / "pages.jsonl", PAGES)
    state = folder / "state"
    state.mkdir()
    state.chmod(0o775)
    with served(folder / "pages.jsonl") as place:
        first, report = peak(podman, place, state)
        quiet, _ = peak(podman, place, state)
    told = f"memory of a first sync, {PAGES} pages in {report['chunks']['written']} chunks"
    return [(told, f"{first:.0f} MiB"), ("memory of a night with nothing to do", f"{quiet:.0f} MiB")]


def main() -> int:
    podman = built()
    with tempfile.TemporaryDirectory(prefix="confluence-sync-bench-") as name:
        rows = [added(podman), version(podman), *runs(podman, Path(name))]
    told = table(["measure", "figure"], rows)
    print(told)
    write_section("The image", f"Written by `python -m benchmarks.image`, run as the manifests run it. {circumstances()}\n\n{told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
