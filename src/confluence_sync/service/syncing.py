"""Syncs asked for over HTTP: one at a time, each a process of its own, so that a run's memory and crashes are not the service's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from confluence_sync.jsonvalue import JsonObject
from confluence_sync.service.problems import Problem

LONGEST = 6 * 3600.0  # seconds
KEPT = 50  # ended runs that can still be asked about


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sync is to do: the spaces' keys (none: those of the settings), and whether unchanged pages are made anew."""

    spaces: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its exit code, its report's JSON ({} when it left none) and, when it failed, why."""

    exit: int
    report: JsonObject
    error: str = ""


SyncNow = Callable[[Asked, Callable[[subprocess.Popen[str]], None]], Outcome]


@dataclass
class SyncRun:
    """One run; `outcome` is None while it is at work."""

    id: str
    asked: Asked
    outcome: Outcome | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def body(self) -> dict[str, object]:
        """In the shape that n8n's workflow reads: an unreadable space counts as one failure."""
        if self.outcome is None:
            return {"status": "running", "run_id": self.id}
        pages, spaces = _counts(self.outcome.report), _broken_spaces(self.outcome.report)
        done = self.outcome.exit in (0, 3, 4)
        failed = pages.get("failed", 0) + spaces + (0 if done or spaces else max(1, len(self.asked.spaces)))
        counts = {"synced": sum(pages.get(name, 0) for name in ("new", "changed", "retagged")), "skipped": pages.get("unchanged", 0)}
        more = {"deleted": pages.get("deleted", 0), "exit": self.outcome.exit}
        said = {"error": self.outcome.error} if self.outcome.error else {}
        return {"status": "complete" if done else "failed", **counts, "failed": failed, "run_id": self.id, **more, **said}


@dataclass
class Syncs:
    """Starts runs and remembers how they ended."""

    sync_now: SyncNow
    ended: Callable[[], None] = lambda: None
    _runs: dict[str, SyncRun] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _process: subprocess.Popen[str] | None = None

    def start(self, asked: Asked) -> SyncRun:
        """A run at work; a Problem (409) while another one is."""
        with self._lock:
            busy = next((run for run in self._runs.values() if run.outcome is None), None)
            if busy:
                raise Problem(409, f"sync {busy.id} is at work; ask again when it has ended", details={"run_id": busy.id})
            run = SyncRun(uuid.uuid4().hex[:12], asked)
            self._runs[run.id] = run
            for old in list(self._runs)[:-KEPT]:
                del self._runs[old]
        threading.Thread(target=self._work, args=(run,), name=f"sync-{run.id}", daemon=True).start()
        return run

    def get(self, run_id: str) -> SyncRun:
        if run_id not in self._runs:
            raise Problem(404, f"there is no sync {run_id!r} (it may be older than the last {KEPT}, or than this process)")
        return self._runs[run_id]

    def stop(self) -> None:
        """Ends the run at work as SIGTERM does: the next one goes on where it stopped."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _work(self, run: SyncRun) -> None:
        try:
            run.outcome = self.sync_now(run.asked, self._started)
        except OSError as error:
            run.outcome = Outcome(1, {}, f"the sync could not be started: {error}")
        finally:
            run.outcome = run.outcome or Outcome(1, {}, "the sync ended without a word; see the service's log")
            self.ended()
            run.ended.set()

    def _started(self, process: subprocess.Popen[str]) -> None:
        self._process = process


def in_a_process(environment: Mapping[str, str] | None = None) -> SyncNow:
    """Runs `confluence-sync sync` with these settings (None: this process's own)."""

    def sync_now(asked: Asked, started: Callable[[subprocess.Popen[str]], None]) -> Outcome:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            words = ["--space", ",".join(asked.spaces)] if asked.spaces else []
            command = [sys.executable, "-m", "confluence_sync", "sync", "--report", str(report), *words]
            command += ["--rebuild"] if asked.force else []
            env = {**(os.environ if environment is None else environment), "LOG_FORMAT": "text"}
            with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
                started(process)
                _, said = _ended(process)
            found = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
            return Outcome(process.returncode, found, _why(found, process.returncode, said))

    return sync_now


def _ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.communicate()


def _why(report: JsonObject, exit_code: int, said: str) -> str:
    """What a person is told: the run's own error, which never holds a secret; nothing when all went well."""
    if exit_code == 0:
        return ""
    spaces = report.get("spaces")
    errors = [str(one["error"]) for one in spaces if isinstance(one, dict) and one.get("error")] if isinstance(spaces, list) else []
    last = said.strip().splitlines()[-1:] if not report else []
    return "; ".join(filter(None, [str(report.get("error") or ""), *errors, *last])) or f"the sync ended with exit code {exit_code}"


def _counts(report: JsonObject) -> dict[str, int]:
    pages = report.get("pages")
    return {str(name): count for name, count in pages.items() if isinstance(count, int)} if isinstance(pages, dict) else {}


def _broken_spaces(report: JsonObject) -> int:
    spaces = report.get("spaces")
    return sum(1 for one in spaces if isinstance(one, dict) and one.get("error")) if isinstance(spaces, list) else 0
