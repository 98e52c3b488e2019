"""A request as plain values, and what to answer: the only place where routes meet the web framework."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from confluence_sync.jsonvalue import JsonObject
from confluence_sync.keys import ANYONE, Caller
from confluence_sync.service.problems import Problem

MEGABYTE = 1024 * 1024
LONGEST_BODY = 60.0  # seconds
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Call:
    """What a route needs of a request: `path` and `query` parameters and the body, already an object ({} when there was none)."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: JsonObject
    caller: str = ""
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, sent as JSON."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[Call], Reply]


def endpoint(route: Route, limit: int = MEGABYTE) -> Callable[[Request], object]:
    """An async endpoint that reads at most `limit` bytes and runs the route in a worker thread, as the stores block."""

    async def answer(request: Request) -> Response:
        raw = await read_body(request, limit)
        return await run_in_threadpool(_run, route, request, raw)

    return answer


def _run(route: Route, request: Request, raw: bytes) -> Response:
    return as_response(route(call_of(request, raw)))


def call_of(request: Request, raw: bytes) -> Call:
    """Raises a Problem (400) for a body that is no JSON object."""
    who: Caller = request.scope.get("caller", ANYONE)
    return Call(request.path_params, request.query_params, parse_body(raw), who.name, who.scopes)


async def read_body(request: Request, limit: int) -> bytes:
    """The body. A Problem (413) as soon as it is known to be longer than `limit` bytes, however it is sent; 408 when it dawdles."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(LONGEST_BODY):
            return await _whole(request, limit)
    except ClientDisconnect as error:
        raise Problem(499, "the client left before its request was whole", "client_closed") from error
    except TimeoutError as error:
        raise Problem(408, f"the body did not arrive within {LONGEST_BODY:g} s", "timeout") from error


async def _whole(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def parse_body(raw: bytes) -> JsonObject:
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is no JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise Problem(400, f"the body must be a JSON object, but is {type(value).__name__}")
    return value


def as_response(reply: Reply) -> Response:
    # ASCII escapes carry lone surrogates, which clients may have sent in metadata and get back as they were
    return Response(json.dumps(reply.body), reply.status, dict(reply.headers), JSON)


def problem_response(problem: Problem) -> Response:
    return as_response(Reply(problem.body(), problem.status, problem.headers))


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body is larger than {limit} bytes; send less at once", details={"limit": limit})
