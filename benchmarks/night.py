"""A first sync, a night with nothing to do, a day of changes and its sync, then a fresh sync to compare with, chunk for chunk.

    python -m benchmarks.night [--pages FILE --changes FILE] [--store sqlite|underscore]

Without files it uses the sample space and its day of changes. FILE holds v1 content objects (pages) or changes, one JSON document a line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.installed import as_installed
from benchmarks.measure import Measured
from benchmarks.run import sync
from benchmarks.served import Served, served
from confluence_sync.simulator.sample import CHANGES, SAMPLE
from confluence_sync.stores.sqlite import SqliteBackend

Held = dict[str, tuple[str, str, tuple[str, ...]]]


@contextmanager
def vector_api(folder: Path) -> Iterator[str]:
    """Our own Vector API in a process of its own; gives its address."""
    port = _free_port()
    command = [sys.executable, "-m", "confluence_sync", "serve", "--port", str(port)]
    environment = {"STATE_DIR": str(folder), "EMBEDDING_BACKEND": "none", "VECTOR_BACKEND": "sqlite", "PATH": ""}
    process = subprocess.Popen(command, env=environment, cwd=folder)
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def held(folder: Path, collection: str) -> Held:
    """What a store file holds: title, text and labels by chunk id."""
    backend = SqliteBackend(folder / "store.db")
    store = backend.open(collection)
    found = {}
    for stored in store.ids():
        m = stored.metadata
        found[stored.chunk_id] = (m.title, m.content_hash, m.labels) if m else ("", "", ())
    backend.close()
    return found


def tell(what: str, cost: Measured, report: dict[str, dict[str, int]]) -> None:
    pages, chunks, asked = report["pages"], report["chunks"], report["requests"]
    print(
        f"{what}: {pages['listed']} pages listed, {pages['new']} new, {pages['changed']} changed, {pages['retagged']} retagged, "
        f"{pages['deleted']} deleted, {pages['failed']} failed; {chunks['written']} chunks written, {chunks['retagged']} retagged, "
        f"{chunks['deleted']} deleted, {chunks['kept']} kept; {asked['confluence']} requests to Confluence, {asked['store']} to the store; "
        f"{cost.cpu:.1f} CPU s, peak {cost.peak_mb:.0f} MB",
        flush=True,
    )


def one_night(folder: Path, place: Served, changes: list[dict[str, object]], store: str) -> bool:
    """Everything on one store; True when the store ends equal to a fresh one."""
    with _destination(folder, "old", store) as more:
        tell("first sync", *sync(folder / "old", place, **more))
        quiet = sync(folder / "old", place, **more)
        tell("nothing changed", *quiet)
        if changes:
            place.change(*changes)
        tell("a day of changes", *sync(folder / "old", place, **more, REFRESH_LABELS="1"))  # labels raise no version
    with _destination(folder, "new", store) as more:
        tell("fresh sync, to compare", *sync(folder / "new", place, **more))
    old, new = (held(folder / name / ("served" if store == "underscore" else "state"), "confluence") for name in ("old", "new"))
    same = old == new and quiet[1]["chunks"]["written"] == 0
    different = [i for i in old.keys() | new.keys() if old.get(i) != new.get(i)]
    print(f"chunk for chunk: {len(old)} against {len(new)}, {len(different)} differ: {'equal' if same else 'NOT EQUAL'}")
    for chunk_id in different[:5]:
        print("  ", chunk_id, old.get(chunk_id), new.get(chunk_id))
    return same


@contextmanager
def _destination(folder: Path, name: str, store: str) -> Iterator[dict[str, str]]:
    (folder / name).mkdir()
    if store == "sqlite":
        yield {"VECTOR_BACKEND": "sqlite"}
        return
    (folder / name / "served").mkdir()
    with vector_api(folder / name / "served") as address:
        yield {"VECTOR_API_BASE_URL": address}


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{address} does not answer")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, default=SAMPLE)
    parser.add_argument("--changes", type=Path, default=CHANGES)
    parser.add_argument("--store", choices=("sqlite", "underscore"), default="sqlite")
    parser.add_argument("--space", default="", help="instead of the largest space of the pages")
    parser.add_argument("--as-pages", action="store_true", help="comments, drafts and the like, too")
    options = parser.parse_args()
    as_installed()
    changes = [json.loads(line) for line in options.changes.read_text(encoding="utf-8").splitlines() if line]
    with tempfile.TemporaryDirectory(prefix="confluence-sync-night-") as name, served(options.pages, as_pages=options.as_pages) as place:
        if options.space:
            place.environment["SPACE_NAME"] = options.space
        return 0 if one_night(Path(name), place, changes, options.store) else 1


if __name__ == "__main__":
    sys.exit(main())
