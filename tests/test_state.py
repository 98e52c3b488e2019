"""The state's database: one run at a time, atomic, refused when it is newer, and plain about a disk or file that does not do."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path

import pytest

from confluence_sync import database, listing, run
from confluence_sync.database import SqliteDatabase, open_file
from confluence_sync.errors import Refused, RemoteError, SettingsError
from confluence_sync.model import Entry
from confluence_sync.run import open_state
from confluence_sync.simulator.faults import Rule
from confluence_sync.simulator.server import Simulator
from confluence_sync.state import State
from confluence_sync.stores.sqlite import SqliteBackend
from tests.torture.bench import bench
from tests.torture.fuse import WHEN
from tests.torture.oracle import contents, difference, fresh
from tests.torture.world import first_day, gateway, second_day, settings_for, small_steps, sync_once

ENTRY = Entry("1", 3, "f", "r", "A title", "", "red,blue", ("a", "b", "c"), "h", True)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with closing(State(SqliteDatabase(tmp_path / "state.db"))) as made:
        yield made


def test_an_entry_comes_back_as_it_went(state: State) -> None:
    """Every field of an entry survives, also titles with lone surrogates and NUL, which become replacement characters."""
    state.put("s", [ENTRY, replace(ENTRY, page_id="2", title="\0 \ud800", chunk_ids=(), settled=False)])
    assert state.entry("s", "1") == ENTRY
    assert state.entries("s", ["2"])["2"] == replace(ENTRY, page_id="2", title="\ufffd \ufffd", chunk_ids=(), settled=False)
    assert (state.size("s"), state.chunks("s"), state.chunks(), state.unsettled("s")) == (2, 3, 3, 1)
    assert state.entries("s", []) == {}


def test_bundles_of_any_size_are_asked_for_with_few_statements(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite keeps what it prepared: a statement for each number of pages would take a megabyte and a half in a long run."""
    pages = [str(number) for number in range(200)]
    state.put("s", [replace(ENTRY, page_id=page) for page in pages])
    asked, rows = set(), state.database.rows
    monkeypatch.setattr(state.database, "rows", lambda sql, values=(): asked.add(sql) or rows(sql, values))
    for count in range(1, 201):
        assert list(state.entries("s", pages[-count:])) == sorted(pages[-count:])
    assert len(asked) == 4


def test_a_transaction_is_whole_or_nothing(state: State) -> None:
    """What fails in the middle leaves nothing of it, and the connection goes on working."""

    def fail_halfway() -> None:
        with state.database.transaction():
            state.database.run("insert into meta values ('a', 'b')")
            state.database.run("insert into nowhere values (1)")

    with pytest.raises(RemoteError):
        fail_halfway()
    assert state.database.rows("select * from meta where name = 'a'") == []
    state.put("s", [ENTRY])
    assert state.size("s") == 1


def test_a_state_of_a_newer_version_is_refused(state: State, tmp_path: Path) -> None:
    """Exit 2 with both numbers and what to do, and nothing in it is changed."""
    state.database.run("update meta set value = '99' where name = 'schema'")
    with pytest.raises(SettingsError, match="schema 99") as refused:
        State(SqliteDatabase(tmp_path / "state.db"))
    assert refused.value.exit_code == 2


def test_a_damaged_state_says_what_to_do(tmp_path: Path) -> None:
    """A file that is no database: the message names it and the way out, and moving it away loses nothing."""
    with bench(tmp_path / "state") as made:
        for file in made.folder.glob("state.db*"):
            file.write_bytes(b"no database at all" * 500)
        with pytest.raises(SettingsError, match="move it away"):
            made.sync()
        for file in made.folder.glob("state.db*"):
            file.unlink()
        assert made.sync().chunks.written == 0
        assert made.trouble() == ""


def test_two_runs_at_once(tmp_path: Path) -> None:
    """The second says that another is at work and changes nothing; when the first is gone, it may."""
    with bench(tmp_path / "state") as made:
        settings = settings_for(made.simulator, made.folder)
        with closing(open_state(settings)), pytest.raises(Refused, match="another run") as refused:
            made.sync()
        assert refused.value.exit_code == 4
        assert made.sync().exit == 0


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    """A killed holder leaves no lock behind: no row, no file to remove."""
    script = (
        "import sys,time; from pathlib import Path; from confluence_sync.database import SqliteDatabase as D; "
        "d=D(Path(sys.argv[1])); print(d.lock('x'), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "state.db")], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with closing(SqliteDatabase(tmp_path / "state.db")) as database:
            assert not database.lock("x")
            holder.kill()
            holder.wait()
            assert database.lock("x")


def killed(folder: Path, url: str, at: int, when: str) -> None:
    command = [sys.executable, "-m", "tests.torture.killed", str(folder), url, str(at), when]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], env=environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def environment() -> dict[str, str]:
    root = Path(__file__).parents[1]
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}


