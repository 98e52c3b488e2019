"""Who may call what, how often and from where: checked before any route runs, and said in one shape."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from confluence_sync.keys import ANYONE, Caller, KeyRing
from confluence_sync.service.calls import problem_response
from confluence_sync.service.jwt_tokens import TokenCheck
from confluence_sync.service.problems import Problem
from confluence_sync.service.rates import Rates

OPEN = {"/", "/health", "/openapi.json", "/healthz", "/readyz", "/api/health", "/metrics", "/favicon.ico"}
SYNC = ("/api/sync", "/ingest_confluence", "/api/pull")
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1", "testserver")


@dataclass
class Gate:
    """ASGI middleware. Without any key everybody may do everything, so strangers' web pages must be kept out by other means."""

    app: ASGIApp
    keys: KeyRing
    rates: Rates
    tokens: TokenCheck | None = None
    origins: tuple[str, ...] = ()
    refused: Callable[[int], None] = field(default=lambda status: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope["path"]) or scope["method"] == "OPTIONS":
            await self.app(scope, receive, send)
            return
        try:
            scope["caller"] = await asyncio.to_thread(self.admit, scope)
        except Problem as problem:
            self.refused(problem.status)
            await problem_response(problem)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def admit(self, scope: Scope) -> Caller:
        """The caller, when this request may go on; a Problem (401, 403 or 429) when not."""
        headers, path = Headers(scope=scope), scope["path"]
        self._refuse_strangers(headers, scope)
        caller = self._caller(given_key(headers), path, scope)
        needed = scope_of(path)
        if needed not in caller.scopes:
            raise Problem(403, f"this key may not do that: it needs the scope {needed!r}, and has {', '.join(sorted(caller.scopes))}")
        self.rates.count(caller.name or client_of(scope), costly=needed != "vector")
        return caller

    def _caller(self, key: str, path: str, scope: Scope) -> Caller:
        if self.tokens is None and self.keys.empty:
            return ANYONE
        caller = self.keys.caller(key) if key else None
        if caller is None and self.tokens and key.count(".") == 2:
            caller = self.tokens.caller(key)
        if caller is None:
            self.rates.count(f"refused {client_of(scope)}")
            raise _unknown_key(path)
        return caller

    def _refuse_strangers(self, headers: Headers, scope: Scope) -> None:
        """A web page of another site can make a browser send requests here: its Origin gives it away, or, behind a name that it
        points at this machine, the Host."""
        origin, host = headers.get("origin", ""), headers.get("host", "")
        if origin and origin not in self.origins and urlsplit(origin).netloc != host:
            raise Problem(403, f"pages of {origin} may not call this service; name it in CORS_ORIGINS if they should")
        local = client_of(scope) in ("127.0.0.1", "::1")
        if local and self.tokens is None and self.keys.empty and not _is_address(host):
            raise Problem(403, f"without a key this machine is only called by its own names, not {host!r}; set API_KEY")


def is_open(path: str) -> bool:
    """What needs no key: health, descriptions, and the page, which holds nothing."""
    return path in OPEN or path.startswith("/static/")


def scope_of(path: str) -> str:
    """The scope that a route needs."""
    if path.startswith("/v1/vector_io"):
        return "vector"
    return "sync" if path.startswith(SYNC) else "query"


def given_key(headers: Headers) -> str:
    """The key of a request, from any of the three headers that clients use."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip()
    return headers.get("x-api-key", "") or headers.get("api-key", "")


def client_of(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _unknown_key(path: str) -> Problem:
    """401 where clients expect the standard's, 403 with the words that the older question service used."""
    if path.startswith("/v1/"):
        said = "the key is missing or wrong; send Authorization: Bearer <key>"
        return Problem(401, said, headers={"www-authenticate": "Bearer"})
    return Problem(403, "Invalid API key")


def _is_address(host: str) -> bool:
    """Whether a Host header is a name of this machine or a bare address."""
    name = urlsplit(f"//{host}").hostname or ""
    if name in LOCAL_NAMES:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
