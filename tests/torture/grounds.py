"""The stores of the fault matrix, named here and nowhere else: how each gives a cell a copy of the first day, breaks, and is read."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from confluence_sync.config import Settings
from confluence_sync.http import Patience
from confluence_sync.simulator.faults import Rule
from confluence_sync.stores import underscore
from confluence_sync.stores.base import Backend
from confluence_sync.stores.sqlite import SqliteBackend
from tests.service_fixture import serve_vector_api
from tests.torture.oracle import Contents, contents
from tests.torture.proxy import FaultProxy, proxied
from tests.torture.servers import Servers

STATUSES = ("401", "403", "404", "410", "500", "502", "504")
LIMITED = ("429", "429=0", "429=5", "429=100000", "429=date:5")
SLOW = ("slow=0.01", "latency=0.8")
BROKEN = (*SLOW, "html200", "truncate", "half-json", "reset", "reset-after", "wrong-types", "not-an-object", "redirect")
LARGE = ("gzip-bomb=80000000", "huge=70000000")
FROM_HTTP = (*STATUSES, *LIMITED, *BROKEN, *LARGE)
HASTY = Patience(tries=2, first_wait=0.01, longest_wait=0.05, timeout=0.5)

Steps = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, as ACTIONS of the simulator or the TCP proxy's own: from the `request`-th request on, or at that one only."""

    action: str
    request: int
    lasting: bool

    def strikes(self, request: int) -> bool:
        return request >= self.request if self.lasting else request == self.request

    @property
    def rule(self) -> Rule:
        action, _, value = self.action.partition("=")
        return Rule(".", action, value, nth=0 if self.lasting else self.request, after=self.request - 1 if self.lasting else 0)


class Standing(Protocol):
    """One cell's store. `lines` has the requests it got, `settings` what a run needs beside Confluence's."""

    folder: Path
    settings: Mapping[str, str]

    @property
    def lines(self) -> list[str]: ...

    def strike(self, fault: Fault | None) -> None:
        """Puts a fault in force, or none."""

    def backend(self, settings: Settings, patience: Patience) -> Backend: ...

    def contents(self, settings: Settings) -> Contents:
        """What readers find, read past the faults. Raises AssertionError for a chunk that is there twice."""

    def leftover(self, settings: Settings) -> str:
        """What a finished run should have removed and did not; "" for nothing."""


Fill = Callable[[Standing], None]


class Ground(Protocol):
    """A kind of store.

    `faults` is what its server can be made to do, `steps` names its requests by patterns, the first that fits; `hasty` is the patience
    of a run that goes wrong; of metadata, `stale` stays as it was when the text was written; `cuts` are settings that decide the chunks;
    `rotated` collections are replaced whole.
    """

    faults: Sequence[str]
    steps: Steps
    hasty: Patience
    stale: frozenset[str]
    cuts: Mapping[str, str]
    rotated: bool

    def standing(self, folder: Path, fill: Fill) -> AbstractContextManager[Standing]:
        """A store as the first day left it, with the state in `folder`; `fill` runs that day where there is nothing to copy."""


def copied(ground: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ground, folder)


@dataclass
class FileStanding:
    """The embedded store, read as the file it is; behind `proxy`, where there is one, a Vector API serves it."""

    folder: Path
    proxy: FaultProxy | None = None

    @property
    def settings(self) -> Mapping[str, str]:
        return {"VECTOR_API_BASE_URL": self.proxy.url} if self.proxy else {}

    @property
    def lines(self) -> list[str]:
        return self.proxy.lines if self.proxy else []

    def strike(self, fault: Fault | None) -> None:
        if self.proxy:
            self.proxy.faults.put([fault.rule] if fault else [])

    def backend(self, settings: Settings, patience: Patience) -> Backend:
        if not self.proxy:
            return SqliteBackend(self.folder / "store.db")
        backend = underscore.open_backend(settings)
        backend.link = replace(backend.link, patience=patience)
        return backend

    def contents(self, settings: Settings) -> Contents:
        with closing(SqliteBackend(self.folder / "store.db")) as backend:
            return contents(backend.open("confluence"))

    def leftover(self, settings: Settings) -> str:
        return ""


@dataclass
class SqliteGround:
    """One file; `folder` keeps what the first day left."""

    servers: Servers
    folder: Path
    faults: Sequence[str] = ()
    steps: Steps = ()
    hasty: Patience = HASTY
    stale: frozenset[str] = frozenset()
    cuts: Mapping[str, str] = field(default_factory=dict)
    rotated: bool = False

    @contextmanager
    def standing(self, folder: Path, fill: Fill) -> Iterator[Standing]:
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            with self._opened(self.folder) as first:
                fill(first)
        copied(self.folder, folder)
        with self._opened(folder) as one:
            yield one

    @contextmanager
    def _opened(self, folder: Path) -> Iterator[Standing]:
        yield FileStanding(folder)


@dataclass
class UnderscoreGround(SqliteGround):
    """The same file behind the reference Vector API and a proxy that breaks its answers."""

    faults: Sequence[str] = FROM_HTTP
    steps: Steps = field(default=(("look", "openapi"), ("delete", "^DELETE"), ("write", "^POST"), ("list", ".")))

    @contextmanager
    def _opened(self, folder: Path) -> Iterator[Standing]:
        with ExitStack() as stack:
            server = stack.enter_context(serve_vector_api(folder))
            yield FileStanding(folder, stack.enter_context(proxied(server)))


def step_of(line: str, steps: Steps) -> str:
    return next(name for name, pattern in steps if re.search(pattern, line))


def _pgvector(servers: Servers, folder: Path) -> Ground:
    from tests.torture.ground_pgvector import PgvectorGround

    return PgvectorGround(servers, folder)


def _dash(servers: Servers, folder: Path) -> Ground:
    from tests.torture.ground_llama import DASH, LlamaGround

    return LlamaGround(servers, DASH)


def _vector_stores(servers: Servers, folder: Path) -> Ground:
    from tests.torture.ground_llama import VECTOR_STORES, LlamaGround

    return LlamaGround(servers, VECTOR_STORES)


GROUNDS: Mapping[str, Callable[[Servers, Path], Ground]] = {
    "sqlite": SqliteGround,
    "underscore": UnderscoreGround,
    "pgvector": _pgvector,
    "dash": _dash,
    "vector-stores": _vector_stores,
}
QUICK = ("sqlite", "underscore")
REAL = ("pgvector", "dash", "vector-stores")
