"""One Confluence, one real server and the runs between them, as the tests and the table need them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from confluence_sync.config import Settings
from confluence_sync.generations import owner_of
from confluence_sync.live import open_live
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.run import Means, open_state
from confluence_sync.settings_files import read_settings
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.detect import collection_name, open_store_backend
from confluence_sync.sync import run
from tests.conftest import environment_for
from tests.integration.llama_cells import Cell
from tests.integration.llama_servers.server import LlamaServer
from tests.simulator_client import page

WORDS = (
    "journal", "disk", "cookie", "proxy", "printer", "ledger", "backup", "quorum", "socket", "kernel", "lease",
    "router", "mailbox", "scanner", "firewall", "battery", "certificate", "keyboard", "telephone", "camera", "turbine",
    "lift", "barrier", "ticket", "invoice", "password", "satellite", "antenna", "pump", "valve", "thermostat", "clock",
    "badge", "projector", "freezer", "compressor", "elevator", "crane", "conveyor", "scale", "spectrometer",
    "microscope", "oven", "sprinkler", "alarm", "gate", "tractor", "engine", "brake", "radar", "sonar", "periscope",
    "compass", "anchor", "propeller", "ladder", "drill", "lathe", "welder",
)  # fmt: skip


def symptom(number: int, edition: str = "first") -> str:
    """A sentence that is this page's own, by its number and by its words: a real model hardly tells numbers apart."""
    words = [WORDS[(number * step + number // len(WORDS)) % len(WORDS)] for step in (1, 3)]
    return f"Case {number}: the {words[0]} of unit {number} stops, and the {words[1]} says so in the {edition} minute."


def body(number: int, edition: str = "first") -> str:
    """A page of two sections whose text is its own: the number is in every sentence."""
    words = [WORDS[(number * step + number // len(WORDS)) % len(WORDS)] for step in (5, 7)]
    cure = f"<p>Restart the {words[0]} number {number}, then look at the {words[1]} of case {number} again.</p>"
    return f"<h1>Symptoms</h1><p>{symptom(number, edition)}</p><h1>Cure</h1>{cure}"


def stored(number: int) -> dict[str, object]:
    return {"storage": {"value": body(number), "representation": "storage"}}


@dataclass
class Scene:
    """`collection` is what the settings ask for; the state lives in `folder`. `url` is another way to the server, `more` are settings."""

    cell: Cell
    server: LlamaServer
    confluence: Simulator
    folder: Path
    collection: str
    url: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        read = read_settings({}, environment_for(self.confluence) | {"STATE_DIR": str(self.folder / "state")}, self.folder)
        wanted = self.cell.settings(self.url or self.server.url, read.state_dir, vector_db_id=self.collection)
        names = ("llama_base_url", "vector_backend", "vector_db_provider", "embedding_model_id", "vector_db_id")
        ours = {name: getattr(wanted, name) for name in names} | self.more
        return replace(read, live_collection_file=self.folder / "live.vdb", **ours)

    def sync(self, *, rebuild: bool = False, adopt: bool = False) -> Report:
        return run(self.settings, Wanted(rebuild=rebuild), Means(adopt=adopt))

    def found(self, *queries: str) -> list[list[tuple[str, str]]]:
        """(page id, text) of the best twenty hits for each query, from what readers see now."""
        with closing(open_state(self.settings)) as state:
            backend, detection = open_store_backend(self.settings)
            with closing(backend), closing(open_live(state, backend, collection_name(self.settings, detection.variant))) as store:
                answers = [store.query(query, 20) for query in queries]
        return [[(hit.metadata.page_id if hit.metadata else "", hit.text) for hit in hits] for hits in answers]

    def holds(self, number: int, edition: str = "first") -> int:
        """How often the store holds the first section of a page in that edition: 1 when all is well."""
        return self.copies([number], edition)[number]

    def copies(self, numbers: Iterable[int], edition: str = "first") -> dict[int, int]:
        """The same for many pages."""
        asked = list(numbers)
        answers = self.found(*(symptom(number, edition) for number in asked))
        wanted = f"the {edition} minute"
        return {n: sum(page_id == str(n) and wanted in text for page_id, text in hits) for n, hits in zip(asked, answers, strict=True)}

    def generations(self) -> list[str]:
        """The server's collections whose name begins with ours."""
        backend, _ = open_store_backend(self.settings)
        with closing(backend):
            return [name for name in backend.collections() if owner_of(name, self.collection) or name == self.collection]

    def lose_state(self) -> None:
        """A pod without a volume: nothing of STATE_DIR is left."""
        for file in sorted((self.folder / "state").rglob("*"), reverse=True):
            file.unlink()


@contextmanager
def scene(cell: Cell, server: LlamaServer, folder: Path, collection: str, pages: int = 20) -> Iterator[Scene]:
    """A Confluence of `pages` pages below one root, and a fresh state."""
    family = [page(number, parent=0 if number == 1 else 1, body=stored(number)) for number in range(1, pages + 1)]
    with Simulator(family) as confluence:
        yield Scene(cell, server, confluence, folder, collection)
