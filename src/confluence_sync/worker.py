"""What runs in a worker process: it makes what converting and cutting need, forks the other workers, and does one call after the other."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Mapping
from contextlib import suppress

import confluence_sync.chunk
import confluence_sync.convert.storage  # noqa: F401  # made once, before the others are forked
from confluence_sync.memory import keep_flat, let_go
from confluence_sync.model import Page
from confluence_sync.packing import Failed, received, send
from confluence_sync.prepare import Cut, Prepared, prepare
from confluence_sync.tokens import counter

YIELDING = 5  # the run itself feeds the workers and writes what they made; where it waits for a CPU, soon all wait


def make_ready() -> None:
    """What every worker needs, once for all of them."""
    keep_flat()
    counter()  # its tables take 13 MB, which importing alone does not make
    let_go("bpe_openai")
    gc.freeze()  # a collection in a worker would touch, and so copy, memory that it shares


def main(lines: list[int]) -> None:
    """Serves the first of these sockets, and each other one in a process forked for it."""
    os.nice(YIELDING)
    make_ready()
    mine, *others = lines
    for line in others:
        if os.fork() == 0:
            mine = line
            break
    for line in lines:
        if line != mine:
            os.close(line)  # or the end of that worker could not be seen
    _serve(mine)
    _clear_away()  # with the line still open until the very end, which the run sees by it
    os._exit(0)


def _clear_away() -> None:
    """Waits for who was forked here; otherwise process 1 of a container, which is no init, would inherit them."""
    with suppress(ChildProcessError):  # none is left
        while True:
            os.wait()


def _serve(line: int) -> None:
    """Until the run ends, or closes the line."""
    while True:
        try:
            # Without a name for the answer, which would live for as long as the next is made.
            send(line, pickle.dumps(_done(*pickle.loads(received(line))), pickle.HIGHEST_PROTOCOL))
        except (EOFError, OSError):
            return


def _done(group: list[Page], cut: Cut, users: Mapping[str, str]) -> list[Prepared] | Failed:
    try:
        return prepare(group, cut, users)
    except Exception as error:  # noqa: BLE001  # whatever it is, the run decides what it means for the page
        return Failed(type(error).__name__, str(error))
