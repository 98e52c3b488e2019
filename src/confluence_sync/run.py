"""What one run works with, opened in an order that finds mistakes cheaply: settings, Confluence, lock, store."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from confluence_sync.anew import beside
from confluence_sync.config import Settings
from confluence_sync.database import open_database
from confluence_sync.errors import Refused
from confluence_sync.http import Patience
from confluence_sync.live import open_live
from confluence_sync.model import Account
from confluence_sync.plan import Wanted
from confluence_sync.prepare import Cut, cut_for
from confluence_sync.report import Report
from confluence_sync.source.base import Source
from confluence_sync.source.connect import open_source
from confluence_sync.state import State
from confluence_sync.stores.base import COMING, Backend, Replaceable, Store

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Shows a person how far a run is; every method may do nothing."""

    def stage(self, name: str, total: int = 0) -> None:
        """A new stage begins; `total` is 0 when it is not known."""

    def expect(self, total: int) -> None:
        """How many pages the stage has became known while it goes on."""

    def at(self, done: int) -> None: ...


class Silent:
    """No progress shown."""

    def stage(self, name: str, total: int = 0) -> None: ...

    def expect(self, total: int) -> None: ...

    def at(self, done: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Means:
    """How a run is to behave beyond its settings: what it shows, how patient it is, and a backend given by a test or a notebook.

    `adopt` takes over what another program left; `max_minutes` is 0 for as long as it needs. A `report` that is given is the one that
    gets filled, so that its owner has it when the run fails; a `source` that is given is its owner's to close.
    """

    progress: Progress = field(default_factory=Silent)
    patience: Patience | None = None
    backend: Backend | None = None
    adopt: bool = False
    max_minutes: float = 0.0
    report: Report | None = None
    source: Source | None = None


@dataclass
class Run:
    """What one run works with. `target` names the collection in the state; `dirty` is set before the store changes for the first time.

    `replaces` is the collection that readers see while `store` is filled to take its place, known to the state as `target_replaced`.
    """

    settings: Settings
    wanted: Wanted
    means: Means
    source: Source
    account: Account
    state: State
    backend: Backend
    store: Store
    target: str
    cut: Cut
    report: Report
    clock: float
    dirty: bool = False
    chunks_before: int = 0
    replaces: Replaceable | None = None
    target_replaced: str = ""

    def out_of_time(self) -> bool:
        """Whether the minutes that were given are over."""
        return bool(self.means.max_minutes) and time.monotonic() - self.clock >= self.means.max_minutes * 60

    def stop_clock(self) -> None:
        self.report.seconds = time.monotonic() - self.clock

    @property
    def progress(self) -> Progress:
        return self.means.progress


@contextmanager
def opened(settings: Settings, wanted: Wanted, means: Means) -> Iterator[Run]:
    """Everything a run needs, closed again afterwards. Raises what is wrong with settings, credentials, state or store."""
    started, clock = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), time.monotonic()
    with ExitStack() as stack:
        source = means.source or stack.enter_context(closing(open_source(settings, means.patience, ahead=True)))
        state = stack.enter_context(closing(open_state(settings)))
        account = source.whoami()
        backend, name = _backend(settings, means)
        stack.callback(backend.close)
        store = stack.enter_context(closing(open_live(state, backend, name)))
        cut = cut_for(settings.chunk_tokens, settings.chunk_overlap)
        report = means.report or Report()
        report.started, report.store, report.collection, report.source, report.recipe = started, backend.name, name, source.id, cut.recipe
        target = f"{backend.name}:{name}{_shard(settings)}"
        job = Run(settings, wanted, means, source, account, state, backend, store, target, cut, report, clock)
        pair = beside(backend, name, store, wanted.rebuild)
        if pair:  # the new one begins empty, so nothing needs to be written over
            job.replaces, job.store = pair[0], stack.enter_context(closing(pair[1]))
            job.target, job.target_replaced, job.wanted = target + COMING, target, replace(wanted, rebuild=False)
        stack.callback(job.stop_clock)
        yield job


def open_state(settings: Settings) -> State:
    """The state, locked for this process. Raises Refused when another run holds it."""
    state = State(open_database(settings.state_dir, settings.state_url.reveal() or settings.database_url.reveal()))
    if not state.database.lock(f"confluence-sync{_shard(settings)}"):
        state.close()
        raise Refused(f"another run is at work with this state ({settings.state_dir}); wait for it to end")
    return state


def _shard(settings: Settings) -> str:
    """Keeps shards apart that share one state in PostgreSQL: each has its lock and its own view of the collection."""
    return f" shard {settings.job_completion_index}" if settings.shard_count > 1 else ""


def _backend(settings: Settings, means: Means) -> tuple[Backend, str]:
    if means.backend:
        return means.backend, settings.collection_id or "confluence"
    from confluence_sync.stores.detect import collection_name, open_store_backend

    backend, detection = open_store_backend(settings)
    if detection.unread:
        log.warning(detection.unread)
    return backend, collection_name(settings, detection.variant)