@pytest.mark.parametrize("when", WHEN)
def test_kill_9_in_the_middle_of_a_day_loses_nothing(tmp_path: Path, when: str) -> None:
    """A process that is really killed, at an effect that changes with the date, leaves files from which the next run goes on."""
    at = 5 + date.today().toordinal() * 7 % 25
    with small_steps(), Simulator(first_day()) as simulator:
        killed(tmp_path, simulator.url, at, when)
        second_day(simulator)
        killed(tmp_path, simulator.url, 20, when)
        with closing(SqliteBackend(tmp_path / "store.db")) as backend:
            assert sync_once(settings_for(simulator, tmp_path), backend).exit == 0
        with closing(SqliteBackend(tmp_path / "store.db")) as backend:
            assert difference(contents(backend.open("confluence")), fresh(simulator)) == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_soon_and_the_next_goes_on(tmp_path: Path, number: int) -> None:
    """Waiting for a server that does not answer is no reason to stay: 143 or 130 well within 10 seconds, and a later run finishes."""
    slow = Rule("body-format", "latency", "30")
    with small_steps(), Simulator(first_day(), faults=[slow]) as simulator:
        command = [sys.executable, "-m", "confluence_sync", "sync"]
        values = {**environment(), **gateway(simulator.url, tmp_path)}
        with subprocess.Popen(command, env=values, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as job:
            while not any("body-format" in line for line in simulator.lines):
                time.sleep(0.02)
            started = time.monotonic()
            job.send_signal(number)
            _, said = job.communicate(timeout=10)
        assert time.monotonic() - started < 5
        assert job.returncode == 128 + number
        assert "the next run goes on" in said
        with closing(SqliteBackend(tmp_path / "store.db")) as backend:
            fresh_chunks = fresh(simulator)
            assert sync_once(settings_for(simulator, tmp_path), backend).exit == 0
        with closing(SqliteBackend(tmp_path / "store.db")) as backend:
            assert difference(contents(backend.open("confluence")), fresh_chunks) == ""


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from confluence_sync.cli import main
sys.exit(main(["sync"]))
"""


@pytest.mark.parametrize("room", [40_000, 90_000, 130_000, 180_000])
def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path, room: int) -> None:
    """Files that cannot grow any more end the run with a message and exit 5 or 2; with room again the next run goes on."""
    with Simulator(first_day()) as simulator:
        values = {**environment(), **gateway(simulator.url, tmp_path)}
        job = subprocess.run(
            [sys.executable, "-c", LIMITED, str(room)], env=values, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert job.returncode in (2, 5), job.stderr
        assert "Traceback" not in job.stderr
        assert "disk" in job.stderr or "cannot be used" in job.stderr
        with closing(SqliteBackend(tmp_path / "store.db")) as backend:
            assert sync_once(settings_for(simulator, tmp_path), backend).exit == 0
            assert difference(contents(backend.open("confluence")), fresh(simulator)) == ""


@pytest.mark.parametrize("year", [1999, 2999])
def test_a_clock_that_jumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int) -> None:
    """Where the machine's and Confluence's clocks are years off, every change is found, and SINCE_HOURS hides nothing that is stored."""

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Jumped:
            return cls(year, 1, 1, tzinfo=tz)

    with bench(tmp_path / "state") as made:
        monkeypatch.setattr(listing, "datetime", Jumped)
        monkeypatch.setattr(run, "datetime", Jumped)
        second_day(made.simulator)
        made.simulator.now = lambda: datetime(1999, 1, 1, tzinfo=UTC)
        made.simulator.edit("1008", "<p>from the past</p>")
        assert made.sync(SINCE_HOURS="24").exit == 0
        assert "from the past" in " ".join(text for text, _ in made.contents().values())
        assert made.sync().exit == 0
        assert made.trouble() == ""


@pytest.mark.parametrize(("remote", "journal"), [(True, "delete"), (False, "wal")])
def test_files_on_a_network_volume_get_a_rollback_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: bool, journal: str
) -> None:
    """The state and the small files beside it know the same network volumes as the store."""
    monkeypatch.setattr(database, "on_network", lambda path: remote)
    with closing(SqliteDatabase(tmp_path / "state.db")) as state, closing(open_file(tmp_path / "small.db", "")) as small:
        assert state.rows("pragma journal_mode") == [(journal,)]
        assert small.execute("pragma journal_mode").fetchall() == [(journal,)]


def test_sqlite_says_when_the_file_is_not_ours(tmp_path: Path) -> None:
    """A folder that cannot be written gives the path and what it must be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="file"):
        SqliteDatabase(tmp_path / "file" / "state.db")


def test_a_state_that_another_program_holds(tmp_path: Path) -> None:
    """A transaction of somebody else that does not end is named, not waited for without end."""
    with closing(State(SqliteDatabase(tmp_path / "state.db"))) as state:
        state.database._connection.execute("pragma busy_timeout = 50")  # type: ignore[attr-defined]
        with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(RemoteError, match="another program holds it"):
                state.put("s", [ENTRY])
