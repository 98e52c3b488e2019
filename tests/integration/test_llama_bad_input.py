"""Real servers that are full, half up, slow, behind a proxy or a strange certificate: what is said, and that the next run heals it."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from confluence_sync.errors import ConfluenceSyncError, CredentialsError, RemoteError, ServerFailed, SettingsError
from confluence_sync.model import digest
from confluence_sync.report import Report
from confluence_sync.settings_kinds import Secret
from confluence_sync.stores import remote
from tests.integration.llama_between import between, is_write
from tests.integration.llama_cells import CELLS, Cell
from tests.integration.llama_scene import Scene, body, scene
from tests.integration.llama_servers.server import Boot
from tests.private_authority import Authority

pytestmark = pytest.mark.integration
pytest_plugins = ("tests.integration.llama_servers.plugin",)
PAGES = 12
CHOSEN = [
    cell for cell in CELLS if cell.provider != "faiss" or cell.version == "0.2.23"
]  # what goes wrong here is not the provider's doing
each_cell = pytest.mark.parametrize(
    "cell", [pytest.param(c, id=c.name, marks=() if c.quick and c.version != "0.2.23" else pytest.mark.slow) for c in CHOSEN]
)
slow_cells = pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.name in ("dash-0.2.23-faiss", "rag-tool-0.2.23-faiss")])
HTML = "<!doctype html><html><title>Log in</title></html>"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried soon."""
    monkeypatch.setattr(remote, "PATIENCE", replace(remote.PATIENCE, first_wait=0.05))


