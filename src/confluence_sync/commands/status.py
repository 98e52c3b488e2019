"""`confluence-sync status`: the last runs, from the state."""

from __future__ import annotations

import argparse
import json

from confluence_sync.commands.common import add_log_options, settings_for, table


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="how many runs (10)")
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    from confluence_sync.database import open_database
    from confluence_sync.state import State

    state = State(open_database(settings.state_dir, settings.state_url.reveal() or settings.database_url.reveal()))
    reports = [json.loads(report) for report in state.runs(options.runs)]
    state.close()
    if options.json:
        print(json.dumps(reports, ensure_ascii=False))
    elif not reports:
        print("no run yet")
    else:
        head = ("started", "exit", "collection", "listed", "new", "changed", "deleted", "failed", "held", "seconds")
        print(table([head, *map(_row, reports)]))
    return 0


def _row(report: dict[str, object]) -> tuple[str, ...]:
    pages = report["pages"]
    assert isinstance(pages, dict)  # we wrote it
    held = report["held"]
    counts = [str(pages[name]) for name in ("listed", "new", "changed", "deleted", "failed")]
    where = f"{report['store']}:{report['live_collection'] or report['collection']}"
    return (
        str(report["started"]),
        str(report["exit"]),
        where,
        *counts,
        str(len(held) if isinstance(held, list) else 0),
        str(report["seconds"]),
    )
