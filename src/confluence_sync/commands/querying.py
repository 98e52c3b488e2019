"""`confluence-sync query`: search the store from the command line."""

from __future__ import annotations

import argparse

from confluence_sync.commands.collection import opened_collection
from confluence_sync.commands.common import add_log_options, settings_for
from confluence_sync.logs import json_text, one_line, shown
from confluence_sync.model import Filter, Hit


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help="what to look for")
    parser.add_argument("--top-k", type=int, default=5, metavar="N", help="how many hits (5)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--in-space", action="append", default=[], metavar="KEY", help="only this space; may be repeated")
    parser.add_argument("--label", action="append", default=[], metavar="LABEL", help="only pages with this label; may be repeated")
    parser.add_argument("--since", default="", metavar="DATE", help="only pages modified since, as 2026-01-31")
    parser.add_argument("--sections", action="store_true", help="give the whole section that a hit stands in")
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    from confluence_sync.search import search

    where = Filter(space_keys=tuple(options.in_space), labels=tuple(options.label), modified_since=options.since)
    with opened_collection(settings) as store:
        hits = search(store, options.text, max(1, min(options.top_k, 100)), where, sections=options.sections)
    print(json_text([as_json(hit) for hit in hits]) if options.json else "\n\n".join(map(as_text, hits)) or "nothing found")
    return 0


def as_json(hit: Hit) -> dict[str, object]:
    m = hit.metadata
    return {
        "score": round(hit.score, 4),
        "title": m.title if m else "",
        "url": m.url if m else "",
        "page_id": m.page_id if m else "",
        "heading": m.heading_path if m else "",
        "text": hit.text,
    }


def as_text(hit: Hit) -> str:
    m = hit.metadata
    head = f"{hit.score:.2f}  {m.title}{' > ' + m.heading_path if m.heading_path else ''}" if m else f"{hit.score:.2f}"
    about = f"\n      {m.url}  (changed {m.last_modified[:10]})" if m else ""
    _, _, body = hit.text.partition("\n\n")  # the context line says what the head says
    excerpt = " ".join((body or hit.text).split())[:240]
    return f"{one_line(head)}{shown(about)}\n      {one_line(excerpt)}"
