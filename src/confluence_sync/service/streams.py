"""Async routes: bodies read within limits, answers that stop when the reader leaves, and streams that tell their own failures."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.service.calls import MEGABYTE, Call, call_of, read_body
from confluence_sync.service.problems import Problem, from_failure

log = logging.getLogger(__name__)

T = TypeVar("T")
AsyncRoute = Callable[[Call, Request], Awaitable[Response]]
NO_BUFFER = {"cache-control": "no-store", "x-accel-buffering": "no"}


def async_endpoint(route: AsyncRoute, limit: int = MEGABYTE) -> Callable[[Request], Awaitable[Response]]:
    """As calls.endpoint, for routes that wait: they run in the event loop and must not block it."""

    async def answer(request: Request) -> Response:
        raw = await read_body(request, limit)
        return await route(call_of(request, raw), request)

    return answer


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The work's result; when the client leaves before, the work is cancelled, and what it had open is closed."""
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Problem(499, "the client left", "client_closed")
        return task.result()
    finally:
        for one in (task, leaving):
            one.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def event_stream(lines: AsyncGenerator[str, None], on_failure: Callable[[Problem], str], kind: str = "text/event-stream") -> Response:
    """Sends lines as they come. A failure in the middle cannot change the status any more, so it is told as a last line."""

    async def guarded() -> AsyncGenerator[str, None]:
        try:
            async with aclosing(lines):
                async for line in lines:
                    yield line
        except ConfluenceSyncError as error:
            log.warning("an answer broke off: %s", error)
            yield on_failure(from_failure(error))

    return ClosingStream(guarded(), media_type=kind, headers=NO_BUFFER)


class ClosingStream(StreamingResponse):
    """Watches for the reader leaving also while nothing is sent, as when a model thinks; the stream is closed then."""

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        streaming = asyncio.ensure_future(self.stream_response(send))  # type: ignore[arg-type]  # ASGI's own callables
        leaving = asyncio.ensure_future(self.listen_for_disconnect(receive))  # type: ignore[arg-type]  # as above
        try:
            await asyncio.wait({streaming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if streaming.done():
                streaming.result()
        finally:
            for one in (streaming, leaving):
                one.cancel()
            await asyncio.gather(streaming, leaving, return_exceptions=True)


def event(value: object, name: str = "") -> str:
    """A server-sent event."""
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(value)}\n\n"
