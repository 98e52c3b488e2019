"""The service as one application: which routes there are, what they share, and how a failure is told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from confluence_sync.answer_run import Answering
from confluence_sync.config import Settings
from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.keys import open_keys
from confluence_sync.llm import open_model
from confluence_sync.service import page
from confluence_sync.service.access import Gate
from confluence_sync.service.asking import Asking
from confluence_sync.service.calls import endpoint, problem_response
from confluence_sync.service.conversations import Conversations
from confluence_sync.service.freshness import FreshnessReader
from confluence_sync.service.jwt_tokens import open_tokens
from confluence_sync.service.metrics import Metrics
from confluence_sync.service.ollama_api import OllamaApi
from confluence_sync.service.openai_api import OpenAiApi
from confluence_sync.service.problems import Problem, from_failure
from confluence_sync.service.qa_api import QaApi
from confluence_sync.service.rates import Rates
from confluence_sync.service.retrieval import Retrieval
from confluence_sync.service.shelf import Shelf
from confluence_sync.service.syncing import SyncNow, Syncs, in_a_process
from confluence_sync.service.vector_api import VectorApi
from confluence_sync.service.watching import Watch
from confluence_sync.service_file import ServiceFile
from confluence_sync.stores.base import Backend
from confluence_sync.stores.sqlite import SqliteBackend

log = logging.getLogger(__name__)


@dataclass
class Parts:
    """What the routes work with."""

    shelf: Shelf | None
    qa: QaApi
    file: ServiceFile
    metrics: Metrics

    def close(self) -> None:
        self.qa.syncs.stop()
        self.qa.retrieval.close()
        self.file.close()


def create_app(
    settings: Settings, backend: Backend, collection: Callable[[], str] | None = None, sync_now: SyncNow | None = None
) -> Starlette:
    """Answers come from `backend`; the Vector API is served where that is the embedded store, as that is what keeps its documents.

    `collection` names the live collection (default: COLLECTION_ID); `sync_now` does a sync (default: a process of its own).
    """
    parts = _parts(settings, backend, collection, sync_now)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        parts.close()

    handlers = {ConfluenceSyncError: _failure, HTTPException: _http, Exception: _bug}
    return Starlette(routes=_routes(settings, parts), middleware=_around(settings, parts), exception_handlers=handlers, lifespan=lifespan)


def _parts(settings: Settings, backend: Backend, collection: Callable[[], str] | None, sync_now: SyncNow | None) -> Parts:
    file = ServiceFile(settings.state_dir)
    freshness = FreshnessReader(settings.state_dir, settings.state_url.reveal() or settings.database_url.reveal())
    retrieval = Retrieval(backend, collection or (lambda: settings.collection_id or "confluence"))
    answering = Answering(retrieval.search, open_model(settings), settings.llm_context_tokens)
    asking = Asking(answering, Conversations(file, settings.keep_history), freshness, settings.query_log)
    shelf = Shelf(backend) if isinstance(backend, SqliteBackend) else None
    return Parts(
        shelf, QaApi(asking, Syncs(sync_now or in_a_process(), freshness.forget), retrieval, settings.pipeline_title), file, Metrics()
    )


def _routes(settings: Settings, parts: Parts) -> list[HttpRoute]:
    async def metrics(request: Request) -> Response:
        return Response(parts.metrics.text(parts.qa.asking.freshness.now()), media_type="text/plain; version=0.0.4")

    openai = OpenAiApi(parts.qa.asking, settings.pipeline_title)
    return [
        *page.routes(),
        *parts.qa.routes(),
        *openai.routes(),
        *OllamaApi(openai, parts.qa.asking.answering.model).routes(),
        *(VectorApi(parts.shelf).routes() if parts.shelf else [HttpRoute("/health", endpoint(parts.qa.health), methods=["GET"])]),
        HttpRoute("/metrics", metrics, methods=["GET"]),
    ]


def _around(settings: Settings, parts: Parts) -> list[Middleware]:
    """The outermost first."""
    origins = settings.cors_origins
    cors = Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST", "DELETE"], allow_headers=["*"])
    keys, rates = open_keys(settings, parts.file), Rates(settings.rate_limit)
    gate = Middleware(Gate, keys=keys, rates=rates, tokens=open_tokens(settings), origins=origins)
    return [Middleware(Watch, metrics=parts.metrics, tls=settings.tls_cert is not None), *([cors] if origins else []), gate]


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
