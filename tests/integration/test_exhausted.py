"""What runs out: memory under bodies of a gigabyte, a container's memory, a disk, and the network behind the configured hosts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from confluence_sync.simulator.faults import Rule
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.sqlite import SqliteBackend
from tests.torture.oracle import contents, difference, fresh
from tests.torture.world import body, first_day, gateway, page, second_day, settings_for, sync_once

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
GIGABYTE = str(1024**3)
MEMORY = Path("/sys/fs/cgroup/memory")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk or make a network of its own")


def environment(simulator: Simulator, folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": f"{ROOT / 'src'}", **gateway(simulator.url, folder)}


def begun(simulator: Simulator, folder: Path, *wrapped: str) -> subprocess.Popen[str]:
    """A sync in a process of its own; `wrapped` is a command that runs it."""
    command = [*wrapped, sys.executable, "-m", "confluence_sync", "sync"]
    return subprocess.Popen(command, env=environment(simulator, folder), cwd=folder, stderr=subprocess.PIPE, text=True)


def peak(job: subprocess.Popen[str]) -> tuple[int, int, str]:
    """Exit code, the most memory that it or one of its children held at once in MB, and what it said."""
    assert job.stderr is not None
    with job.stderr:
        said = job.stderr.read()
    _, status, used = os.wait4(job.pid, 0)
    job.returncode = os.waitstatus_to_exitcode(status)
    return job.returncode, used.ru_maxrss // 1024, said


@pytest.mark.parametrize("fault", ["gzip-bomb", "huge"])
def test_a_body_of_a_gigabyte_fails_its_page_and_costs_little_memory(tmp_path: Path, fault: str) -> None:
    """Packed or not: exit 3, that page alone fails, and the process stays within 200 MB of what it needs without."""
    with Simulator(first_day()) as simulator:
        _, usual, _ = peak(begun(simulator, tmp_path))
        simulator.edit("1003", "<p>too much</p>")
        simulator.faults.put([Rule(".", fault, GIGABYTE, page="1003")])
        code, most, said = peak(begun(simulator, tmp_path))
        print(f"{fault} of 1 GB: exit {code}, {most} MB at most, {usual} MB without")
        assert code == 3, said
        assert most < usual + 200
        assert "page 1003 (Page 3) failed" in said
        assert "more than 64 MB" in said
        simulator.faults.put([])
        assert_right(simulator, tmp_path)


def assert_right(simulator: Simulator, folder: Path) -> None:
    """The next run leaves what a fresh sync would."""
    with closing(SqliteBackend(folder / "store.db")) as backend:
        report = sync_once(settings_for(simulator, folder), backend)
        assert report.exit == 0, report.summary()
        assert difference(contents(backend.open("confluence")), fresh(simulator)) == ""


NEIGHBOUR = """
import time
taken = b"x" * (170 * 1024 * 1024)
time.sleep(60)
"""


@contextmanager
def container(limit: int) -> Iterator[Path]:
    """A memory cgroup of its own with so many bytes."""
    group = MEMORY / f"confluence-sync-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit))
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        while (group / "cgroup.procs").read_text():
            time.sleep(0.01)
        group.rmdir()


@pytest.mark.skipif(not os.access(MEMORY, os.W_OK), reason="no memory cgroup (version 1) that may be written")
@pytest.mark.parametrize("route", ["spaces/.*/pages", "body-format", "pages/1007"])
def test_a_run_that_the_kernel_kills_for_memory_loses_nothing(tmp_path: Path, route: str) -> None:
    """In a container whose memory a neighbour eats up, the kernel kills the run at its listing, its bodies or its proofs (OOM)."""
    with Simulator(first_day()) as simulator, container(200 * 1024 * 1024) as group:
        assert peak(begun(simulator, tmp_path))[0] == 0
        second_day(simulator)
        simulator.faults.put([Rule(route, "latency", "30")])
        inside = f"echo $$ > {group}/cgroup.procs;"
        job = begun(simulator, tmp_path, "sh", "-c", f'{inside} echo 1000 > /proc/self/oom_score_adj; exec "$@"', "sh")
        while not any(simulator.faults.struck.values()):
            assert job.poll() is None
            time.sleep(0.01)
        neighbour = subprocess.Popen(["sh", "-c", f'{inside} exec "$@"', "sh", sys.executable, "-c", NEIGHBOUR])
        code, _, said = peak(job)
        neighbour.kill()
        neighbour.wait()
        assert code == -signal.SIGKILL, said
        simulator.faults.put([])
        assert_right(simulator, tmp_path)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@as_root
@pytest.mark.parametrize("kilobytes", [24, 100, 240, 340, 440, 600])
def test_a_disk_that_is_really_full_is_said_and_nothing_is_lost(tmp_path: Path, kilobytes: int) -> None:
    """State and store on a tiny file system: exit 2 or 5 with the reason; when the disk has grown, the next run goes on there."""
    pages = [page(n, body(n) * 4) for n in range(1, 41)]
    with Simulator(pages) as simulator, small_disk(tmp_path / "disk", kilobytes) as disk:
        job = begun(simulator, disk)
        _, said = job.communicate(timeout=120)
        assert job.returncode in (2, 5), said
        assert "Traceback" not in said
        assert "disk" in said or "space" in said, said
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert_right(simulator, disk)


ALONE = """
import subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
from tests.torture.world import first_day, gateway
from confluence_sync.simulator.server import Simulator
with Simulator(first_day()) as simulator:
    import os
    from pathlib import Path
    values = {**os.environ, **gateway(simulator.url, Path(sys.argv[1]))}
    for verb in (["sync"], ["verify"], ["query", "words about part 2"]):
        done = subprocess.run([sys.executable, "-m", "confluence_sync", *verb], env=values)
        assert done.returncode == 0, verb
"""


@as_root
def test_a_sync_and_a_question_work_where_there_is_no_other_host(tmp_path: Path) -> None:
    """No telemetry: in a network that has nothing but this machine's loopback, without routes and names, every verb ends with 0."""
    command = ["unshare", "--net", sys.executable, "-c", ALONE, str(tmp_path)]
    values = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    done = subprocess.run(command, env=values, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "Page" in done.stdout
