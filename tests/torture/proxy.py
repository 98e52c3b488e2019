"""A server on 127.0.0.1 that passes requests on to a store, with the simulator's faults in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from confluence_sync.simulator.fault_actions import Effect
from confluence_sync.simulator.faults import Faults
from confluence_sync.simulator.messages import Answer, Request
from confluence_sync.simulator.wire import Connection

DROPPED = {"host", "connection", "accept-encoding", "content-length", "transfer-encoding", "content-encoding", "date", "server"}


@dataclass
class FaultProxy:
    """`lines` has every request as "METHOD target", as the simulator has."""

    target: str
    faults: Faults = field(default_factory=Faults)
    lines: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.target, timeout=30, trust_env=False)

    def respond(self, request: Request) -> Answer:
        self.lines.append(f"{request.method} {request.target}")
        return self.faults.answer(request, lambda: self._passed_on(request), Effect(lambda key: None))

    def _passed_on(self, request: Request) -> Answer:
        kept = {name: value for name, value in request.headers.items() if name not in DROPPED}
        answer = self._client.request(request.method, request.target, headers=kept, content=request.body)
        return Answer(answer.status_code, answer.content, {k: v for k, v in answer.headers.items() if k.lower() not in DROPPED})

    def close(self) -> None:
        self._client.close()


@contextmanager
def proxied(target: str) -> Iterator[FaultProxy]:
    """The proxy while it serves from a thread of its own."""
    proxy = FaultProxy(target)
    loop, connections = asyncio.new_event_loop(), set[Connection]()
    server = loop.run_until_complete(loop.create_server(lambda: Connection(proxy.respond, connections), "127.0.0.1", 0))
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_stopped(server, connections), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        proxy.close()


async def _stopped(server: asyncio.Server, connections: set[Connection]) -> None:
    server.close()
    for connection in list(connections):
        if connection.transport is not None:
            connection.transport.abort()
    while connections:
        await asyncio.sleep(0.001)
