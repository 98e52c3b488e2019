"""The table of what each variant costs: 200 pages on every server, written to $LLAMA_TABLE (make integration-all)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from confluence_sync.errors import RemoteError
from confluence_sync.report import Report
from tests.integration.llama_cells import CELLS, Cell
from tests.integration.llama_scene import Scene, body, scene
from tests.integration.llama_servers.server import Boot, minilm

pytestmark = [pytest.mark.integration, pytest.mark.slow]
pytest_plugins = ("tests.integration.llama_servers.plugin",)
PAGES = int(os.environ.get("LLAMA_TABLE_PAGES", "200"))
HEAD = ("variant", "cold", "no change", "one word", "deletion", "killed mid-run", "lost state")


@dataclass
class Cost:
    """What one run cost: requests to the store, chunks written, texts the server embedded, its CPU seconds."""

    requests: int
    chunks: int
    embedded: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.requests} / {self.chunks} / {self.embedded} / {self.seconds:.1f}"


def measured(scene: Scene, act: Callable[[], Report]) -> Cost:
    embedded, seconds = scene.server.embedded(), scene.server.cpu_seconds()
    report = act()
    assert report.exit == 0
    return Cost(report.requests["store"], report.chunks.written, scene.server.embedded() - embedded, scene.server.cpu_seconds() - seconds)


def row(scene: Scene) -> Iterator[Cost]:
    """One cost for each column, in order; every run ends with the pages in step."""
    yield measured(scene, scene.sync)
    yield measured(scene, scene.sync)
    scene.confluence.edit("7", body(7, "second"))
    yield measured(scene, scene.sync)
    scene.confluence.delete("9")
    yield measured(scene, scene.sync)
    assert (scene.holds(7, "second"), scene.holds(7, "first"), scene.holds(9), scene.holds(11)) == (1, 0, 0, 1)
    yield measured(scene, lambda: killed_and_finished(scene))
    assert (scene.holds(7, "second"), scene.holds(11)) == (1, 1)
    scene.lose_state()
    yield measured(scene, scene.sync)
    assert (scene.holds(7, "second"), scene.holds(11), len(scene.generations())) == (1, 1, 1)


def killed_and_finished(scene: Scene) -> Report:
    """Every page is edited, the server dies in the middle and comes back, and the next run finishes; its report."""
    for number in range(10, PAGES + 1):
        scene.confluence.edit(str(number), body(number).replace("says so", "tells so"))
    wanted = scene.server.embedded() + PAGES // 2
    stop = threading.Event()

    def kill() -> None:
        while scene.server.embedded() < wanted and not stop.wait(0.02):
            pass
        scene.server.stop(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with suppress(RemoteError):
        scene.sync()
    stop.set()
    killer.join()
    scene.server.start()
    return scene.sync()


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_what_each_variant_costs(cell: Cell, own_server: Boot, tmp_path: Path) -> None:
    """Six kinds of run end in step, a run without changes writes and embeds nothing, and the costs go into the table."""
    with scene(cell, own_server(cell.version, model=minilm()), tmp_path, "table", PAGES) as made:
        costs = list(row(made))
    assert (costs[1].chunks, costs[1].embedded) == (0, 0)
    table = os.environ.get("LLAMA_TABLE")
    if table:
        with Path(table).open("a") as file:
            file.write(f"| {cell.name} | {' | '.join(map(str, costs))} |\n")
