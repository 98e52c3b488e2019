"""`confluence-sync eval`: measures with your own questions whether the right page is found."""

from __future__ import annotations

import argparse
from pathlib import Path

from confluence_sync.commands.collection import opened_collection
from confluence_sync.commands.common import add_log_options, settings_for


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("questions", type=Path, help='one JSON object a line: {"question": "...", "page": "id, link or title"}')
    parser.add_argument("--least", type=float, default=0.0, metavar="SHARE", help="fail (exit 3) when fewer find their page, 0 to 1")
    parser.add_argument("--top-k", type=int, default=5, metavar="N", help="how many hits count (5)")
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    from confluence_sync.evaluate import require, run_eval

    with opened_collection(settings) as store:
        result = run_eval(store, options.questions, options.top_k)
    print(result.as_text())
    require(result, options.least)
    return 0
