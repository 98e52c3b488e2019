"""Runs a command and accounts for its whole process tree: CPU seconds from the kernel, and the peak of what it really holds in memory."""

from __future__ import annotations

import ctypes
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
LOOK_EVERY = 0.03  # seconds between looks at memory: what a bundle or an answer needs for a moment counts


@dataclass(frozen=True)
class Measured:
    """What one run of a command cost. `cpu` is user and system seconds of every process it started, `peak_mb` the largest sum of PSS."""

    cpu: float
    peak_mb: float
    wall: float
    exit: int
    output: str


def measured(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, timeout: float = 1800, memory: bool = True
) -> Measured:
    """Linux only. Orphans of the command become our children (a subreaper), so that their CPU is counted when they end.

    Without `memory` the peak is 0. Looking at it takes 5 % of a CPU, and who is looked at waits: that has no place in a wall time.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    log = folder / "measured.log"
    started, peak, cpu, code = time.monotonic(), 0.0, 0.0, 0
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=out, stderr=subprocess.STDOUT)
    ours, ended, watched = {process.pid}, False, os.pidfd_open(process.pid)
    while ours:
        ours |= tree(process.pid) if not ended else set()
        peak = max(peak, sum(map(pss, ours))) if memory else 0.0
        for pid, status, usage in _reaped(ours):
            ours.discard(pid)
            cpu += usage.ru_utime + usage.ru_stime
            if pid == process.pid:
                ended, code = True, os.waitstatus_to_exitcode(status)
                ours = {pid for pid in ours if Path(f"/proc/{pid}").exists()}
        if time.monotonic() - started > timeout:
            process.kill()
            raise TimeoutError(f"{command[0]} took more than {timeout:.0f} s")
        select.select([] if ended else [watched], [], [], LOOK_EVERY)  # its end is seen at once: wall times would be up to 30 ms too long
    os.close(watched)
    process.returncode = code
    return Measured(cpu, peak / 1024, time.monotonic() - started, code, log.read_text())


def _reaped(pids: set[int]) -> list[tuple[int, int, os.struct_rusage]]:
    found = []
    for pid in list(pids):
        try:
            done, status, usage = os.wait4(pid, os.WNOHANG)
        except ChildProcessError:
            if not Path(f"/proc/{pid}").exists():
                pids.discard(pid)
            continue
        if done:
            found.append((done, status, usage))
    return found


def tree(pid: int) -> set[int]:
    pids = {pid}
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            pids |= {found for child in children for found in tree(int(child))}
    except OSError:
        pass
    return pids


def pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith("Pss:")), 0.0)
