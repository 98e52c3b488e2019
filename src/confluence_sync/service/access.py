"""Who may call what: checked before any route runs."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from confluence_sync.config import Settings
from confluence_sync.service.calls import problem_response
from confluence_sync.service.problems import Problem

OPEN = ("/health", "/openapi.json")


class KeyGate:
    """Asks the Vector API's callers for VECTOR_API_KEY, where one is set."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.vector_key = settings.vector_api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._refusal(scope) if scope["type"] == "http" else None
        await (problem_response(problem) if problem else self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        if not self.vector_key or scope["path"] in OPEN or _same(given_key(Headers(scope=scope)), self.vector_key.reveal()):
            return None
        return Problem(
            401, "the key is missing or wrong; send Authorization: Bearer <VECTOR_API_KEY>", headers={"WWW-Authenticate": "Bearer"}
        )


def given_key(headers: Headers) -> str:
    """The key of a request, from any of the three headers that clients use."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip()
    return headers.get("x-api-key", "") or headers.get("api-key", "")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
