"""From pages to chunks beside the run: dead workers, slow and broken pages cost the page and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import pytest

import confluence_sync.workshop as workshop_module
from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.model import Page, PageRef, utf8
from confluence_sync.prepare import Cut, Prepared, cut_for, prepare
from confluence_sync.source.base import Failure
from confluence_sync.workers import Workers
from confluence_sync.workshop import AHEAD, GROUP_BYTES, LOSSES, Batch, Packed, Workshop, _quota, processors

CUT = cut_for(1000, 180)


def page(number: int, body: str = "<p>Text of a page.</p>") -> Page:
    ref = PageRef(str(number), 1, f"Page {number}")
    return Page(ref, "cloud:x", "OPS", "Ops", "https://x.test/wiki", f"https://x.test/wiki/{number}", utf8(body), labels=("a", "b"))


def big(number: int) -> Page:
    """A page that makes a group of its own."""
    return page(number, "".join(f"<p>Line {line} of page {number}.</p>" for line in range(GROUP_BYTES // 18)))


@pytest.fixture
def workshop() -> Iterator[Callable[..., Workshop]]:
    """Workshops that are closed after the test."""
    made: list[Workshop] = []

    def opened(expected: int = 1, cpus: int | None = None) -> Workshop:
        made.append(Workshop(CUT, expected, cpus))
        return made[-1]

    yield opened
    for one in made:
        one.close()


def done(workshop: Workshop, *batches: list[Page | Failure]) -> list[Prepared | Failure]:
    return [one for group in workshop.run(Batch(list(pages), {}) for pages in batches) for one in group]


def ids(found: list[Prepared | Failure]) -> list[str]:
    return [one.ref.id if isinstance(one, Prepared) else f"!{one.page_id}" for one in found]


def doing(monkeypatch: pytest.MonkeyPatch, act: Callable[[Page], None]) -> None:
    """Lets `act` happen to each page before it is prepared, in threads, where a test can reach it."""

    def prepared(pages: list[Page], cut: Cut, users: dict[str, str]) -> list[Prepared]:
        for one in pages:
            act(one)
        return prepare(pages, cut, users)

    monkeypatch.setattr(workshop_module, "prepare", prepared)


def test_a_page_becomes_chunks() -> None:
    """Text, labels, recipe and what could not be converted come together."""
    [made] = prepare([page(1, '<p>Hello</p><ac:structured-macro ac:name="jira-of-old"/>')], CUT, {})
    assert made.chunks[0].text.endswith("Hello") or "Hello" in made.chunks[0].text
    assert (made.labels, made.recipe) == ("a,b", CUT.recipe)
    assert sum(count for _, count in made.degraded) == 1


def test_the_recipe_follows_the_limits() -> None:
    """Other limits are another recipe, so that a run sees what must be made anew."""
    assert cut_for(1000, 180).recipe == CUT.recipe
    assert cut_for(1000, 181).recipe != CUT.recipe != cut_for(1001, 180).recipe


def test_pages_come_in_order(workshop: Callable[..., Workshop]) -> None:
    """Groups come in the order of their pages, and failures of the reader pass through."""
    found = done(workshop(), [page(1), Failure("2", "x", "why"), page(3)], [page(4)])
    assert ids(found) == ["!2", "1", "3", "4"]


def test_an_empty_page_has_no_chunks(workshop: Callable[..., Workshop]) -> None:
    """A page without text is prepared, with nothing to store."""
    [made] = done(workshop(), [page(1, "")])
    assert isinstance(made, Prepared)
    assert made.chunks == ()


def test_processes_give_the_same_as_a_thread(workshop: Callable[..., Workshop]) -> None:
    """Worker processes make what is made inline, chunk for chunk."""
    pages: list[Page | Failure] = [big(1), page(2), big(3), page(4)]
    apart = workshop(expected=1000, cpus=2)
    assert done(apart, pages) == done(workshop(), pages)
    assert isinstance(apart._pool, Workers)


def test_workers_find_everything_made() -> None:
    """What the first worker makes before it forks the others is all that converting and cutting need: none imports or makes it again."""
    script = """if True:
        import sys
        from confluence_sync.worker import make_ready
        make_ready()
        from confluence_sync.tokens import counter
        assert counter.cache_info().misses == 1
        before = set(sys.modules)
        from confluence_sync.model import Page, PageRef, utf8
        from confluence_sync.prepare import cut_for, prepare
        body = "<h1>A</h1><table><tr><td>b</td></tr></table>"
        assert prepare([Page(PageRef("1", 1, "P"), "s", "K", "S", "site", "url", utf8(body))], cut_for(1000, 180), {})[0].chunks
        assert not set(sys.modules) - before, set(sys.modules) - before
    """
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(("expected", "cpus", "inline"), [(60, 4, True), (61, 4, False), (1000, 1, True)])
def test_few_pages_or_one_cpu_start_no_processes(workshop: Callable[..., Workshop], expected: int, cpus: int, inline: bool) -> None:
    """Processes are for work that is worth their start."""
    assert isinstance(workshop(expected, cpus)._pool, Workers) is not inline


def test_a_slow_reader_holds_the_work_back(workshop: Callable[..., Workshop]) -> None:
    """No more than a few groups are taken ahead of who uses them, so that memory does not grow with the space."""
    taken: list[int] = []

    def batches() -> Iterator[Batch]:
        for number in range(50):
            taken.append(number)
            yield Batch([page(number)], {})

    one = workshop(cpus=2)
    groups = one.run(batches())
    next(groups)
    assert len(taken) <= 2 * AHEAD + 1
    assert sum(1 for _ in groups) == 49


def test_a_large_batch_is_cut_into_groups(workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages travel to a worker some hundred kilobytes at a time."""
    sizes: list[int] = []

    def counted(pages: list[Page], cut: Cut, users: dict[str, str]) -> list[Prepared]:
        sizes.append(len(pages))
        return prepare(pages, cut, users)

    monkeypatch.setattr(workshop_module, "prepare", counted)
    done(workshop(), [big(1), page(2), page(3), big(4), page(5)])
    assert sizes == [1, 3, 1]


