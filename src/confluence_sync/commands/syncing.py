"""`confluence-sync sync`: one run."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from confluence_sync.commands.common import add_run_options, progress_for, settings_for, wanted_for, write_file
from confluence_sync.commands.status import stored_reports
from confluence_sync.config import Settings
from confluence_sync.errors import ConfluenceSyncError, Interrupted
from confluence_sync.progress import Bar, Lines
from confluence_sync.report import Report
from confluence_sync.source.credentials import check_credentials

log = logging.getLogger(__name__)

TERMINATION_MESSAGE = Path("/dev/termination-log")


def add_options(parser: argparse.ArgumentParser) -> None:
    from confluence_sync.config_text import help_text

    parser.epilog = f"{help_text()}\n\n{parser.epilog}"
    add_run_options(parser)
    parser.add_argument("--adopt", action="store_true", help="take over a collection that another program filled: its chunks are replaced")
    parser.add_argument(
        "--max-minutes", type=float, default=0.0, metavar="N", help="stop after N minutes between two pages; exit 3 if some are left"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what happened as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write what happened as a page with plots")


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    progress, report = progress_for(settings), Report(started=_now())
    try:
        check_credentials(settings)
        _run_once(options, settings, progress, report)
    except (ConfluenceSyncError, Interrupted) as error:
        report.exit, report.error = error.exit_code, str(error)
        _leave(report, options, settings)
        raise
    finally:
        progress.close()
    _leave(report, options, settings)
    return _tell(report)


def _run_once(options: argparse.Namespace, settings: Settings, progress: Bar | Lines, report: Report) -> None:
    """Fills the report. Loads what a run needs only now: wrong settings are told in a quarter of a second, and what
    is not needed to ask Confluence is loaded while its first answers are waited for."""
    from confluence_sync.memory import keep_flat
    from confluence_sync.source.connect import open_source

    keep_flat()
    with closing(open_source(settings, ahead=True)) as source:
        from confluence_sync.run import Means
        from confluence_sync.sync import run as run_once

        means = Means(progress=progress, adopt=options.adopt, max_minutes=options.max_minutes, report=report, source=source)
        run_once(settings, wanted_for(options, settings), means)


def _tell(report: Report) -> int:
    for space in report.spaces:
        for page in space.failed[:20]:
            log.error("page %s (%s) failed: %s", page.page_id, page.title, page.why)
        if space.degraded:
            named = ", ".join(f"{name} {count}" for name, count in space.degraded.most_common(8))
            log.info("%s: not converted fully: %s", space.key, named)
        if space.error:
            log.error("%s", space.error)
    for held in report.held:
        log.error("held back: %s (%d pages)", held.why, held.count)
    print(report.summary(), file=sys.stderr if report.exit else sys.stdout)
    return report.exit


def _leave(report: Report, options: argparse.Namespace, settings: Settings) -> None:
    """The report as files and to whom it may concern, and its summary where Kubernetes looks for a container's last words."""
    from confluence_sync.announce import announce

    if report.exit < 128:  # who was told to stop has seconds, not time for servers that may not answer
        announce(settings, report)
    if options.report:
        write_file(options.report, report.as_json() + "\n", "--report")
    if options.html:
        from confluence_sync.html_report import html_report

        earlier = stored_reports(settings, 30)[1:] if report.spaces else []
        write_file(options.html, html_report(report.as_json(), earlier), "--html")
    if TERMINATION_MESSAGE.exists():
        try:
            TERMINATION_MESSAGE.write_text(report.summary()[:4000], encoding="utf-8")
        except OSError as error:
            log.debug("no termination message: %s", error)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
