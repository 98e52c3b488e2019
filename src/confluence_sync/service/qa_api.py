"""Questions and syncs over HTTP, in the shapes of the older programs and in our page's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from confluence_sync import __version__
from confluence_sync.answer import Found, Piece, Question
from confluence_sync.jsonvalue import JsonObject
from confluence_sync.service.asking import Answered, Asking
from confluence_sync.service.calls import Call, Reply, as_response, endpoint
from confluence_sync.service.fields import flag_field, shown
from confluence_sync.service.problems import Problem, invalid
from confluence_sync.service.retrieval import Retrieval
from confluence_sync.service.shapes import context_body, source_body
from confluence_sync.service.streams import async_endpoint, event, event_stream, while_connected
from confluence_sync.service.syncing import Asked, SyncRun, Syncs


@dataclass(frozen=True, slots=True)
class QaApi:
    """The routes of the question-and-answer service."""

    asking: Asking
    syncs: Syncs
    retrieval: Retrieval
    title: str = "Confluence"

    async def query(self, call: Call, request: Request) -> Response:
        question, session = await self._question(call, 6)
        done = await while_connected(request, self.asking.whole(question, call.caller, session))
        return as_response(Reply(answer_body(done)))

    async def query_with_contexts(self, call: Call, request: Request) -> Response:
        question, session = await self._question(call, 5)
        done = await while_connected(request, self.asking.whole(question, call.caller, session))
        contexts = [context_body(passage) for passage in done.passages]
        return as_response(Reply({"answer": done.text, "contexts": contexts, "timestamp": datetime.now(UTC).isoformat()}))

    async def ask(self, call: Call, request: Request) -> Response:
        """The page's route: server-sent events `sources`, `text`, `done` and, when it breaks off, `error`."""
        question, session = await self._question(call, 6)
        return event_stream(self._events(question, call.caller, session), lambda problem: event(problem.body(), "error"))

    async def _events(self, question: Question, caller: str, session: str) -> AsyncGenerator[str, None]:
        async with aclosing(self.asking.events(question, caller, session)) as events:
            async for one in events:
                if isinstance(one, Found):
                    yield event({"sources": [source_body(source) for source in one.sources], "searched": one.searched}, "sources")
                elif isinstance(one, Piece):
                    yield event({"text": one.text}, "text")
                else:
                    yield event({"cited": list(one.cited), "by_model": one.by_model}, "done")

    async def _question(self, call: Call, top_k: int) -> tuple[Question, str]:
        return await asyncio.to_thread(self.asking.question, call.body, call.caller, top_k)

    async def sync(self, call: Call, request: Request) -> Response:
        """Waits for the run's end, unless `wait` is false; a client that leaves does not end the run."""
        run = self.syncs.start(_asked(call.body))
        if not flag_field(call.body, "wait", default=True):
            return as_response(Reply(run.body(), 202, {"location": f"/api/sync/{run.id}"}))
        await while_connected(request, _ended(run))
        return as_response(Reply(run.body()))

    async def ingest(self, call: Call, request: Request) -> Response:
        """Syncs what the settings name; the shape has no room for more than whether it went well."""
        run = self.syncs.start(Asked())
        await while_connected(request, _ended(run))
        if run.outcome is None or run.outcome.exit not in (0, 3):
            raise Problem(500, run.outcome.error if run.outcome else "the sync did not end", details={"run_id": run.id})
        return as_response(Reply({"status": "ok"}))

    def sync_state(self, call: Call) -> Reply:
        return Reply(self.syncs.get(call.path["id"]).body())

    def sync_hint(self, call: Call) -> Reply:
        raise Problem(
            405,
            'a sync is started with POST (in n8n, set the method of the HTTP Request node); e.g. {"space_keys": ["ENG"]}',
            headers={"allow": "POST"},
        )

    def health(self, call: Call) -> Reply:
        return Reply({"status": "ok"})

    def ready(self, call: Call) -> Reply:
        """503 until the store answers and holds the collection."""
        self.retrieval.check()
        return Reply({"status": "ok"})

    def status(self, call: Call) -> Reply:
        """What the freshness panel shows."""
        model = self.asking.answering.model
        told = {
            "title": self.title,
            "may": sorted(call.scopes),
            "version": __version__,
            "chunks": self.retrieval.count(),
            "model": model.name if model else None,
        }
        return Reply({**told, "history": self.asking.conversations.kept, **self.asking.freshness.now().body()})

    def history(self, call: Call) -> Reply:
        session = call.query.get("session_id", "")
        return Reply({"session_id": session, "turns": self.asking.conversations.as_json(call.caller, session)})

    def forget(self, call: Call) -> Reply:
        return Reply({"deleted": self.asking.conversations.clear(call.caller, call.query.get("session_id", ""))})

    def routes(self) -> list[HttpRoute]:
        waiting = (
            ("/api/query", self.query),
            ("/query", self.query_with_contexts),
            ("/api/ask", self.ask),
            ("/api/sync", self.sync),
            ("/ingest_confluence", self.ingest),
        )
        plain = (
            ("GET", "/api/sync", self.sync_hint),
            ("GET", "/api/sync/{id}", self.sync_state),
            ("GET", "/api/health", self.health),
            ("GET", "/healthz", self.health),
            ("GET", "/readyz", self.ready),
            ("GET", "/api/status", self.status),
            ("GET", "/api/history", self.history),
            ("DELETE", "/api/history", self.forget),
        )
        return [
            *(HttpRoute(path, async_endpoint(route), methods=["POST"]) for path, route in waiting),
            *(HttpRoute(path, endpoint(route), methods=[method]) for method, path, route in plain),
        ]


def answer_body(done: Answered) -> dict[str, object]:
    sources = [{**source_body(source), "cited": source.number in done.cited} for source in done.sources]
    counts = {"chunks_used": len(done.passages), "latency_ms": done.latency_ms}
    return {"answer": done.text, "sources": sources, **counts, "answered_by": "model" if done.by_model else "retrieval"}


async def _ended(run: SyncRun) -> None:
    while not run.ended.is_set():
        await asyncio.sleep(0.05)


def _asked(body: JsonObject) -> Asked:
    """n8n sends lists as lists or, from a text field, joined with commas; and booleans as texts."""
    keys, force = body.get("space_keys", []), body.get("force", False)
    listed = keys.split(",") if isinstance(keys, str) else keys
    if not isinstance(listed, list) or not all(isinstance(key, str) and key.strip() and "\0" not in key for key in listed):
        raise invalid(f"space_keys must be a list of space keys, but is {shown(keys)}", field="space_keys")
    if force not in (True, False, "true", "false"):
        raise invalid(f"force must be true or false, but is {shown(force)}", field="force")
    return Asked(tuple(key.strip() for key in listed), force in (True, "true"))