@pytest.fixture
def ours(cell: Cell, shared_server: Boot, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    with scene(cell, shared_server(cell.version), tmp_path, "b" + digest(request.node.nodeid, size=5), PAGES) as made:
        yield made


def failed(scene: Scene) -> tuple[int, str]:
    """The exit code of a run that does not succeed, and all that it says."""
    try:
        report = scene.sync()
    except ConfluenceSyncError as error:
        return error.exit_code, str(error)
    return report.exit, said(report)


def said(report: Report) -> str:
    return " ".join([report.error, *(page.why for space in report.spaces for page in space.failed), *(held.why for held in report.held)])


def is_whole(scene: Scene) -> None:
    """The next run ends well, with every page there once."""
    assert scene.sync().exit == 0
    assert scene.copies(range(1, PAGES + 1)) == dict.fromkeys(range(1, PAGES + 1), 1)
    assert len(scene.generations()) == 1


@each_cell
def test_a_proxys_page_in_place_of_everything(cell: Cell, ours: Scene) -> None:
    """A login page for every question is exit 2 and named; nothing is written."""
    with between(ours.server.url) as line:
        line.twist = lambda method, path, body: (200, HTML)
        ours.url = line.url
        with pytest.raises(SettingsError, match="HTML page"):
            ours.sync()


@each_cell
def test_a_proxys_page_in_place_of_what_writes(cell: Cell, ours: Scene) -> None:
    """A session that ends in the middle: exit 5 with the page named, and the run after it makes all whole."""
    with between(ours.server.url) as line:
        line.twist = lambda method, path, body: (200, HTML) if is_write(method, path) else None
        ours.url = line.url
        exit_code, words = failed(ours)
        assert (exit_code, "HTML page" in words) == (5, True), words
        line.twist = lambda method, path, body: None
        is_whole(ours)


@each_cell
def test_a_wrong_key(cell: Cell, ours: Scene) -> None:
    """Exit 2 with the setting's name and without the key; the right key goes through."""
    with between(ours.server.url) as line:
        ours.url, line.key = line.url, "right-secret"
        ours.more = {"vector_api_key": Secret("wrong-secret")}
        with pytest.raises(CredentialsError, match="VECTOR_API_KEY") as refused:
            ours.sync()
        assert "wrong-secret" not in str(refused.value)
        ours.more = {"vector_api_key": Secret("right-secret")}
        is_whole(ours)


@each_cell
def test_a_private_authority(cell: Cell, ours: Scene, tmp_path: Path) -> None:
    """A certificate of a cluster's own authority is exit 5 with the setting that helps, and with CONF_CA_BUNDLE all goes in."""
    authority = Authority(tmp_path / "authority")
    with between(ours.server.url, authority.serves()) as line:
        ours.url = line.url
        with pytest.raises(ServerFailed, match="CONF_CA_BUNDLE"):
            ours.sync()
        ours.more = {"conf_ca_bundle": authority.ca}
        is_whole(ours)


@each_cell
def test_connections_that_end_unsaid(cell: Cell, ours: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that breaks off after every answer costs repeated questions, and neither a hole nor a copy.

    OGX once took no more connections after that; it is killed then and started again, as an operator would.
    """
    monkeypatch.setattr(remote, "PATIENCE", replace(remote.PATIENCE, tries=2, timeout=30))
    with between(ours.server.url) as line:
        ours.url, line.hangs_up = line.url, True
        for _ in range(3):
            with suppress(RemoteError):
                ours.sync()
        if not ours.server.answers():
            ours.server.restart(signal.SIGKILL)
        line.hangs_up = False
        is_whole(ours)


@each_cell
def test_one_refused_chunk(cell: Cell, ours: Scene) -> None:
    """The page of a chunk that the server will not take is named with the reason (exit 3), the others go in, and it follows later."""
    with between(ours.server.url) as line:
        refusal = (400, '{"detail": "no such words here"}')
        line.twist = lambda method, path, body: refusal if is_write(method, path) and b"unit 5 " in body else None
        ours.url = line.url
        report = ours.sync()
        assert (report.exit, [page.page_id for page in report.spaces[0].failed]) == (3, ["5"]), said(report)
        assert "no such words here" in said(report)
        assert ours.copies(range(1, PAGES + 1)) == {n: int(n != 5) for n in range(1, PAGES + 1)}
        line.twist = lambda method, path, body: None
        ours.confluence.edit("5", body(5).replace("again", "once more"))
        is_whole(ours)


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that holds 64 MB."""
    disk = tmp_path_factory.mktemp("disk")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"needs a small disk, and this account may not mount one: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@each_cell
def test_a_full_disk(cell: Cell, small_disk: Path, own_server: Boot, tmp_path: Path) -> None:
    """A server that cannot keep what it is given: the run does not say that all is well, and the one after there is room makes it so."""
    with scene(cell, own_server(cell.version, state=small_disk, books=tmp_path), tmp_path, "full", PAGES) as made:
        made.sync()
        filler = fill(small_disk)
        for number in range(1, PAGES + 1):
            made.confluence.edit(str(number), body(number).replace("says so", "tells so"))
        exit_code, words = failed(made)
        assert exit_code in (3, 5), words
        assert words
        filler.unlink()
        is_whole(made)


def fill(folder: Path) -> Path:
    """A file that leaves no room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


@each_cell
def test_half_up(cell: Cell, own_server: Boot, tmp_path: Path) -> None:
    """A server that is well and has no embedding model is exit 5, and says what it lacks. Ours finds words without one."""
    with scene(cell, own_server(cell.version, serves_model=False), tmp_path, "half", PAGES) as made:
        if cell.variant == "underscore":
            is_whole(made)
            return
        with pytest.raises(ServerFailed, match="has no embedding model"):
            made.sync()


@pytest.mark.slow
@slow_cells
def test_a_minute_an_insert(cell: Cell, ours: Scene) -> None:
    """Where each insert takes a minute the run waits, finds out that sending less does not help, and nothing is there twice."""
    with between(ours.server.url) as line:
        line.twist = slowly
        ours.url, ours.more = line.url, {"batch_size": 8}
        report = ours.sync()
        assert report.exit == 0, said(report)
        assert len(line.writes()) == 3  # eight chunks, one, and as that took as long, the other three at once
        line.twist = lambda method, path, body: None
        is_whole(ours)


def slowly(method: str, path: str, body: bytes) -> None:
    if is_write(method, path):
        threading.Event().wait(60)
