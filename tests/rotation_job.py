"""One job whose collection is rotated, and the ways in which a test breaks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from confluence_sync import rotate
from confluence_sync.model import Page
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.run import Means
from confluence_sync.simulator.server import Simulator
from confluence_sync.source.base import Failure
from confluence_sync.stores.base import Backend
from confluence_sync.sync import run
from confluence_sync.workshop import Batch
from tests.append_only import AppendOnly
from tests.conftest import HASTY, SettingsFor

PAGES = 7
WHOLE = Wanted()


class Killed(BaseException):
    """The process dies here: nothing of ours may catch it."""


class Job:
    """The runs of one job: the same settings and state each time."""

    def __init__(self, settings_for: SettingsFor, simulator: Simulator, store: AppendOnly, folder: Path) -> None:
        self.settings_for, self.simulator, self.store = settings_for, simulator, store
        self.live_file = folder / "live.vdb"

    def sync(self, wanted: Wanted = WHOLE, adopt: bool = False, **more: str) -> Report:
        settings = self.settings_for(self.simulator, LIVE_COLLECTION_FILE=str(self.live_file), **more)
        backend: Backend = self.store
        return run(settings, wanted, Means(patience=HASTY, backend=backend, adopt=adopt))

    def readers_see(self) -> Counter[str]:
        """How often each page is in the collection that the file names."""
        return Counter(chunk.page_id for chunk in self.store.held[self.live_file.read_text().strip()])


def pages(*gone: str) -> Counter[str]:
    return Counter({str(n): 1 for n in range(1, PAGES + 1) if str(n) not in gone})


def without(listing: Any, page_id: str) -> Any:
    """A listing that does not show one page, as one made during a move."""

    def shortened(self: Any, *args: Any) -> Iterator[Any]:
        for refs in listing(self, *args):
            yield [ref for ref in refs if ref.id != page_id]

    return shortened


class Faulty:
    """Makes one page unreadable, as a broken body does."""

    def __init__(self, page_id: str) -> None:
        self.page_id = page_id

    def breaks(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        real = rotate.with_names

        def with_names(*args: Any) -> Iterator[Batch]:
            for batch in real(*args):
                read = [
                    Failure(p.ref.id, p.ref.title, "broken") if isinstance(p, Page) and p.ref.id == self.page_id else p for p in batch.pages
                ]
                yield Batch(read, batch.names)

        @contextmanager
        def broken() -> Iterator[None]:
            with monkeypatch.context() as patched:
                patched.setattr(rotate, "with_names", with_names)
                yield

        return broken()
