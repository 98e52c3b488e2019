"""What several verbs share: their options, and settings and log set up in one way."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.logs import set_up
from confluence_sync.plan import Wanted
from confluence_sync.progress import Bar, Lines, open_progress
from confluence_sync.settings_files import read_settings, retired

log = logging.getLogger(__name__)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", metavar="NAME", help="instead of SPACE_NAME: a name or key, several with commas, * for all")
    parser.add_argument("--limit", type=_natural, default=0, metavar="N", help="only the first N pages, for a try; nothing is deleted then")
    parser.add_argument("--rebuild", action="store_true", help="make everything anew")
    parser.add_argument("--max-deletes", type=_natural, metavar="N", help="let up to N pages go, for this run, when the ceiling holds them")
    add_log_options(parser)


def add_log_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug-http", action="store_true", help="log every request, without secrets")


def settings_for(options: argparse.Namespace) -> Settings:
    """Settings with the flags of this command on top; logging is set up, and older names are answered."""
    flags = {"SPACE_NAME": getattr(options, "space", None), "MAX_DELETES": _text(getattr(options, "max_deletes", None))}
    settings = read_settings({name: value for name, value in flags.items() if value})
    if settings.in_image:
        os.umask(0o007)  # a cluster gives the next pod any UID, always of group 0: it must be able to write this one's files
    debug = settings.verbose or getattr(options, "debug_http", False)
    set_up(settings.log_format, "debug" if debug else settings.log_level)
    for line in retired():
        log.warning("%s", line)
    return settings


def wanted_for(options: argparse.Namespace, settings: Settings) -> Wanted:
    return Wanted(settings.filter_page_ids, options.limit, settings.since_hours, settings.refresh_labels, options.rebuild)


def progress_for(settings: Settings) -> Bar | Lines:
    return open_progress(settings.log_format)


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows in columns, each as wide as its widest cell."""
    lines = [tuple(row) for row in rows]
    widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))] if lines else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in lines)


def write_file(file: Path, text: str, option: str) -> None:
    """Raises SettingsError naming the option when the file cannot be written."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{option} {file}: {error.strerror}; it must be a file in a writable folder") from error


def _natural(raw: str) -> int:
    value = int(raw)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{raw} is negative; it must be 0 or more")
    return value


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
