"""The service as one application: which routes there are, who may call them, and how a failure is told."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from confluence_sync.config import Settings
from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.service.access import KeyGate
from confluence_sync.service.calls import problem_response
from confluence_sync.service.problems import Problem, from_failure
from confluence_sync.service.shelf import Shelf
from confluence_sync.service.vector_api import VectorApi
from confluence_sync.stores.base import Backend
from confluence_sync.stores.sqlite import SqliteBackend, open_backend

log = logging.getLogger(__name__)


def create_app(settings: Settings, backend: Backend) -> Starlette:
    """Answers come from `backend`; the Vector API keeps its documents in the embedded store, which is `backend` when that is one."""
    shelf = Shelf(backend if isinstance(backend, SqliteBackend) else open_backend(settings))
    app = Starlette(
        routes=VectorApi(shelf).routes(),
        exception_handlers={ConfluenceSyncError: _failure, HTTPException: _http, Exception: _bug},
    )
    app.add_middleware(KeyGate, settings=settings)
    return app


async def _failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, ConfluenceSyncError)
    problem = from_failure(error)
    if problem.status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    return problem_response(problem)


async def _http(request: Request, error: Exception) -> Response:
    """What the framework itself says: no such route, or the wrong method."""
    assert isinstance(error, HTTPException)
    words = {404: f"there is no {request.url.path} here", 405: f"{request.url.path} does not take {request.method}"}
    return problem_response(Problem(error.status_code, words.get(error.status_code, error.detail), headers=error.headers))


async def _bug(request: Request, error: Exception) -> Response:
    log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
    return problem_response(Problem(500, "the service failed on this request; its log says where"))
