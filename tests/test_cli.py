"""The command line as a person or a job uses it: every verb, what it prints, and the exit code that says how it went."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from confluence_sync import __version__, cli
from confluence_sync.cli import VERBS
from confluence_sync.errors import ConfluenceSyncError, Interrupted
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.dash_vectors import VectorCache
from confluence_sync.stores.vector_stores_ledger import Ledger
from tests.conftest import environment_for
from tests.simulator_client import family, page

SOURCE = str(Path(cli.__file__).parent.parent)
Json = dict[str, Any]


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """The command line takes SIGTERM and SIGINT for its process; the tests' own are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def main(arguments: list[str]) -> int:
    """The command line in a process where no log is set up yet."""
    logging.getLogger().handlers[:] = []
    return cli.main(arguments)


@pytest.fixture
def told(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment that a job would have: this simulator, a state folder, no wait worth the name."""
    for name, value in (environment_for(simulator) | {"STATE_DIR": str(tmp_path / "state")}).items():
        monkeypatch.setenv(name, value)


def read_json(file: Path) -> Json:
    found: Json = json.loads(file.read_text(encoding="utf-8"))
    return found


def started(*arguments: str, environment: dict[str, str] | None = None, **more: Any) -> subprocess.Popen[str]:
    """The program as a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONF")}
    words = [sys.executable, "-W", "error", "-m", "confluence_sync", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.Popen(words, text=True, env={**clean, "PYTHONPATH": SOURCE, **(environment or {})}, **pipes)


def process(*arguments: str, environment: dict[str, str] | None = None, **more: Any) -> tuple[int, str, str]:
    running = started(*arguments, environment=environment, **more)
    out, err = running.communicate(timeout=60)
    return running.returncode, out or "", err or ""


def test_in_the_image_the_group_may_write_the_files(simulator: Simulator, tmp_path: Path) -> None:
    """The next pod may have another UID, always of group 0; elsewhere the umask of the person decides."""
    for image, mode in (("1", 0o660), ("0", 0o644)):
        folder = tmp_path / image
        settings = {"STATE_DIR": str(folder), "VECTOR_BACKEND": "sqlite", "CONFLUENCE_SYNC_IMAGE": image, "HOME": str(tmp_path)}
        code, _, told = process("sync", environment=environment_for(simulator) | settings, cwd=tmp_path)
        assert code == 0, told
        assert {name: (folder / name).stat().st_mode & 0o777 for name in ("state.db", "store.db")} == {"state.db": mode, "store.db": mode}


@pytest.mark.parametrize("umask", [0o007, 0o022])
def test_what_adapters_remember_is_the_groups_too(tmp_path: Path, umask: int) -> None:
    """The files of a Llama Stack's vectors and of a vector store's chunks follow the umask as the state does, and commit with one write."""
    os.umask(umask)
    for opened in (Ledger, VectorCache):
        file = tmp_path / f"{opened.__name__}.db"
        opened(file).close()
        assert file.stat().st_mode & 0o777 == 0o666 & ~umask
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_process_that_ends_looks_for_no_cycles(tmp_path: Path) -> None:
    """Whatever it ends with: the memory goes anyway."""
    ends = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); from confluence_sync.cli import program"
    for call, code in (("program(['check'])", 2), ("program(['--version'])", 0)):
        words = [sys.executable, "-c", f"{ends}; raise SystemExit({call})"]
        done = subprocess.run(words, capture_output=True, text=True, env={"PYTHONPATH": SOURCE}, cwd=tmp_path, check=False)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (code, "True"), done.stderr


# help


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help of each verb says what it does and what its exit codes mean, and exits with 0."""
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0
    assert VERBS[verb][1] in " ".join(out.split())
    assert "3 some pages failed" in out


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_a_module(verb: str) -> None:
    """Each verb can be loaded, and has its options and what it runs."""
    from importlib import import_module

    module = import_module(f"confluence_sync.{VERBS[verb][0]}")
    assert callable(module.add_options)
    assert callable(module.run)


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows all verbs, each with a line."""
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for verb, (_, words) in VERBS.items():
        assert f"    {verb} " in out
        assert words.split()[0] in out


def test_help_of_sync_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """sync --help shows the settings with their defaults."""
    with pytest.raises(SystemExit):
        main(["sync", "--help"])
    out = capsys.readouterr().out
    for name in ("CONF_CLOUD_ID", "SPACE_NAME", "CHUNK_TOKENS", "EMBEDDING_URL"):
        assert name in out


def test_no_verb_is_exit_2_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a verb the help is shown, and nothing is done."""
    assert main([]) == 2
    assert "VERB" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["snyc"], ["sync", "--limmit"], ["sync", "--limit", "-1"], ["sync", "--limit", "x"], ["query"]])
def test_a_slip_of_the_pen_is_exit_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown verbs, options and values are answered with what would be right."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names program and version, and whether the slow part was compiled: what runs from a checkout is not."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"confluence-sync {__version__} (not compiled)\n"


# sync, and what it leaves behind


@pytest.mark.usefixtures("told")
def test_sync_reports_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """sync --report writes every count of the documented shape; the summary line goes to standard output."""
    assert main(["sync", "--report", "report.json"]) == 0
    report = read_json(tmp_path / "report.json")
    none = dict.fromkeys(("new", "changed", "retagged", "unchanged", "deleted", "deferred", "failed"), 0)
    assert report["pages"] == none | {"listed": 7, "new": 7}
    assert report["chunks"] == {"written": 7, "retagged": 0, "deleted": 0, "kept": 0}
    assert set(report["requests"]) == {"confluence", "store"}
    assert report["requests"]["confluence"] <= 6
    assert (report["exit"], report["listing_complete"], report["held"]) == (0, True, [])
    assert report["seconds"] > 0
    [space] = report["spaces"]
    assert (space["key"], space["name"], space["pages"]["new"]) == ("OPS", "Ops handbook", 7)
    assert "7 pages: 7 new" in capsys.readouterr().out


@pytest.mark.usefixtures("told")
def test_a_second_sync_writes_nothing(simulator: Simulator, tmp_path: Path) -> None:
    """Nothing changed: one listing, no body read, no chunk written."""
    main(["sync"])
    simulator.forget_requests()
    assert main(["sync", "--report", "report.json"]) == 0
    report = read_json(tmp_path / "report.json")
    assert (report["pages"]["unchanged"], report["chunks"]["written"], report["chunks"]["kept"]) == (7, 0, 7)
    assert sorted(simulator.requests) == ["GET /api/v2/spaces", "GET /api/v2/spaces/{id}/pages", "GET /rest/api/user/current"]


@pytest.mark.usefixtures("told")
def test_rebuild_makes_everything_anew(tmp_path: Path) -> None:
    """sync --rebuild reads and writes every page again."""
    main(["sync"])
    assert main(["sync", "--rebuild", "--report", "report.json"]) == 0
    report = read_json(tmp_path / "report.json")
    assert report["pages"]["changed"] + report["pages"]["new"] == 7


@pytest.mark.usefixtures("told")
def test_a_limited_sync_deletes_nothing(tmp_path: Path) -> None:
    """--limit takes a few pages and leaves the rest of the store alone."""
    main(["sync"])
    assert main(["sync", "--limit", "2", "--report", "report.json"]) == 0
    report = read_json(tmp_path / "report.json")
    assert (report["pages"]["listed"], report["pages"]["deleted"], report["listing_complete"]) == (2, 0, False)


@pytest.mark.usefixtures("told")
def test_a_mass_deletion_is_held_until_it_is_allowed(simulator: Simulator, tmp_path: Path) -> None:
    """Most pages gone: exit 4, nothing deleted, and the option that allows it; with it they go."""
    main(["sync"])
    for number in range(3, 8):
        simulator.trash(str(number))
    assert main(["sync", "--report", "report.json"]) == 4
    report = read_json(tmp_path / "report.json")
    assert (report["pages"]["deleted"], report["exit"]) == (0, 4)
    assert "--max-deletes 5" in report["held"][0]["why"]
    assert main(["sync", "--max-deletes", "5", "--report", "report.json"]) == 0
    assert read_json(tmp_path / "report.json")["pages"]["deleted"] == 5


@pytest.mark.usefixtures("told")
def test_a_page_that_always_fails_is_exit_3(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page that breaks the server fails by name, the others go in, and the next run gets it once it works."""
    simulator.faults.put(read_rules("v2/pages -> half-json page=5"))
    assert main(["sync", "--report", "report.json"]) == 3
    report = read_json(tmp_path / "report.json")
    assert (report["pages"]["failed"], report["pages"]["new"], report["exit"]) == (1, 6, 3)
    assert report["spaces"][0]["failed"][0]["page_id"] == "5"
    err = capsys.readouterr().err
    assert "page 5 (Page 5) failed" in err
    assert "exit 3" in err
    simulator.faults.put([])
    assert main(["sync", "--report", "report.json"]) == 0
    assert read_json(tmp_path / "report.json")["pages"]["new"] == 1


@pytest.mark.usefixtures("told")
def test_a_page_without_a_body_keeps_its_chunks(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A body that went missing is an error and its old chunks stay; an empty one is a page, and its old chunks go."""
    main(["sync"])
    simulator.add(page(3, body={}, version={"number": 9, "when": "2026-02-01T00:00:00.000Z"}))
    assert main(["sync"]) == 3
    capsys.readouterr()
    main(["query", "Page 3", "--json", "--top-k", "20"])
    assert "3" in {hit["page_id"] for hit in json.loads(capsys.readouterr().out)}
    simulator.edit("3", "")
    assert main(["sync", "--report", "report.json"]) == 0
    assert read_json(tmp_path / "report.json")["chunks"]["deleted"] == 1


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"CONF_API_TOKEN": "wr0ng-s3cret"}, 2, "refuses these credentials"),
        ({"CONF_API_TOKEN": ""}, 2, "CONF_API_TOKEN: not set"),
        ({"SPACE_NAME": "Opps handbok"}, 2, "Nearest: Ops handbook (OPS)"),
        ({"SPACE_NAME": ""}, 2, "Visible: Ops handbook (OPS)"),
        ({"CONCURRENCY": "0", "LOG_LEVEL": "loud"}, 2, "CONCURRENCY: '0' is not accepted"),
        ({"CONFLUENCE_SYNC_IMAGE": "1"}, 2, "no destination"),
        ({"CONF_GATEWAY_URL": "http://127.0.0.1:9"}, 5, "gave no answer"),
        ({"FILTER_FOLDER_ID": "https://x.atlassian.net/wiki/x/AbC"}, 2, "no page or folder id"),
        ({"VECTOR_API_BASE_URL": "http://127.0.0.1:9"}, 5, "127.0.0.1:9"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, change: dict[str, str], code: int, words: str
) -> None:
    """Wrong settings are 2 and servers that do not work 5; the report says the same; no traceback, and never a secret."""
    monkeypatch.setattr("confluence_sync.http.Patience.__init__.__defaults__", (2, 0.01, 0.05, 5.0))
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    assert main(["sync", "--report", "report.json"]) == code
    out = "".join(capsys.readouterr())
    assert words in out
    assert "Traceback" not in out
    assert "wr0ng-s3cret" not in out
    if (tmp_path / "report.json").exists():
        report = read_json(tmp_path / "report.json")
        assert report["exit"] == code
        assert report["error"]


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("file", ["/dev/full", "nowhere/report.json", "."])
def test_a_report_that_cannot_be_written_is_exit_2(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk or a missing folder for --report is said by name, and the run itself was done."""
    assert main(["sync", "--report", file]) == 2
    err = capsys.readouterr().err
    assert f"--report {file}" in err
    assert "Traceback" not in err
    assert main(["status"]) == 0
    assert " 7 " in capsys.readouterr().out


@pytest.mark.usefixtures("told")
def test_older_names_are_answered_in_the_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A setting of an earlier program gets its line, and the run goes on."""
    monkeypatch.setenv("CHUNK_SIZE", "200")
    assert main(["sync"]) == 0
    assert "warning: CHUNK_SIZE is not used" in capsys.readouterr().err


@pytest.mark.usefixtures("told")
def test_log_lines_can_be_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With LOG_FORMAT=json every line on standard error is an object; --debug-http shows requests without the token."""
    monkeypatch.setenv("LOG_FORMAT", "json")
    assert main(["sync", "--debug-http"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {"time", "level", "message", "logger"} == set(lines[0])
    assert any("GET http" in line["message"] and "-> 200" in line["message"] for line in lines)
    assert "simulated-scoped-token" not in str(lines)


@pytest.mark.usefixtures("told")
def test_a_state_that_another_run_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two runs at once: the second stops with exit 4 and says why."""
    main(["sync"])
    hold = "import sys, time; from pathlib import Path; from confluence_sync.database import open_database as o\n"
    hold += "d = o(Path(sys.argv[1]), ''); print(d.lock('confluence-sync'), flush=True); time.sleep(60)"
    words = [sys.executable, "-c", hold, str(tmp_path / "state")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": SOURCE}) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        capsys.readouterr()
        assert main(["sync"]) == 4
        assert "another run is at work with this state" in capsys.readouterr().err
        assert main(["status"]) == 0
        holder.kill()
    assert main(["sync"]) == 0


@pytest.mark.usefixtures("told")
def test_a_state_of_a_newer_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state that a newer version wrote is left alone: exit 2 with what to do."""
    main(["sync"])
    with closing(sqlite3.connect(tmp_path / "state" / "state.db")) as database, database:
        database.execute("update meta set value = '999' where name = 'schema'")
    assert main(["sync"]) == 2
    assert "written by a newer confluence-sync" in capsys.readouterr().err


# plan, status, query


@pytest.mark.usefixtures("told")
def test_plan_shows_what_sync_would_do(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """plan names each page with its reason, does nothing, and sync then does just that."""
    main(["sync"])
    simulator.edit("2", "<p>Other words.</p>")
    simulator.move("5", "1")
    simulator.trash("7")
    simulator.add_page("Brand new", "<p>New.</p>", "OPS", "1")
    capsys.readouterr()
    assert main(["plan"]) == 0
    first = capsys.readouterr().out
    assert "space OPS (Ops handbook): 7 pages listed" in first
    for words in (
        "+ create  Brand new",
        "Page 2 (2): ",
        "Page 5 (5): moved",
        "- delete  Page 7 (7): not in the listing",
        "4 stay as they are",
    ):
        assert words in first
    assert main(["plan"]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.usefixtures("told")
def test_plan_as_json(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """plan --json has for each space the counts, the price and every step."""
    main(["sync"])
    simulator.edit("2", "<p>Other words.</p>")
    simulator.trash("7")
    capsys.readouterr()
    assert main(["plan", "--json"]) == 0
    [space] = json.loads(capsys.readouterr().out)["spaces"]
    assert (space["complete"], space["listed"], space["keep"]) == (True, 6, 5)
    assert space["counts"] == {"create": 0, "update": 1, "retag": 0, "delete": 1, "defer": 0}
    assert [(step["kind"], step["page_id"], step["title"]) for step in space["steps"]] == [
        ("update", "2", "Page 2"),
        ("delete", "7", "Page 7"),
    ]
    assert all(step["why"] for step in space["steps"])
    assert space["price"]


@pytest.mark.usefixtures("told")
def test_plan_says_what_would_be_held(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Deletions over the ceiling are shown, and that sync would hold them."""
    main(["sync"])
    for number in range(3, 8):
        simulator.trash(str(number))
    capsys.readouterr()
    assert main(["plan"]) == 0
    assert "sync would hold the deletions back: more than 3 of 7 pages" in capsys.readouterr().out


@pytest.mark.usefixtures("told")
def test_plan_with_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """A store that is up to date gets a plan that says so."""
    main(["sync"])
    capsys.readouterr()
    assert main(["plan"]) == 0
    assert "nothing to do; 7 stay as they are" in capsys.readouterr().out


@pytest.mark.usefixtures("told")
def test_query_shows_hits_with_their_links(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """query prints title, link and an excerpt, best first; no more than asked for."""
    main(["sync"])
    capsys.readouterr()
    assert main(["query", "Page 5", "--top-k", "1"]) == 0
    out = capsys.readouterr().out
    assert "Page 5" in out
    assert f"{simulator.url}/wiki/spaces/OPS/pages/5/Page+5" in out


@pytest.mark.usefixtures("told")
def test_query_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """query --json has score, title, url, page_id, heading and text of each hit, and filters by label."""
    main(["sync"])
    capsys.readouterr()
    assert main(["query", "Page", "--top-k", "3", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)
    assert len(hits) == 3
    assert set(hits[0]) >= {"score", "title", "url", "page_id", "heading", "text"}
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert main(["query", "Page", "--label", "even", "--json", "--top-k", "20"]) == 0
    assert {hit["page_id"] for hit in json.loads(capsys.readouterr().out)} == {"2", "4", "6"}


@pytest.mark.usefixtures("told")
def test_query_that_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """No hit is said in words, and is an empty list as JSON."""
    main(["sync"])
    capsys.readouterr()
    assert main(["query", "zzzzqqqq"]) == 0
    assert "nothing found" in capsys.readouterr().out
    assert main(["query", "zzzzqqqq", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.usefixtures("told")
def test_status_shows_the_last_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """status has a row a run, newest first, at most as many as asked for; before any run it says so."""
    assert main(["status"]) == 0
    assert capsys.readouterr().out == "no run yet\n"
    main(["sync"])
    time.sleep(1.1)  # runs are told apart by the second they began in
    main(["sync"])
    capsys.readouterr()
    assert main(["status"]) == 0
    head, newest, oldest = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["started", "exit", "collection", "listed"]
    assert "sqlite:confluence" in newest
    assert newest.split()[4] == "0"
    assert oldest.split()[4] == "7"
    assert main(["status", "--json", "--runs", "1"]) == 0
    [report] = json.loads(capsys.readouterr().out)
    assert report["pages"]["unchanged"] == 7


@pytest.mark.parametrize(
    "arguments", [["simulate", "nowhere.jsonl"], ["simulate", "--faults", "pages -> explode"], ["simulate", "--port", "1"]]
)
def test_simulate_with_what_cannot_be_served(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, a fault that does not exist or a port that cannot be had is exit 2 with what would be right."""
    if arguments[-1] == "1" and os.getuid() == 0:
        pytest.skip("root may listen on port 1")
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")


# the process


def test_wrong_settings_are_told_before_anything_is_loaded(tmp_path: Path) -> None:
    """A missing setting is exit 2 on standard error, without a traceback, from an empty folder and an empty environment."""
    code, out, err = process("sync", cwd=tmp_path)
    assert (code, out) == (2, "")
    assert "CONF_CLOUD_ID: not set" in err
    assert "SPACE_NAME" in err or "CONF_API_TOKEN: not set" in err
    assert "Traceback" not in err


def test_without_a_verb_the_module_syncs(tmp_path: Path) -> None:
    """`python -m confluence_sync` alone is a sync, as with the program before."""
    code, _, err = process(cwd=tmp_path)
    assert code == 2
    assert "CONF_CLOUD_ID: not set" in err


def test_a_reader_that_stops_reading_is_no_error(tmp_path: Path) -> None:
    """`confluence-sync sync --help | head -1` ends quietly."""
    running = started("sync", "--help", cwd=tmp_path)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert "Traceback" not in running.stderr.read()
    running.stderr.close()
    running.wait(30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_and_the_next_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM in the middle of a slow run: out within seconds with 143 (130 for Ctrl-C), and the next run finishes it."""
    with Simulator(family(250), latency_ms=200) as simulator:
        environment = environment_for(simulator) | {"STATE_DIR": str(tmp_path / "state"), "CONCURRENCY": "1"}
        running = started("sync", "--report", "report.json", environment=environment, cwd=tmp_path)
        wait_for(lambda: any("body-format" in line for line in list(simulator.lines)))
        asked = time.monotonic()
        running.send_signal(number)
        _, err = running.communicate(timeout=20)
        assert running.returncode == 128 + number
        assert time.monotonic() - asked < 10
        assert "the next run goes on where this one stopped" in err
        assert "Traceback" not in err
        assert read_json(tmp_path / "report.json")["exit"] == 128 + number
        simulator.latency = 0
        code, out, err = process("sync", environment=environment, cwd=tmp_path)
        assert code == 0, err
        assert "250 pages" in out


def wait_for(true: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)


def test_a_terminal_of_another_encoding_is_no_bug(tmp_path: Path) -> None:
    """Titles that the terminal's encoding cannot show are escaped; the run does not end over them."""
    with Simulator([page(1, "Aus\u00e9e \u65e5\u672c")]) as simulator:
        told = environment_for(simulator) | {"STATE_DIR": str(tmp_path / "state"), "PYTHONIOENCODING": "ascii"}
        code, out, err = process("plan", environment=told, cwd=tmp_path)
    assert code == 0, err
    assert "Aus\\xe9e \\u65e5\\u672c" in out


# what every failure becomes


def given(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the verb `status` fail in this way."""
    from confluence_sync.commands import status

    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(status, "run", fail)


def test_a_bug_is_exit_1_with_its_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw is called a bug, with version and traceback."""
    given(ZeroDivisionError("division by zero"), monkeypatch)
    assert main(["status"]) == 1
    err = capsys.readouterr().err
    assert f"this is a bug in confluence-sync {__version__}" in err
    assert "ZeroDivisionError: division by zero" in err


def test_each_line_of_an_error_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Several problems are several lines, and control characters of foreign titles do not reach the terminal."""
    given(ConfluenceSyncError("first\nsec\x1b[31mond"), monkeypatch)
    assert main(["status"]) == 1
    assert capsys.readouterr().err.splitlines() == ["error: first", "error: sec\ufffd[31mond"]


def test_an_interruption_leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal's exit code is 128 and its number, and nothing is waited for."""
    left: list[int] = []

    def leave(code: int) -> None:
        left.append(code)
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    given(Interrupted(signal.SIGTERM), monkeypatch)
    with pytest.raises(SystemExit):
        main(["status"])
    assert left == [143]


def test_a_closed_pipe_is_exit_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that has seen enough is no failure."""
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    given(BrokenPipeError(), monkeypatch)
    assert main(["status"]) == 0
