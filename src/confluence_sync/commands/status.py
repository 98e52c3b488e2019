"""`confluence-sync status`: the last runs, from the state."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path

from confluence_sync.commands.common import add_log_options, settings_for, table, write_file
from confluence_sync.config import Settings
from confluence_sync.logs import json_text


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="how many runs (10)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the last run as a page, with plots of the runs before it")
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    stored = stored_reports(settings, options.runs)
    reports = [json.loads(report) for report in stored]
    if options.html and stored:
        from confluence_sync.html_report import html_report

        write_file(options.html, html_report(stored[0], stored[1:]), "--html")
    if options.json:
        print(json_text(reports))
    elif not reports:
        print("no run yet")
    else:
        head = ("started", "exit", "collection", "listed", "new", "changed", "deleted", "failed", "held", "seconds")
        print(table([head, *map(_row, reports)]))
    return 0


def stored_reports(settings: Settings, limit: int) -> list[str]:
    """The JSON of the last runs, newest first."""
    from confluence_sync.database import open_database
    from confluence_sync.state import State

    with closing(State(open_database(settings.state_dir, settings.state_url.reveal() or settings.database_url.reveal()))) as state:
        return state.runs(limit)


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
