"""The two ways to put a request on the wire: requests for Confluence, httpx for stores, under one rule for TLS, proxies and size."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from confluence_sync.errors import ServerFailed, SettingsError, TooLarge
from confluence_sync.http import MEGABYTE, Answer

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

READ_AT_ONCE = 64 * 1024  # before it is decompressed: a quarter of a megabyte becomes nearly one


def trust(bundle: Path | None) -> ssl.SSLContext:
    """The system's trust store (certifi's where there is none) and the authorities in `bundle`.

    Raises SettingsError when the bundle is no PEM file.
    """
    paths = ssl.get_default_verify_paths()
    context = ssl.create_default_context()
    if not (paths.cafile or (paths.capath and any(Path(paths.capath).iterdir()))):
        import certifi

        context.load_verify_locations(certifi.where())
    if bundle:
        try:
            context.load_verify_locations(bundle)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"CONF_CA_BUNDLE: {str(bundle)!r} cannot be used ({error}); it must be a PEM file") from error
    return context


class RequestsWire:
    """Requests over `requests`. Connections are kept and shared between threads, and a thread waits where all are in use; ~/.netrc and
    redirects are not followed."""

    def __init__(self, bundle: Path | None = None, connections: int = 4) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        class Trusting(HTTPAdapter):
            """What is trusted is in one context, directly and behind a proxy; variables that requests knows of do not change it."""

            def init_poolmanager(self, *args: object, **kwargs: object) -> None:
                self.context = trust(bundle)
                super().init_poolmanager(*args, **kwargs, ssl_context=self.context)  # type: ignore[arg-type]  # passed through

            def proxy_manager_for(self, proxy: str, **kwargs: object) -> object:
                return super().proxy_manager_for(proxy, **kwargs, ssl_context=self.context)

            def send(self, request: PreparedRequest, *args: object, **kwargs: object) -> Response:
                return super().send(request, *args, **{**kwargs, "verify": True})  # type: ignore[arg-type]

            def cert_verify(self, conn: object, *args: object) -> None:
                """Nothing to add to the context."""

        self._requests = requests
        self._session = requests.Session()
        self._session.auth = _as_it_is  # a callable keeps requests from looking into ~/.netrc
        self._session.headers.clear()
        self._session.headers["accept-encoding"] = "gzip"  # cleared with the rest, it would be "identity": four times the bytes
        self._session.mount("http://", HTTPAdapter(pool_maxsize=connections, pool_block=True))
        self._preparing = Lock()
        self._tls: Callable[[], HTTPAdapter] | None = lambda: Trusting(pool_maxsize=connections, pool_block=True)

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout: float, limit: int) -> Answer:
        exceptions = self._requests.exceptions
        self._prepare_tls(url)
        try:
            reply = self._session.request(
                method, url, headers=dict(headers), data=content, timeout=(10, timeout), stream=True, allow_redirects=False
            )
            with reply:
                body = _bounded(reply.iter_content(READ_AT_ONCE), limit, url)
        except (exceptions.ConnectTimeout, exceptions.SSLError, exceptions.ProxyError) as error:
            raise ServerFailed(_no_answer(url, error), sent=False) from error
        except exceptions.ConnectionError as error:
            raise ServerFailed(_no_answer(url, error), sent="NewConnectionError" not in repr(error)) from error
        except exceptions.RequestException as error:
            raise ServerFailed(_no_answer(url, error)) from error
        return Answer(reply.status_code, {k.lower(): v for k, v in reply.headers.items()}, body, url)

    def _prepare_tls(self, url: str) -> None:
        """Reading the trust store costs 20 ms of CPU, so it waits for the first https address."""
        with self._preparing:
            if url.startswith("https:") and self._tls:
                self._session.mount("https://", self._tls())
                self._tls = None

    def close(self) -> None:
        self._session.close()


def _as_it_is(request: PreparedRequest) -> PreparedRequest:
    return request


class HttpxWire:
    """Requests over `httpx`, which the stores' own clients bring along. ~/.netrc and redirects are not followed."""

    def __init__(self, bundle: Path | None = None, connections: int = 4, tls: bool = True) -> None:
        import httpx

        self._httpx = httpx
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=60)
        self._client = httpx.Client(verify=trust(bundle) if tls else False, limits=limits)

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout: float, limit: int) -> Answer:
        httpx = self._httpx
        try:
            with self._client.stream(
                method, url, headers=dict(headers), content=content, timeout=httpx.Timeout(timeout, connect=10), follow_redirects=False
            ) as reply:
                body = _bounded(reply.iter_bytes(READ_AT_ONCE), limit, url)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.PoolTimeout) as error:
            raise ServerFailed(_no_answer(url, error), sent=False) from error
        except httpx.HTTPError as error:
            raise ServerFailed(_no_answer(url, error)) from error
        return Answer(reply.status_code, {k.lower(): v for k, v in reply.headers.items()}, body, url)

    def close(self) -> None:
        self._client.close()


def _bounded(pieces: Iterator[bytes], limit: int, url: str) -> bytearray:
    """The pieces joined, without a copy of their megabytes; TooLarge as soon as they pass `limit` bytes, so that a compression bomb costs
    no more than that."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limit:
            raise TooLarge(f"{url.partition('?')[0]} answered more than {limit // MEGABYTE} MB")
    return body


def _no_answer(url: str, error: Exception) -> str:
    """What went wrong on the way, without the URL's query (which may be long) and without foreign object dumps."""
    reason = getattr(error, "reason", None) or (error.args[0] if error.args else error)
    inner = getattr(reason, "reason", reason)
    words = str(inner).partition(": ")[2] if "object at 0x" in str(inner) else str(inner)
    return f"{url.partition('?')[0]} gave no answer: {words or type(error).__name__}{_trusted_by(words)}"


def _trusted_by(words: str) -> str:
    """What to do where a certificate is not known to this machine."""
    unknown = "CERTIFICATE_VERIFY_FAILED" in words and ("issuer" in words or "self-signed" in words or "self signed" in words)
    return "; where the authority is your own, name its PEM file in CONF_CA_BUNDLE" if unknown else ""
