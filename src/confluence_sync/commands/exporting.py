"""`confluence-sync export`: the space as a folder of Markdown files."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from confluence_sync.commands.common import add_run_options, progress_for, settings_for, wanted_for

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="the folder (EXPORT_BASE_DIR when it is left out)")
    add_run_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    from confluence_sync.export import export
    from confluence_sync.run import Means

    progress = progress_for(settings)
    try:
        report = export(settings, options.folder, wanted_for(options, settings), Means(progress=progress))
    finally:
        progress.close()
    for held in report.held:
        log.error("held back: %s (%d pages)", held.why, held.count)
    for space in report.spaces:
        for page in space.failed[:20]:
            log.error("page %s (%s) failed: %s", page.page_id, page.title, page.why)
        if space.error:
            log.error("%s", space.error)
    p = report.pages
    done = f"{p.listed} pages: {p.new} new, {p.changed} changed, {p.unchanged} unchanged, {p.deleted} deleted, {p.failed} failed"
    print(f"{done}; {report.requests['confluence']} requests, {report.seconds:.1f} s", file=sys.stderr if report.exit else sys.stdout)
    return report.exit
