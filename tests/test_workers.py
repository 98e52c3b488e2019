"""Worker processes: what they are given and give back, and that none outlives the run, whatever ends it."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from pathlib import Path
from threading import Thread

import pytest

from confluence_sync import packing, worker, workers
from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.model import Page, PageRef, utf8
from confluence_sync.prepare import Prepared, cut_for, prepare
from confluence_sync.workers import CallFailed, Workers

CUT = cut_for(1000, 180)
LONG = "".join(f"<p>Line {number} of a page that takes a while.</p>" for number in range(60_000))


def group(number: int, body: str = "<p>Text.</p>") -> list[Page]:
    return [Page(PageRef(str(number), 1, f"Page {number}"), "cloud:x", "OPS", "Ops", "https://x.test", "https://x.test", utf8(body))]


@pytest.fixture
def pool() -> Iterator[Workers[list[Prepared]]]:
    made: Workers[list[Prepared]] = Workers(2)
    yield made
    made.end()


def members(first: int) -> list[int]:
    """Processes of the group that the first worker leads, without those that ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == first and words[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def until_alive(pool: Workers[list[Prepared]], count: int) -> list[int]:
    for _ in range(600):
        if len(found := members(pool._first.pid)) == count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{count} workers were to be there, and {found} are")


def until_gone(first: int) -> None:
    for _ in range(100):
        if not members(first):
            return
        time.sleep(0.05)
    raise AssertionError(f"{members(first)} are still there")


def test_each_caller_gets_its_own_answer(pool: Workers[list[Prepared]]) -> None:
    """Calls from many threads, more than the workers can have at a time, come back to who made them."""
    futures = [pool.submit(group(number, f"<p>Text {number}.</p>" * number), CUT, {}) for number in range(40)]
    for number, future in enumerate(futures):
        assert future.result(60)() == prepare(group(number, f"<p>Text {number}.</p>" * number), CUT, {})


def test_workers_let_the_run_go_first(pool: Workers[list[Prepared]]) -> None:
    """What the run waits for, all workers soon wait for; the run itself is as patient as whoever started it."""
    assert pool.submit(group(1), CUT, {}).result(60)()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert [os.getpriority(os.PRIO_PROCESS, one) for one in until_alive(pool, 2)] == [min(own + 5, 19)] * 2
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_an_answer_stays_packed_until_it_is_called_for(pool: Workers[list[Prepared]]) -> None:
    """Answers wait in one piece, of about the size of their text; unpacked, each is thousands of objects."""
    waiting = pool.submit(group(1, LONG), CUT, {}).result(60)
    gc.collect()
    assert not [found for found in gc.get_objects() if isinstance(found, Prepared)]
    [page] = waiting()
    assert sum(len(chunk.text) for chunk in page.chunks) > len(LONG) // 2


def test_a_worker_keeps_nothing_of_what_it_answered() -> None:
    """Its last answer would live for as long as it makes the next, and while it waits."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        serving = Thread(target=worker._serve, args=(theirs.fileno(),))
        serving.start()
        packing.send(ours.fileno(), pickle.dumps((group(1), CUT, {})))
        assert len(pickle.loads(packing.received(ours.fileno()))) == 1
        gc.collect()
        alive = [found for found in gc.get_objects() if isinstance(found, Prepared)]
        ours.close()
        serving.join(10)
    assert alive == []


def test_what_a_call_raises_is_told_to_its_caller_alone(pool: Workers[list[Prepared]]) -> None:
    """An error is no death: the workers go on."""
    failed, good = pool.submit("no pages", CUT, {}), pool.submit(group(1), CUT, {})
    with pytest.raises(CallFailed, match="AttributeError: "):
        failed.result(60)()
    assert good.result(60)()


def test_a_death_breaks_its_call_and_cancels_what_was_not_begun(pool: Workers[list[Prepared]]) -> None:
    """One call is to blame; those that no worker had yet may be made again."""
    alive = until_alive(pool, 2)
    futures = [pool.submit(group(number, LONG * 5), CUT, {}) for number in range(8)]
    time.sleep(0.2)
    for one in alive:
        os.kill(one, signal.SIGKILL)
    errors = [future.exception(60) for future in futures]
    assert any(isinstance(error, BrokenExecutor) for error in errors)
    assert all(isinstance(error, CancelledError) for error in errors[4:]), errors
    with pytest.raises(CancelledError):
        pool.submit(group(1), CUT, {}).result(60)()


def test_the_call_that_was_being_done_is_to_blame_for_a_death() -> None:
    """And not the next one, however large it is: it was on its way to the same worker."""
    pool: Workers[list[Prepared]] = Workers(1)
    try:
        [alive] = until_alive(pool, 1)
        pool.submit(group(1), CUT, {}).result(60)()
        first, second = pool.submit(group(2, LONG * 10), CUT, {}), pool.submit(group(3, LONG), CUT, {})
        time.sleep(1)
        os.kill(alive, signal.SIGKILL)
        assert isinstance(first.exception(60), BrokenExecutor)
        assert isinstance(second.exception(60), CancelledError)
    finally:
        pool.end()


def test_paths_that_are_no_texts_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks add Path objects to sys.path, at which Python does not look."""
    monkeypatch.setattr(sys, "path", [*sys.path, Path("/nowhere")])
    pool: Workers[list[Prepared]] = Workers(1)
    try:
        assert pool.submit(group(1), CUT, {}).result(60)()
    finally:
        pool.end()


REAPER = """
import ctypes, pathlib
from confluence_sync.prepare import cut_for
from confluence_sync.workers import Workers
ctypes.CDLL(None).prctl(36, 1)  # who loses its parent becomes ours, as with process 1 of a container
pool = Workers(3)
assert pool.submit([], cut_for(1000, 180), {}).result(60)() == []
pool.end()
print([task.joinpath("children").read_text() for task in pathlib.Path("/proc/self/task").iterdir()])
"""


def test_workers_at_rest_leave_nothing_to_clear_away() -> None:
    """Process 1 of a container is no init: what it inherits dead stays for as long as it runs."""
    done = subprocess.run([sys.executable, "-c", REAPER], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "['']\n", done.stderr


def test_ending_kills_what_is_being_done(pool: Workers[list[Prepared]]) -> None:
    """It does not wait: every process is gone when it returns, and it may be called twice."""
    alive = until_alive(pool, 2)
    futures = [pool.submit(group(number, LONG * 10), CUT, {}) for number in range(8)]
    begun = time.monotonic()
    pool.end()
    assert time.monotonic() - begun < 5
    until_gone(alive[0])
    for future in futures:
        assert cancelled(future)
    pool.end()


def cancelled(future: Future[list[Prepared]]) -> bool:
    try:
        return isinstance(future.exception(10), CancelledError)
    except CancelledError:
        return True


PARENT = """
import os, signal, sys, time
from confluence_sync.workers import Workers
pool = Workers(2)
print(pool._first.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_a_run_that_cannot_end_them(how: signal.Signals) -> None:
    """A run that is killed leaves no process: its workers see their lines close."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        first = int(parent.stdout.readline())
        for _ in range(600):
            if len(members(first)) == 2:
                break
            time.sleep(0.05)
        assert len(members(first)) == 2
        parent.send_signal(how)
        parent.wait(10)
    until_gone(first)


def test_a_terminals_signals_do_not_reach_workers(pool: Workers[list[Prepared]]) -> None:
    """They are a process group of their own, and SIGTERM, which a service manager sends to all, is for the run to answer."""
    alive = until_alive(pool, 2)
    assert os.getpgid(alive[0]) == alive[0] != os.getpgrp()
    pool.submit(group(1), CUT, {}).result(60)()
    for one in alive:
        os.kill(one, signal.SIGTERM)
    assert [pool.submit(group(number), CUT, {}).result(60)() for number in range(4)]


def test_a_worker_that_is_still_starting_does_not_hear_them_either(tmp_path: Path) -> None:
    """Importing takes a moment, in which a SIGTERM to all must not end it."""
    package = tmp_path / "confluence_sync"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "worker.py").write_text("print('importing', flush=True)\ninput()\ndef main(lines): print('ready for', lines)\n")
    command = [sys.executable, "-c", workers.STARTED, str(tmp_path), "7"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starting:
        assert starting.stdout
        assert starting.stdout.readline() == "importing\n"
        starting.terminate()
        assert starting.communicate("\n", timeout=30)[0] == "ready for [7]\n"


@pytest.mark.parametrize("program", ["/nowhere/python", None], ids=["missing", "unknown"])
def test_a_process_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch, program: str | None) -> None:
    """Too many processes, too little memory, or a Python that does not know its own program: no line is left open."""
    monkeypatch.setattr(sys, "executable", program)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ConfluenceSyncError, match=f"cannot be started with {program!r}"):
        Workers(2)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_error_that_no_pickle_survives_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker answers with the kind and the text of an error: some exceptions cannot be made again from what they carry."""

    class Odd(Exception):
        def __init__(self, one: object, two: object) -> None:
            super().__init__("odd")

    def breaks(*_: object) -> None:
        raise Odd(1, 2)

    monkeypatch.setattr(worker, "prepare", breaks)
    assert worker._done([], CUT, {}) == packing.Failed("Odd", "odd")
