"""`confluence-sync serve`: the Vector API, the answering API and the page."""

from __future__ import annotations

import argparse

from confluence_sync.commands.common import add_log_options, settings_for
from confluence_sync.errors import SettingsError


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    try:
        from confluence_sync.service.run import run_service
    except ModuleNotFoundError as error:
        raise SettingsError(f"serve needs {error.name}: pip install 'confluence-sync[service]'") from error
    return run_service(settings, options.host, options.port)
