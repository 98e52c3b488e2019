"""Worker processes: one is started, makes what all of them need and forks the others, so that they share its memory and its time."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Lock
from typing import Generic, TypeVar

from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.packing import Failed, received, send

Answer = TypeVar("Answer")

DEEP = 2  # calls that a worker has at a time: the one it does, and the next, so that it need not wait for it
GONE = 5.0  # seconds in which a process that was ended is gone
STARTED = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager sends it to all; the run decides when to stop
sys.path[:] = sys.argv[1].split("\\n")
from confluence_sync.worker import main
main([int(number) for number in sys.argv[2:]])
"""


class CallFailed(Exception):
    """A call raised something in its worker."""


class Workers(Generic[Answer]):
    """`count` processes that do `confluence_sync.worker`'s work. Any thread may submit; answers come through futures, and stay packed until
    what the future gives is called: many may wait, and one that is unpacked takes twice the memory, in a thousand pieces.

    A future raises BrokenExecutor when the worker died of its call, and CancelledError when it was another's fault; the answer raises
    CallFailed for what the call raised. After a death everything not yet begun is cancelled: `end` these and make new ones.
    Raises ConfluenceSyncError when no process can be started.
    """

    def __init__(self, count: int) -> None:
        self._over = False
        ours, self._first = _started(count)
        self._lines = [_Line(our) for our in ours]
        self._free: SimpleQueue[_Line] = SimpleQueue()
        for line in self._lines * DEEP:
            self._free.put(line)
        self._askers = ThreadPoolExecutor(count * DEEP, "worker")

    def submit(self, *call: object) -> Future[Callable[[], Answer]]:
        return self._askers.submit(self._ask, call)

    def end(self) -> None:
        """Ends them at once, also stuck ones: what they were doing is not needed any more. May be called twice."""
        self._over = True
        self._askers.shutdown(wait=False, cancel_futures=True)
        if self._first.returncode is None:
            if all(line.dismiss() for line in reversed(self._lines)):  # the first comes last, and clears away who it forked
                self._first.wait()
            else:
                os.killpg(self._first.pid, signal.SIGKILL)
                self._first.wait()
        self._askers.shutdown()  # who waited for an answer has read its end
        for line in self._lines:
            line.close()

    def _ask(self, call: tuple[object, ...]) -> Callable[[], Answer]:
        if self._over:
            raise CancelledError
        line = self._free.get()  # there is one for each thread
        try:
            answer = line.ask(call)
        except (EOFError, OSError) as error:
            if self._over:
                raise CancelledError from error
            self._over = True
            raise BrokenExecutor("a worker process died") from error
        finally:
            self._free.put(line)
        return partial(self._unpacked, answer)

    def _unpacked(self, packed: bytearray) -> Answer:
        answer: Answer | Failed = pickle.loads(packed)
        if isinstance(answer, Failed):
            raise CallFailed(f"{answer.kind}: {answer.message}")
        return answer


class _Line:
    """The way to one worker and back. A second call is sent while the first is being done, and answers come in the order of the calls."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._sending, self._receiving = Lock(), Lock()
        self._dead = False

    def ask(self, call: object) -> bytearray:
        """The answer, packed. Raises EOFError or OSError when the worker died of this call, CancelledError for the one before."""
        with self._sending:
            try:
                send(self._socket.fileno(), pickle.dumps(call, pickle.HIGHEST_PROTOCOL))
            except OSError as error:
                raise CancelledError from error
            self._receiving.acquire()
        try:
            if self._dead:
                raise CancelledError
            answer = received(self._socket.fileno())
        except (EOFError, OSError):
            self._dead = True
            raise
        finally:
            self._receiving.release()
        return answer

    def dismiss(self) -> bool:
        """Lets a worker that has nothing to do end by itself. Whether it did."""
        if not self._receiving.acquire(blocking=False):
            return False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        gone = self._until_gone()
        self._receiving.release()
        return gone

    def close(self) -> None:
        """When the worker was ended and nobody asks any more; it is gone afterwards."""
        self._until_gone()
        self._socket.close()

    def _until_gone(self) -> bool:
        try:
            self._socket.settimeout(GONE)
            while self._socket.recv(65536):  # what it still had to say, nobody asks for
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


def _started(count: int) -> tuple[list[socket.socket], subprocess.Popen[bytes]]:
    """Our ends of the lines, and the first worker."""
    pairs: list[tuple[socket.socket, socket.socket]] = []
    try:
        pairs += [socket.socketpair() for _ in range(count)]
        theirs = [their.fileno() for _, their in pairs]
        places = "\n".join(place for place in sys.path if isinstance(place, str))  # some programs add what Python does not look at
        # A group of their own: a terminal's Ctrl-C is for the run alone, and all are ended at once.
        first = subprocess.Popen(
            [sys.executable, "-c", STARTED, places, *map(str, theirs)], stdin=subprocess.DEVNULL, pass_fds=theirs, process_group=0
        )
    except (OSError, TypeError) as error:  # the latter where Python does not know its own program
        for our, _ in pairs:
            our.close()
        raise ConfluenceSyncError(
            f"worker processes cannot be started with {sys.executable!r}: {error}; give the job more memory and processes"
        ) from error
    finally:
        for _, their in pairs:
            their.close()
    return [our for our, _ in pairs], first
