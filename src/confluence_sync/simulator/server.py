"""Serves a simulated Confluence on 127.0.0.1, from a background thread for tests or until a signal for people."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from confluence_sync.errors import SettingsError
from confluence_sync.simulator.changes import Changes
from confluence_sync.simulator.contents import Json
from confluence_sync.simulator.control import control
from confluence_sync.simulator.fault_actions import Effect
from confluence_sync.simulator.faults import Faults, Rule
from confluence_sync.simulator.messages import Answer, Request
from confluence_sync.simulator.site import Options, answer, route_name
from confluence_sync.simulator.wiki import load
from confluence_sync.simulator.wire import Connection


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


class Simulator(Changes):
    """A simulated Confluence over `source`; a context manager that serves while it is open.

    `requests` counts by "METHOD /route" with ids and keys as {id}; `lines` has every request as "METHOD target".
    """

    def __init__(
        self,
        source: Path | Iterable[Json] = (),
        options: Options | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        as_pages: bool = False,
        faults: Iterable[Rule] = (),
        latency_ms: float = 0,
        control: bool = False,
    ) -> None:
        if control and not is_loopback(host):
            raise SettingsError(f"the control endpoint is for loopback only, and the host is {host}; leave one of the two out")
        super().__init__(load(source, as_pages=as_pages))
        self.options = options or Options()
        self.host, self.port = host, port
        self.requests: Counter[str] = Counter()
        self.lines: list[str] = []
        self.connections: set[Connection] = set()
        self.faults = Faults(list(faults))
        self.latency = latency_ms / 1000
        self.controlled = control

    def respond(self, request: Request) -> Answer:
        """The answer to one request, with the faults that strike it."""
        with self.lock:
            if self.controlled and request.target.startswith("/_control"):
                return control(self, request)
            self._count(request)
            answered = self.faults.answer(request, lambda: answer(request, self.wiki, self.options), Effect(self.close_space))
        return replace(answered, delay=answered.delay + self.latency) if self.latency else answered

    def _count(self, request: Request) -> None:
        self.lines.append(f"{request.method} {request.target}")
        self.requests[f"{request.method} {route_name(request, self.options)}"] += 1

    def forget_requests(self) -> None:
        """Sets the counters to nothing."""
        with self.lock:
            self.requests.clear()
            self.lines.clear()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def gateway_url(self) -> str:
        return self.url

    @property
    def site_url(self) -> str:
        return self.url + "/wiki"

    @property
    def data_center_url(self) -> str:
        return self.url + self.options.context

    @property
    def cloud_id(self) -> str:
        return self.options.cloud_id

    async def start(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self.respond, self.connections), self.host, self.port, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        if not self.options.site:
            self.options = replace(self.options, site=self.url)
        return server

    def __enter__(self) -> Simulator:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="simulator", daemon=True)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self.start(), self.loop).result(10)  # not here: a notebook has a loop running
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self.stop(self.server), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
        self.wiki.close()

    async def stop(self, server: asyncio.Server) -> None:
        """Stops listening and breaks open connections, then waits until they are gone."""
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        while self.connections or len(asyncio.all_tasks()) > 1:  # one that was just accepted is a task until it is there
            for connection in list(self.connections):
                connection.drop()
            await asyncio.sleep(0.001)
        server.close()  # not before: asyncio leaves a connection that it has accepted and not yet made lying about
