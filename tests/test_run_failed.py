"""A run that fails leaves what it did until then: among the last runs, in its report, and for those who asked to be told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from confluence_sync.cli import main
from confluence_sync.commands.status import stored_reports
from confluence_sync.errors import RemoteError
from confluence_sync.plan import Wanted
from confluence_sync.run import Means
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.memory import MemoryBackend, MemoryStore
from confluence_sync.sync import run
from tests.conftest import HASTY, environment_for


class FullStore(MemoryStore):
    """A store that has no room left."""

    def write(self, chunks: object) -> None:
        raise RemoteError("the disk is full")


def test_a_failed_run_is_among_the_last_runs(simulator, settings_for):
    """`status` shows it with its exit code and its reason, and the report that the caller gave has what was counted until then."""
    settings = settings_for(simulator)
    backend = MemoryBackend(stores={"confluence": FullStore()})
    with pytest.raises(RemoteError, match="the disk is full"):
        run(settings, Wanted(), Means(backend=backend, patience=HASTY))
    (stored,) = [json.loads(one) for one in stored_reports(settings, 5)]
    assert (stored["exit"], stored["error"], stored["collection"]) == (5, "the disk is full", "confluence")
    assert stored["pages"]["listed"] == 7
    assert stored["requests"]["confluence"] > 0
    assert stored["seconds"] > 0


def test_sync_writes_the_report_of_a_failure(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`sync --report` and METRICS_TEXTFILE tell of a run that could not start, too."""
    for name, value in (
        environment_for(simulator) | {"CONF_API_TOKEN": "wrong-token", "METRICS_TEXTFILE": str(tmp_path / "m.prom")}
    ).items():
        monkeypatch.setenv(name, value)
    assert main(["sync", "--report", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html")]) == 2
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert report["exit"] == 2
    assert "refuses these credentials" in report["error"]
    assert "refuses these credentials" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "confluence_sync_exit_code 2" in (tmp_path / "m.prom").read_text(encoding="utf-8")
