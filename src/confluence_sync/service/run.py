"""Runs the service until a signal; `confluence-sync serve` is this."""

from __future__ import annotations

import logging

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.stores.base import Backend

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
GRACE = 5  # seconds that open requests get to end after SIGTERM


def run_service(settings: Settings, backend: Backend, host: str, port: int) -> int:
    """Serves until SIGTERM or SIGINT; 0 when it ended that way, 1 when it could not start (the port is taken)."""
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise SettingsError("the service needs two packages: pip install 'confluence-sync[service]'") from error
    from confluence_sync.service.app import create_app

    if host not in LOOPBACK and not settings.api_key and not settings.vector_api_key:
        log.warning("listening on %s without a key: everyone who reaches this address can read and change everything; set API_KEY", host)
    config = uvicorn.Config(
        create_app(settings, backend), host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1
