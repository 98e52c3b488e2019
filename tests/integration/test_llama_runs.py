"""Whole runs against real servers: in step, cheap when nothing changed, and whole again after a restart, a kill or a lost state."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from confluence_sync.errors import RemoteError
from confluence_sync.model import digest
from tests.integration.llama_cells import Cell, params
from tests.integration.llama_scene import Scene, body, scene
from tests.integration.llama_servers.server import Boot

pytestmark = [pytest.mark.integration, pytest.mark.parametrize("cell", params())]
pytest_plugins = ("tests.integration.llama_servers.plugin",)
PAGES = 20


@pytest.fixture
def ours(cell: Cell, shared_server: Boot, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    with scene(cell, shared_server(cell.version), tmp_path, "r" + digest(request.node.nodeid, size=5), PAGES) as made:
        yield made


@pytest.fixture
def alone(cell: Cell, own_server: Boot, tmp_path: Path) -> Iterator[Scene]:
    """With a server that nobody else uses."""
    with scene(cell, own_server(cell.version), tmp_path, "alone", PAGES) as made:
        yield made


def is_in_step(scene: Scene, edited: int = 0, gone: int = 0) -> None:
    """Every page is there once, the edited one in its new edition only, the deleted one not at all."""
    for number in (1, 7, PAGES):
        if number not in (edited, gone):
            assert scene.holds(number) == 1, f"page {number}"
    if edited:
        assert (scene.holds(edited, "first"), scene.holds(edited, "second")) == (0, 1)
    if gone:
        assert scene.holds(gone) == 0


def test_a_day_in_the_life(cell: Cell, ours: Scene) -> None:
    """A cold run brings everything, a second one writes nothing, an edit and a deletion reach the readers, and nothing is left over."""
    first = ours.sync()
    assert (first.exit, first.pages.new, first.pages.failed) == (0, PAGES, 0)
    is_in_step(ours)
    embedded = ours.server.embedded()
    again = ours.sync()
    assert (again.exit, again.chunks.written, again.pages.unchanged) == (0, 0, PAGES)
    assert ours.server.embedded() == embedded
    ours.confluence.edit("7", body(7, "second"))
    ours.confluence.delete("9")
    changed = ours.sync()
    assert (changed.exit, changed.pages.changed, changed.pages.deleted) == (0, 1, 1)
    is_in_step(ours, edited=7, gone=9)
    assert len(ours.generations()) == 1


def test_what_the_model_does_not_read_is_said_once(
    cell: Cell, shared_server: Boot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run says once, with numbers, that chunks are longer than the server's model reads; our own Vector API embeds them in parts."""
    with scene(cell, shared_server(cell.version), tmp_path, f"unread-{cell.variant}-{cell.provider}", 2) as made:
        made.sync()
    said = [record.message for record in caplog.records if "reads 256 tokens of a chunk of up to 1000" in record.message]
    assert len(said) == (0 if cell.variant == "underscore" else 1)


def test_a_lost_state_makes_no_duplicates(cell: Cell, ours: Scene) -> None:
    """A run without the state of the one before leaves every page in the store exactly once, and one collection."""
    ours.sync()
    ours.lose_state()
    report = ours.sync()
    assert report.exit == 0
    is_in_step(ours)
    assert len(ours.generations()) == 1
    if cell.variant == "vector-stores":
        assert report.chunks.written == 0


def test_an_emptied_server_is_filled_again(cell: Cell, alone: Scene) -> None:
    """After the server lost its data under a state that believes all is well, the next run brings everything."""
    alone.sync()
    alone.server.forget()
    alone.server.start()
    report = alone.sync()
    assert (report.exit, report.pages.listed) == (0, PAGES)
    is_in_step(alone)


def test_a_restart_between_runs_loses_nothing(cell: Cell, alone: Scene) -> None:
    """What was acknowledged is found after the server restarted, and an edit goes on from there."""
    alone.sync()
    alone.confluence.delete(str(PAGES))
    alone.sync()
    alone.server.restart()
    alone.confluence.edit("7", body(7, "second"))
    assert alone.sync().exit == 0
    is_in_step(alone, edited=7, gone=PAGES)


def test_a_server_killed_in_the_middle_of_a_run_leaves_no_hole(cell: Cell, alone: Scene) -> None:
    """The server is killed while chunks are going in and comes back later; the next runs end with every page there once."""
    killer = threading.Thread(target=kill_when_busy, args=(alone,))
    killer.start()
    with suppress(RemoteError):  # the last batch may have been in already
        alone.sync()
    killer.join()
    alone.server.start()
    report = alone.sync()
    assert report.exit == 0
    assert alone.copies(range(1, PAGES + 1)) == dict.fromkeys(range(1, PAGES + 1), 1)
    assert len(alone.generations()) == 1


def kill_when_busy(scene: Scene) -> None:
    """Waits until some texts were embedded, then kills the server as a node that dies."""
    deadline = time.monotonic() + 60
    while scene.server.embedded() < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    scene.server.stop(signal.SIGKILL)
