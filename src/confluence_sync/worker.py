"""What runs in a worker process: it makes what converting and cutting need, forks the other workers, and does one call after the other."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection

import confluence_sync.chunk
import confluence_sync.convert.storage  # noqa: F401  # made once, before the others are forked
from confluence_sync.memory import keep_flat, let_go
from confluence_sync.model import Page
from confluence_sync.prepare import Cut, Prepared, prepare
from confluence_sync.tokens import counter
from confluence_sync.workers import Failed


def make_ready() -> None:
    """What every worker needs, once for all of them."""
    keep_flat()
    counter()  # its tables take 13 MB, which importing alone does not make
    let_go("bpe_openai")
    gc.freeze()  # a collection in a worker would touch, and so copy, memory that it shares
    gc.set_threshold(10_000)  # converting makes few cycles and many objects


def main(lines: list[int]) -> None:
    """Serves the first of these sockets, and each other one in a process forked for it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the run decides when to stop, and a worker ends with it
    make_ready()
    mine, *others = lines
    for line in others:
        if os.fork() == 0:
            mine = line
            break
    for line in lines:
        if line != mine:
            os.close(line)  # or the end of that worker could not be seen
    _serve(Connection(mine))
    os._exit(0)


def _serve(line: Connection) -> None:
    """Until the run ends, or closes the line."""
    while True:
        try:
            line.send(_done(*line.recv()))
        except (EOFError, OSError):
            return


def _done(group: list[Page], cut: Cut, users: Mapping[str, str]) -> list[Prepared] | Failed:
    try:
        return prepare(group, cut, users)
    except Exception as error:  # noqa: BLE001  # whatever it is, the run decides what it means for the page
        return Failed(type(error).__name__, str(error))
