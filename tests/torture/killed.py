"""One run in a process of its own that kills itself (SIGKILL) at an effect: python -m tests.torture.killed FOLDER URL AT WHEN."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

from confluence_sync.run import Means
from confluence_sync.settings_files import read_settings
from confluence_sync.stores.sqlite import SqliteBackend
from confluence_sync.sync import run
from tests.torture.fuse import Fuse, FusedBackend, fused
from tests.torture.world import HURRIED, Wanted, gateway, small_steps


def main() -> None:
    folder, url, at, when = sys.argv[1:]
    fuse = Fuse(int(at), when, kill=True)
    settings = read_settings({}, gateway(url, Path(folder)), Path(folder))
    with small_steps(), fused(fuse), closing(SqliteBackend(Path(folder) / "store.db")) as backend:
        run(settings, Wanted(), Means(backend=FusedBackend(backend, fuse), patience=HURRIED))


if __name__ == "__main__":
    main()
