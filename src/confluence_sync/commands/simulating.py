"""`confluence-sync simulate`: a local Confluence to try settings with."""

from __future__ import annotations

import argparse
from pathlib import Path

from confluence_sync.errors import SettingsError


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pages", nargs="?", type=Path, metavar="DIR|FILE.jsonl", help="content objects; without it, the sample space")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--latency-ms", type=float, default=0, metavar="N", help="let each answer come so much later")
    parser.add_argument("--faults", default="", metavar="RULES", help="what goes wrong and when; see docs/simulator.md")
    parser.add_argument("--token", help="the token that is accepted")
    parser.add_argument("--as-pages", action="store_true", help="serve comments, drafts and the like as current pages, too")
    parser.add_argument("--control", action="store_true", help="let another process change pages and faults through /_control")


def run(options: argparse.Namespace) -> int:
    from confluence_sync.simulator.running import run_simulator

    if options.pages and not options.pages.exists():
        raise SettingsError(f"{options.pages} is not there; give a folder of content objects (*.json) or a .jsonl file")
    return run_simulator(
        options.pages,
        options.host,
        options.port,
        options.latency_ms,
        options.faults,
        options.token,
        control=options.control,
        as_pages=options.as_pages,
    )
