"""After a run: its figures to Prometheus and its report to a chat; what fails here is said and changes nothing about the run."""

from __future__ import annotations

import logging
from collections.abc import Callable

from confluence_sync.config import Settings
from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.http import Link, Patience
from confluence_sync.metrics import push, write_textfile
from confluence_sync.notices import post
from confluence_sync.report import Report
from confluence_sync.wires import RequestsWire

log = logging.getLogger(__name__)


def announce(settings: Settings, report: Report) -> None:
    """Tells everybody whom the settings name. Never raises for what the other end does."""
    if settings.metrics_textfile:
        _try("metrics file", write_textfile, settings.metrics_textfile, report)
    if settings.pushgateway_url:
        _try("Pushgateway", _push, settings, report)
    if settings.notify_webhook_url:
        _try("webhook", post, settings.notify_webhook_url, RequestsWire(settings.conf_ca_bundle), report)


def _push(settings: Settings, report: Report) -> None:
    link = Link(settings.pushgateway_url, RequestsWire(settings.conf_ca_bundle), patience=Patience(tries=3, timeout=20))
    push(link, report, settings.job_completion_index if settings.shard_count > 1 else None)


def _try(what: str, tell: Callable[..., None], *arguments: object) -> None:
    try:
        tell(*arguments)
    except ConfluenceSyncError as error:
        log.warning("the run is over, but the %s did not get its report: %s", what, error)
