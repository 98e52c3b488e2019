"""`confluence-sync serve`: the Vector API, the answering API and the page."""

from __future__ import annotations

import argparse

from confluence_sync.commands.common import add_log_options, settings_for


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    from confluence_sync.service.run import run_service

    return run_service(settings, options.host, options.port)
