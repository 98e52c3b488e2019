"""A port on 127.0.0.1 in front of PostgreSQL's Unix socket, with the faults that a network has."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture.grounds import Fault

FAULTS = ("refused", "reset", "reset-after", "cut", "half-answer", "slow", "terminated")
SLOW_SECONDS = 0.15
AGAIN_SECONDS = 0.05
STARTUP = b"\x00\x03\x00\x00"  # version 3.0 of the protocol, in the message that opens a session
WORDS = re.compile(rb"\b(SELECT|INSERT|UPDATE|DELETE|COPY|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|CREATE|SET)\b", re.IGNORECASE)


@dataclass
class TcpProxy:
    """`lines` has what each message of a client asked for, in one word. `terminate` ends the server's sessions from the server's side."""

    socket: Path
    terminate: Callable[[], None]
    lines: list[str] = field(default_factory=list)
    port: int = 0
    fault: Fault | None = None
    count: int = 0
    pairs: set[Pair] = field(default_factory=set)
    server: asyncio.Server | None = None

    def strike(self, fault: Fault | None) -> None:
        """Counting starts anew; a port that was closed is open again. May be called from any thread."""
        asyncio.run_coroutine_threadsafe(self._struck(fault), self.loop).result(10)

    async def _struck(self, fault: Fault | None) -> None:
        self.fault, self.count = fault, 0
        await self.listen()

    async def listen(self) -> None:
        if self.server is None:
            self.server = await asyncio.get_running_loop().create_server(lambda: Pair(self), "127.0.0.1", self.port)
            self.port = self.server.sockets[0].getsockname()[1]

    def told(self, data: bytes) -> str:
        """Notes one message and gives the fault that strikes it, "" for none."""
        self.lines.append(word(data))
        self.count += 1
        return self.fault.action if self.fault and self.fault.strikes(self.count) else ""

    def refuse(self) -> None:
        """Closes the port and every connection; for a moment, or until the fault is taken away."""
        if self.server:
            self.server.close()
            self.server = None
        for pair in list(self.pairs):
            pair.abort()
        if self.fault and not self.fault.lasting:
            loop = asyncio.get_running_loop()
            loop.call_later(AGAIN_SECONDS, lambda: loop.create_task(self.listen()))

    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.strike(None)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stopped(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _stopped(self) -> None:
        self.fault = None
        self.refuse()
        while self.pairs:
            await asyncio.sleep(0.001)


class Pair(asyncio.Protocol):
    """A client's connection with the one to the server that belongs to it."""

    def __init__(self, proxy: TcpProxy) -> None:
        self.proxy, self.waiting = proxy, bytearray()
        self.client: asyncio.WriteTransport | None = None
        self.upstream: asyncio.WriteTransport | None = None
        self.answers = "whole"  # or "half", or "none": what becomes of the server's next bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.client = transport
        self.proxy.pairs.add(self)
        loop = asyncio.get_running_loop()
        self.connecting = loop.create_task(loop.create_unix_connection(lambda: Answers(self), str(self.proxy.socket)))

    def connection_lost(self, exc: Exception | None) -> None:
        self.client = None
        self.proxy.pairs.discard(self)
        if self.upstream:
            self.upstream.close()

    def data_received(self, data: bytes) -> None:
        fault = self.proxy.told(data)
        if fault == "slow":
            self.wait(data)
        elif fault == "refused":
            self.proxy.refuse()
        elif fault == "reset":
            self.abort()
        elif fault == "cut":
            self.pass_on(data[: len(data) // 2])
            self.abort()
        else:
            self.answers = {"reset-after": "none", "half-answer": "half"}.get(fault, self.answers)
            if fault == "terminated":
                self.proxy.terminate()
            self.pass_on(data)

    def wait(self, data: bytes) -> None:
        """Nothing else is read meanwhile, because a network delays bytes and never swaps them."""
        if isinstance(self.client, asyncio.Transport):
            self.client.pause_reading()
        asyncio.get_running_loop().call_later(SLOW_SECONDS, self.go_on, data)

    def go_on(self, data: bytes) -> None:
        if isinstance(self.client, asyncio.Transport) and not self.client.is_closing():
            self.pass_on(data)
            self.client.resume_reading()

    def pass_on(self, data: bytes) -> None:
        if self.upstream is None:
            self.waiting += data
        else:
            self.upstream.write(data)

    def abort(self) -> None:
        """Both sides are reset: neither is told why."""
        for side in (self.client, self.upstream):
            if side:
                side.abort()


class Answers(asyncio.Protocol):
    """What the server says."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.pair.upstream = transport
        transport.write(bytes(self.pair.waiting))
        if self.pair.client is None:
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self.pair.client is None:
            return
        if self.pair.answers == "whole":
            self.pair.client.write(data)
            return
        if self.pair.answers == "half":
            self.pair.client.write(data[: len(data) // 2])
        self.pair.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.pair.client:
            self.pair.client.close()


def word(data: bytes) -> str:
    """What a message asks for: connect, the first verb of its SQL, or bound for a statement that was prepared before."""
    if data[4:8] == STARTUP:
        return "connect"
    found = WORDS.search(data)
    return found[1].decode().lower() if found else "bound"


@contextmanager
def tcp_proxied(socket: Path, terminate: Callable[[], None]) -> Iterator[TcpProxy]:
    """The proxy while it serves from a thread of its own."""
    proxy = TcpProxy(socket, terminate)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