def test_pages_do_not_live_as_long_as_their_batch(workshop: Callable[..., Workshop]) -> None:
    """Who read a batch may hold it until the next is there; what of it was handed on is not in it any more."""
    batch = Batch([big(1), big(2), big(3), big(4), big(5), page(6)], {})
    groups = workshop(cpus=1).run([batch])
    next(groups)
    assert [one.ref.id for one in batch.pages if isinstance(one, Page)] == ["6", "5"]
    assert len(list(groups)) == 5
    assert batch.pages == []


@pytest.mark.parametrize("between", [" ", "</p><p>"], ids=["one paragraph", "many paragraphs"])
def test_five_megabytes_take_seconds(between: str) -> None:
    """A page of 5 MB becomes chunks far within the time a page may take, measured in CPU seconds."""
    body = "<p>" + between.join(f"Line {number} of a log that somebody pasted whole." for number in range(100_000)) + "</p>"
    before = time.process_time()
    [made] = prepare([page(1, body)], CUT, {})
    assert time.process_time() - before < 20
    assert len(made.chunks) > 1000


# what goes wrong


def test_a_page_that_breaks_the_conversion_fails_alone(workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in one page of a group fails that page by name; the others of its group are done again and come."""

    def act(one: Page) -> None:
        if one.ref.id == "2":
            raise RecursionError("too deep")

    doing(monkeypatch, act)
    found = done(workshop(), [page(1), page(2), page(3)])
    assert ids(found) == ["1", "!2", "3"]
    assert found[1] == Failure("2", "Page 2", "its conversion failed: RecursionError: too deep")


def test_a_slow_page_fails_alone(workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that takes longer than it may fails with that time; its group and what follows come."""
    monkeypatch.setattr(workshop_module, "PAGE_SECONDS", 0.1)
    monkeypatch.setattr(workshop_module, "_processes", lambda workers: workshop_module._thread())
    doing(monkeypatch, lambda one: time.sleep(0.6) if one.ref.id == "2" else None)
    found = done(workshop(), [page(1), page(2), page(3)], [page(4)])
    assert ids(found) == ["1", "!2", "3", "4"]
    assert "took longer than 0 s" in getattr(found[1], "why", "")


POISON = """
import os, signal, time

class Poison(bytes):
    '''A body that ends the process that unpacks it, as the kernel ends one that takes too much memory.'''
    def __reduce__(self):
        return (KILLS[self[:4]], ())

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def hang():
    time.sleep(600)

def odd():
    return 5

KILLS = {b"kill": die, b"hang": hang, b"odd ": odd}
"""
SCRIPT = """
import sys
import confluence_sync.workshop as module
from confluence_sync.model import Page, PageRef
from confluence_sync.prepare import cut_for
from confluence_sync.workshop import Batch, Workshop
from poison import Poison

def page(number, body):
    ref = PageRef(str(number), 1, f"Page {number}")
    return Page(ref, "cloud:x", "OPS", "Ops", "https://x.test", "https://x.test", body)

module.PAGE_SECONDS, module.GROUP_BYTES = 4.0, 1000
size, poisoned = int(sys.argv[1]), dict(zip(map(int, sys.argv[2::2]), sys.argv[3::2]))
text = b"<p>" + b"x" * size + b"</p>"
pages = [page(n, Poison(poisoned[n].encode() + text) if n in poisoned else text) for n in range(8)]
workshop = Workshop(cut_for(1000, 180), 1000, cpus=2)
for group in workshop.run([Batch(pages, {})]):
    for one in group:
        print(getattr(one, "page_id", None) or one.ref.id, getattr(one, "why", "came"), flush=True)
workshop.close()
"""


def ran(tmp_path: Path, size: int, poisoned: dict[int, str]) -> dict[str, str]:
    """What becomes of each of eight pages of this size in a script, which need not guard its calls, when some are poisoned."""
    (tmp_path / "poison.py").write_text(POISON)
    (tmp_path / "script.py").write_text(SCRIPT)
    source = str(Path(workshop_module.__file__).parent.parent)
    words = [sys.executable, str(tmp_path / "script.py"), str(size), *(str(word) for pair in poisoned.items() for word in pair)]
    environment = {**os.environ, "PYTHONPATH": f"{source}:{tmp_path}"}
    result = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    lines = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    assert list(lines) == list("01234567")
    return {number: what for number, what in lines.items() if what != "came"}


DIED, HUNG = "its conversion killed the worker (out of memory?)", "its conversion took longer than 4 s"


@pytest.mark.parametrize("size", [600, 1200], ids=["in groups", "each a group"])
def test_a_page_that_kills_its_worker_fails_alone(tmp_path: Path, size: int) -> None:
    """A worker process that dies costs the one page that killed it; the pool is rebuilt and the other seven come."""
    assert ran(tmp_path, size, {1: "kill"}) == {"1": DIED}


def test_a_page_that_hangs_its_worker_fails_alone(tmp_path: Path) -> None:
    """A worker process that hangs is ended; its page fails with the time it was given and the other seven come."""
    assert ran(tmp_path, 1200, {1: "hang"}) == {"1": HUNG}


def test_a_page_that_waits_behind_one_that_hangs_is_not_to_blame(tmp_path: Path) -> None:
    """Pages of a group that failed are done again alone while the groups after it are under way: none of these may hold them up."""
    wrong = "its conversion failed: AttributeError: 'int' object has no attribute 'decode'"
    assert ran(tmp_path, 600, {1: "odd ", 7: "hang"}) == {"1": wrong, "7": HUNG}


def test_who_waits_behind_a_page_that_hangs_is_done_again(tmp_path: Path) -> None:
    """A page that was cancelled with its pool may be sent behind one that hangs, and take as long: that is not its fault."""
    assert ran(tmp_path, 1200, {0: "kill", 7: "hang"}) == {"0": DIED, "7": HUNG}


def test_workers_that_die_whatever_they_get_end_the_run(workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch) -> None:
    """When worker after worker dies it is not the pages: the run ends with what to do, instead of failing every page."""

    class Broken:
        def submit(self, *_: object) -> Future[Packed]:
            never: Future[Packed] = Future()
            never.set_exception(BrokenExecutor("dead"))
            return never

        def end(self) -> None:
            pass

    monkeypatch.setattr(workshop_module, "_processes", lambda workers: Broken())
    with pytest.raises(ConfluenceSyncError, match=f"{LOSSES} worker processes in a row died at once: give the job more memory"):
        done(workshop(expected=1000, cpus=2), [page(number) for number in range(20)])


def test_closing_comes_before_anything_was_done_and_twice(workshop: Callable[..., Workshop]) -> None:
    """A workshop that was closed begins again when it is given something, and leaves no process behind."""
    one = workshop(expected=1000, cpus=2)
    one.close()
    groups = one.run([Batch([big(1)], {})])
    next(groups)
    one.close()
    one.close()


# how many processors


@pytest.mark.parametrize(
    ("quota", "count"), [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8), ("", 8), ("odd", 8)]
)
def test_processors_are_those_the_cgroup_grants(monkeypatch: pytest.MonkeyPatch, quota: str, count: int) -> None:
    """A container with two CPUs on a large machine gets two workers; without a quota the affinity counts."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(Path, "read_text", lambda self, *_: quota)
    assert processors() == count


def test_processors_without_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is neither affinity nor cgroup the machine's processors count."""

    def missing(self: Path, *_: object) -> str:
        raise FileNotFoundError(str(self))

    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(Path, "read_text", missing)
    assert processors() == 3


@pytest.mark.parametrize(
    ("files", "granted"),
    [
        ({"cpu.max": "200000 100000"}, 2.0),
        ({"cpu.max": "max 100000"}, 0.0),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.0),
        ({}, 0.0),
    ],
    ids=["v2", "v2 without limit", "v1", "v1 without limit", "none"],
)
def test_the_cgroup_limits_the_workers(files: dict[str, str], granted: float, tmp_path: Path) -> None:
    """A container's CPU limit is read from either version of cgroups; without it a node of 64 CPUs would start 64 workers."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert _quota(tmp_path) == granted
