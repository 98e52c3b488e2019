"""Streams lines from a model's endpoint: one rule for time-outs, retries, errors and size, whatever the lines mean."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from confluence_sync.errors import BadAnswer, NotAllowed, NotFound, RateLimited, Rejected, RemoteError, ServerFailed, TooLarge
from confluence_sync.llm import Endpoint
from confluence_sync.wires import trust

if TYPE_CHECKING:
    import httpx

MOST_LINE = 1024 * 1024
MOST_BODY = 16 * 1024 * 1024
LONGEST_WAIT = 20.0


class Wire:
    """Requests to one endpoint. Only a request that surely had no effect is sent again: no connection, 429 or 503."""

    def __init__(self, endpoint: Endpoint, bundle: Path | None) -> None:
        self.endpoint = endpoint
        self.bundle = bundle
        self._trust: ssl.SSLContext | bool = False  # reading the trust store costs 20 ms of CPU: once, and only for https

    async def lines(self, path: str, payload: object) -> AsyncGenerator[str, None]:
        """The lines of a streamed answer, decoded, without empty ones."""
        async with self._answer("POST", path, payload) as answer:
            async for line in _split(self._parts(answer), self._who()):
                if line.strip():
                    yield line.decode("utf-8", "replace").strip()

    async def json(self, method: str, path: str, payload: object = None) -> object:
        """The whole answer as JSON."""
        async with self._answer(method, path, payload) as answer:
            body = b""
            async for part in self._parts(answer):
                body += part
        try:
            return json.loads(body)
        except ValueError as error:
            raise BadAnswer(f"{self._who()} answered {path} with something that is not JSON: {_start(body)}") from error

    @asynccontextmanager
    async def _answer(self, method: str, path: str, payload: object) -> AsyncIterator[httpx.Response]:
        """A 2xx answer whose body is still to be read."""
        import httpx

        timeout = httpx.Timeout(self.endpoint.timeout, connect=min(10.0, self.endpoint.timeout))
        if self.endpoint.base.startswith("https:") and self._trust is False:
            self._trust = trust(self.bundle)
        async with httpx.AsyncClient(verify=self._trust, timeout=timeout, trust_env=True) as client:
            answer = await self._sent(client, method, path, payload)
            try:
                yield answer
            finally:
                await answer.aclose()

    async def _sent(self, client: httpx.AsyncClient, method: str, path: str, payload: object) -> httpx.Response:
        wait = self.endpoint.first_wait
        for left in reversed(range(self.endpoint.tries)):
            try:
                return await self._once(client, method, path, payload)
            except RemoteError as error:
                if not left or error.sent:
                    raise
                await asyncio.sleep(min(wait, LONGEST_WAIT))
                wait *= 2
        raise AssertionError("tries is at least 1")

    async def _once(self, client: httpx.AsyncClient, method: str, path: str, payload: object) -> httpx.Response:
        import httpx

        key = self.endpoint.key.reveal()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        request = client.build_request(method, self.endpoint.base + path, json=payload, headers=headers)
        try:
            answer = await client.send(request, stream=True, follow_redirects=False, auth=_as_it_is)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.PoolTimeout) as error:
            raise ServerFailed(f"{self._who()} cannot be reached ({_reason(error)}); check LITELLM_API_BASE", sent=False) from error
        except httpx.HTTPError as error:
            raise self._broken(error) from error
        if not answer.is_success:
            await self._refuse(answer)
        return answer

    async def _refuse(self, answer: httpx.Response) -> None:
        try:
            body = b"".join([part async for part in self._parts(answer)])
        finally:
            await answer.aclose()
        said = self._redacted(_said(body))
        message = f"{self._who()} answered {answer.status_code}{': ' + said if said else ''}"
        kinds: dict[int, type[RemoteError]] = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 429: RateLimited}
        kind = kinds.get(answer.status_code, ServerFailed if answer.status_code >= 500 else Rejected)
        raise kind(message, answer.status_code, sent=answer.status_code not in (429, 503))

    async def _parts(self, answer: httpx.Response) -> AsyncGenerator[bytes, None]:
        import httpx

        size = 0
        try:
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > MOST_BODY:
                    raise TooLarge(f"{self._who()} sent more than {MOST_BODY} bytes")
                yield part
        except httpx.HTTPError as error:
            raise self._broken(error) from error

    def _broken(self, error: httpx.HTTPError) -> ServerFailed:
        import httpx

        if isinstance(error, httpx.TimeoutException):
            return ServerFailed(f"{self._who()} said nothing for {self.endpoint.timeout:g} s; raise LLM_TIMEOUT if it is only slow", 504)
        return ServerFailed(f"{self._who()} broke off in the middle of an answer ({_reason(error)})")

    def _redacted(self, text: str) -> str:
        key = self.endpoint.key.reveal()
        return text.replace(key, "***") if key else text

    def _who(self) -> str:
        return f"the model's server {self.endpoint.base}"


async def _split(parts: AsyncIterator[bytes], who: str) -> AsyncGenerator[bytes, None]:
    """The lines of what comes in parts, wherever those break."""
    waiting = b""
    async for part in parts:
        *whole, waiting = (waiting + part).split(b"\n")
        for line in whole:
            yield line
        if len(waiting) > MOST_LINE:
            raise BadAnswer(f"{who} sent a line of more than 1 MB; it does not speak the expected protocol")
    yield waiting


def _as_it_is(request: httpx.Request) -> httpx.Request:
    return request  # a callable keeps httpx from looking into ~/.netrc


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _said(body: bytes) -> str:
    """The server's own words from the usual error shapes, short; nothing for HTML."""
    try:
        value = json.loads(body)
    except ValueError:
        return "" if b"<" in body[:100] else _start(body)
    while isinstance(value, dict):
        value = next((value[key] for key in ("message", "detail", "error") if value.get(key)), "")
    return " ".join(str(value).split())[:300]


def _start(body: bytes) -> str:
    return " ".join(body[:120].decode("utf-8", "replace").split())
