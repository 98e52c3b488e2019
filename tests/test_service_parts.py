"""The service's parts by themselves: freshness from the state, live names, syncs as processes, links and sockets."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.database import open_database
from confluence_sync.errors import NotFound, RateLimited, Rejected, ServerFailed, SettingsError
from confluence_sync.service.freshness import Freshness, FreshnessReader
from confluence_sync.service.live_name import live_name
from confluence_sync.service.metrics import Metrics
from confluence_sync.service.problems import from_failure
from confluence_sync.service.run import _listening, _tls
from confluence_sync.service.syncing import Asked, Outcome, Syncs, in_a_process
from confluence_sync.service_file import ServiceFile
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.base import Feature
from confluence_sync.stores.memory import MemoryBackend
from tests.conftest import environment_for
from tests.service_fixture import remember_runs, serve_answers


def test_freshness_comes_from_the_state(tmp_path: Path) -> None:
    """Runs newest first, counts, the oldest page; read again only after a while or when a run has ended."""
    reader = FreshnessReader(tmp_path)
    assert reader.now() == Freshness()
    remember_runs(tmp_path)
    assert reader.now() == Freshness()
    reader.forget()
    told = reader.now().body()
    assert (told["last_sync"], told["pages"], told["oldest_page"]) == ("2026-11-18T02:00:00Z", 1, "2024-03-01T00:00:00Z")
    assert len(reader.now().runs) == 9
    assert "confluence_sync_last_sync_timestamp_seconds 17" in Metrics().text(reader.now())


def test_a_state_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """Answers do not depend on the state: a damaged one only leaves the panel empty."""
    (tmp_path / "state.db").write_bytes(b"this is no database" * 100)
    assert FreshnessReader(tmp_path).now() == Freshness()


def test_spaces_are_known_from_the_state(tmp_path: Path) -> None:
    """Where the state names spaces, an unknown one is refused with those there are, and case does not matter."""
    remember_runs(tmp_path)
    with serve_answers(tmp_path) as service, service.client() as client:
        wrong = client.post("/api/query", json={"question": "disk", "space": "NOPE"})
        assert (wrong.status_code, "KNOWN" in wrong.json()["detail"]) == (422, True)
        assert client.post("/api/query", json={"question": "journal disk", "space": "known"}).json()["sources"]


def test_live_names(tmp_path: Path) -> None:
    """A store that can delete keeps its name; a rotated one's comes from the file, else from the state, else it is the name."""
    rotated = MemoryBackend(features=Feature.QUERY)
    assert live_name(Settings(state_dir=tmp_path), MemoryBackend(), "c")() == "c"
    assert live_name(Settings(state_dir=tmp_path), rotated, "c")() == "c"
    database = open_database(tmp_path, "")
    assert live_name(Settings(state_dir=tmp_path), rotated, "c")() == "c"
    database.run("create table generation (target text, name text, status text)")
    database.run("insert into generation values ('memory:c', 'c-7', 'live')")
    database.close()
    assert live_name(Settings(state_dir=tmp_path), rotated, "c")() == "c-7"
    file = tmp_path / "live"
    settings = Settings(state_dir=tmp_path, live_collection_file=file)
    assert live_name(settings, rotated, "c")() == "c-7"
    file.write_text("c-8\n")
    assert live_name(settings, rotated, "c")() == "c-8"


def test_a_sync_is_a_process(simulator: Simulator, tmp_path: Path) -> None:
    """It runs with the settings given, and its report comes back; a failing one brings its last words."""
    environment = environment_for(simulator) | {"STATE_DIR": str(tmp_path / "s"), "HOME": str(tmp_path)}
    started: list[subprocess.Popen[str]] = []
    done = in_a_process(environment)(Asked(("OPS",), force=True), started.append)
    assert (done.exit, done.error, len(started)) == (0, "", 1)
    assert done.report["pages"]["new"] == 7  # type: ignore[index]
    failed = in_a_process({**environment, "CONF_CLOUD_ID": ""})(Asked(), started.append)
    assert failed.exit == 2
    assert "CONF_CLOUD_ID" in failed.error


def test_a_sync_is_stopped_with_the_service() -> None:
    """SIGTERM reaches the run at work."""
    ended: list[int] = []

    def sleeping(asked: Asked, started: object) -> Outcome:
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], text=True) as process:
            started(process)  # type: ignore[operator]  # the callback
            ended.append(process.wait())
        return Outcome(process.returncode, {})

    syncs = Syncs(sleeping)
    run = syncs.start(Asked())
    while syncs._process is None:
        time.sleep(0.01)
    syncs.stop()
    assert run.ended.wait(10)
    assert ended == [-signal.SIGTERM]
    assert run.body()["status"] == "failed"


def test_a_sync_that_cannot_start() -> None:
    """An error on the way is the run's outcome, and the next one may start."""

    def broken(asked: Asked, started: object) -> Outcome:
        raise OSError("no memory")

    syncs = Syncs(broken)
    run = syncs.start(Asked())
    assert run.ended.wait(10)
    assert "no memory" in str(run.body()["error"])
    assert syncs.start(Asked()).id != run.id


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RateLimited("x"), 503),
        (ServerFailed("x"), 502),
        (NotFound("x"), 502),
        (SettingsError("x"), 503),
        (Rejected("x", chunk_ids=("a",)), 422),
    ],
)
def test_failures_become_answers(error: Exception, status: int) -> None:
    """What fails further inside has a status of its own, with the same words."""
    problem = from_failure(error)  # type: ignore[arg-type]  # all are ours
    assert (problem.status, str(problem)) == (status, "x")
    assert problem.body()["detail"] == "x"


def test_a_port_that_is_taken() -> None:
    """It is told with the options to change; an unknown host too."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="choose another"):
        _listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(SettingsError, match="choose another"):
        _listening("256.256.256.256", 1)


def test_tls_settings_that_do_not_fit(tmp_path: Path) -> None:
    """A key without a certificate, and files that are no PEM, are told by name."""
    assert _tls(Settings()) is None
    with pytest.raises(SettingsError, match="TLS_CERT: empty"):
        _tls(Settings(tls_client_ca=tmp_path / "ca.pem"))
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(SettingsError, match="PEM"):
        _tls(Settings(tls_cert=tmp_path / "cert.pem"))


def test_a_service_file_that_cannot_be_used(tmp_path: Path) -> None:
    """A damaged file is told with its path."""
    (tmp_path / "service.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(SettingsError, match=r"service\.db"):
        ServiceFile(tmp_path).mine()


def test_a_bug_is_told_without_its_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw is a 500 that gives nothing away."""
    with serve_answers(tmp_path) as service, service.client() as client:
        connection = sqlite3.connect(tmp_path / "store.db")
        connection.execute("UPDATE chunks_1 SET metadata = '[1]'")
        connection.commit()
        connection.close()
        answer = client.post("/api/query", json={"question": "journal disk"})
    assert answer.status_code == 500
    assert "its log says where" in answer.json()["detail"]
    assert json.loads(answer.text)["error"]["code"] == "internal"
