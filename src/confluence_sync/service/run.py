"""Runs the service until a signal; `confluence-sync serve` is this."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
from contextlib import closing

import uvicorn

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.keys import open_keys
from confluence_sync.service.app import create_app
from confluence_sync.service.live_name import live_name
from confluence_sync.service_file import ServiceFile
from confluence_sync.stores.detect import collection_name, open_store_backend

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
GRACE = 5  # seconds that open requests get to end after SIGTERM
MOST_AT_ONCE = 500  # connections; more are answered 503


def run_service(settings: Settings, host: str, port: int) -> int:
    """Serves until SIGTERM or SIGINT and gives 0. Raises SettingsError for settings it cannot serve with, and for a port that is taken."""
    _warn_when_open(settings, host)
    tls = _tls(settings)
    backend, detection = open_store_backend(settings)
    with closing(backend), closing(_listening(host, port)) as listening:
        app = create_app(settings, backend, live_name(settings, backend, collection_name(settings, detection.variant)))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # a header from outside must not make a stranger look like this machine, or the other way round
            limit_concurrency=MOST_AT_ONCE,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=GRACE,
        )
        if tls:
            config.load()
            config.ssl = tls
        log.info("serving %s on %s port %d; %s", settings.pipeline_title, host, port, detection.reason)
        server = uvicorn.Server(config)
        _end_quietly()
        server.run([listening])
    return 0 if server.started else 1


def _listening(host: str, port: int) -> socket.socket:
    """Bound here rather than by the server, whose own way to say that a port is taken is another exit code."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise SettingsError(f"cannot listen on {host} port {port}: {error}; choose another --host or --port") from error
    return listening


def _end_quietly() -> None:
    """The server stops by itself at a signal and then raises it again for whoever came before: by then there is nothing left to do."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)


def _warn_when_open(settings: Settings, host: str) -> None:
    file = ServiceFile(settings.state_dir)
    with closing(file):
        keyless = open_keys(settings, file).empty and not settings.jwt_jwks_url and not settings.tls_client_ca
    if keyless and host not in LOOPBACK:
        log.warning("LISTENING ON %s WITHOUT A KEY: whoever reaches this address can read and change everything. Set API_KEY", host)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer; with TLS_CLIENT_CA only clients with a certificate of that authority get through the handshake."""
    if not settings.tls_cert:
        if settings.tls_client_ca or settings.tls_key:
            raise SettingsError("TLS_CERT: empty, but TLS_KEY or TLS_CLIENT_CA is set; name the certificate's PEM file")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
        if settings.tls_client_ca:
            context.load_verify_locations(settings.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"TLS_CERT, TLS_KEY or TLS_CLIENT_CA cannot be used: {error}; they must be PEM files") from error
    return context
