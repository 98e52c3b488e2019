"""`confluence-sync check`: tries the settings step by step, changes nothing, and says what to fix where a step fails."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice
from typing import TextIO

from confluence_sync.commands.common import add_log_options, settings_for
from confluence_sync.config import Settings
from confluence_sync.errors import ConfluenceSyncError, PagesFailed, SettingsError
from confluence_sync.logs import shown
from confluence_sync.model import Page, PageRef, Space
from confluence_sync.source.base import Failure
from confluence_sync.source.confluence import Confluence
from confluence_sync.source.connect import open_source
from confluence_sync.source.credentials import describe_auth
from confluence_sync.source.folder import folder_id
from confluence_sync.source.spaces import choose_spaces

LISTED = 250  # page titles a request, as a sync asks for them


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", metavar="NAME", help="instead of SPACE_NAME: a name or key, several with commas, * for all")
    parser.add_argument("--source-only", action="store_true", help="only Confluence, and the first TEST_LIMIT titles with their dates")
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    if options.source_only:
        return check_source(settings, sys.stdout)
    source = _in_steps(lambda: _source(settings, sys.stdout, titles=0), sys.stdout)
    return source or _in_steps(lambda: _destination(settings, sys.stdout), sys.stdout)


def check_source(settings: Settings, out: TextIO) -> int:
    """Tries Confluence and shows the first TEST_LIMIT titles of each space on `out`; gives the exit code, and raises nothing of ours."""
    return _in_steps(lambda: _source(settings, out, titles=settings.test_limit), out)


def _in_steps(steps: Callable[[], int], out: TextIO) -> int:
    try:
        return steps()
    except ConfluenceSyncError as error:
        for line in str(error).splitlines():
            _say(out, "FAILED", line)
        return error.exit_code


def _say(out: TextIO, step: str, text: str) -> None:
    print(f"{step:<12} {shown(text)}", file=out)


# Confluence


def _source(settings: Settings, out: TextIO, titles: int) -> int:
    with closing(open_source(settings, ahead=True)) as source:
        _say(out, "settings", f"read; {source.id}, {describe_auth(settings)}")
        account = source.whoami()
        _say(out, "who am I", f"{account.name} {f'({account.id})' if account.id else ''}".rstrip())
        worst = _spaces(source, settings, out, titles)
        for line in source.missing():
            _say(out, "missing", f"{line}; a sync does without")
    return worst


def _spaces(source: Confluence, settings: Settings, out: TextIO, titles: int) -> int:
    """Shows each space that was asked for; gives the exit code of the worst that was found."""
    chosen, problems = choose_spaces(settings.space_name, settings.space_key_filter, list(source.spaces()))
    for problem in problems:
        _say(out, "FAILED", problem)
    unreadable = [one for one in chosen if not _space(source, one.space, out, titles)]
    if chosen and not _scope(source, settings, chosen[0].space, out):
        problems.append("a folder that nobody sees")
    if problems:
        return SettingsError.exit_code
    return PagesFailed.exit_code if unreadable else 0


def _space(source: Confluence, space: Space, out: TextIO, titles: int) -> bool:
    """The listing (only its beginning when no titles are asked for) and the body of one page: every permission a sync needs is tried."""
    batches = source.listing(space, LISTED)
    first = next(batches, [])
    more = sum(len(batch) for batch in (batches if titles else islice(batches, 1)))
    count = f"{len(first)} pages, and more follow" if more and not titles else f"{len(first) + more} pages"
    archived = ", archived" if space.archived else ""
    _say(out, "space", f"{space.name} (key {space.key}, id {space.id}{archived}): {count if first else _no_pages(space)}")
    tried = source.pages(first[:1], space)
    for page in tried:
        _say(out, "FAILED" if isinstance(page, Failure) else "page", _read(page))
    for ref in first[:titles]:
        _say(out, "", _title(ref))
    return not any(isinstance(page, Failure) for page in tried)


def _no_pages(space: Space) -> str:
    return f"no page is visible; if {space.key} is not empty, this account may not view it"


def _read(page: Page | Failure) -> str:
    if isinstance(page, Failure):
        return f"page {page.page_id} could not be read: {page.why}"
    labels = f", labels {', '.join(page.labels)}" if page.labels else ""
    return f"{page.ref.title}: {len(page.body):,} characters of {page.representation}{labels}, {page.url}"


def _title(ref: PageRef) -> str:
    return f"{ref.updated_at[:10] or '(no date)'}  {ref.title} ({ref.id})"


def _scope(source: Confluence, settings: Settings, space: Space, out: TextIO) -> bool:
    folder = folder_id(settings.filter_folder_id)
    seen = not folder or source.exists(folder)
    if not seen:
        _say(out, "FAILED", f"FILTER_FOLDER_ID: no page or folder {folder} is visible to this account; copy the number in its address")
    elif folder:
        _say(out, "folder", f"only what lies below {folder}")
    if settings.labels:
        found = sum(len(batch) for batch in source.labelled(space, settings.labels))
        _say(out, "labels", f"{found} pages of {space.key} carry {_or(settings.labels)}")
    return seen


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)


# the destination


def _destination(settings: Settings, out: TextIO) -> int:
    from confluence_sync.stores.detect import collection_name, detect

    found = detect(settings)
    for probe in found.probes:
        _say(out, "asked", f"{probe.asked} -> {probe.status or 'no answer'}: {probe.means}")
    _say(out, "destination", f"{found.variant.name}, because {found.reason}")
    _say(out, "collection", collection_name(settings, found.variant))
    _say(out, "embedding", _embedding(settings, found.variant.name))
    if found.unread:
        _say(out, "warning", found.unread)
    return 0


WE_EMBED = ("sqlite", "pgvector", "milvus", "memory")


def _embedding(settings: Settings, variant: str) -> str:
    if variant not in WE_EMBED:
        return "by the server"
    from confluence_sync.embed.choose import NONE, embedder_of

    embedder = embedder_of(settings)
    if embedder is None:
        return NONE
    with closing(embedder):
        facts = embedder.facts()
    return f"{facts.model}, {facts.dimension} dimensions"
