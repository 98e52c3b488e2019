"""`confluence-sync verify [--repair]`: does the store hold what the space shows, chunk for chunk?"""

from __future__ import annotations

import argparse

from confluence_sync.commands.common import add_log_options, progress_for, settings_for
from confluence_sync.logs import json_text, one_line
from confluence_sync.verify import Verdict

NAMED = 20
DIFFERS = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", metavar="NAME", help="instead of SPACE_NAME: a name or key, several with commas, * for all")
    parser.add_argument("--repair", action="store_true", help="mend what differs by an ordinary run, then compare again")
    parser.add_argument("--max-deletes", type=int, metavar="N", help="with --repair: let up to N pages go when the ceiling holds them")
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    """0 when nothing differs (any more), 3 when something does; a repair that is held or fails has that run's exit code."""
    settings = settings_for(options)
    from confluence_sync import verify
    from confluence_sync.run import Means

    progress = progress_for(settings)
    means = Means(progress=progress)
    try:
        if not options.repair:
            verdict = verify.verify(settings, means)
            _say(verdict, options.json)
            return 0 if verdict.sound else DIFFERS
        before, report, after = verify.repair(settings, means)
    finally:
        progress.close()
    if not options.json:
        _say(before, False)
        print(f"repaired: {report.summary()}")
    _say(after, options.json)
    return report.exit or (0 if after.sound else DIFFERS)


def _say(verdict: Verdict, as_json: bool) -> None:
    if as_json:
        print(json_text(as_object(verdict)))
        return
    held = f"{verdict.chunks} chunks in the store" if verdict.listed else "this store cannot list its chunks, so only pages are compared"
    print(f"{verdict.pages} pages in the space, {held}: {'no difference' if verdict.sound else 'they differ'}")
    for wrong, count in verdict.counts.most_common():
        print(f"  {count} {wrong.value}")
    for one in verdict.differences[:NAMED]:
        print(f"    {one.wrong.value}: {one.count} at {one_line(one.title) or 'no page of ours'} ({one.page_id or '-'})")
    if len(verdict.differences) > NAMED:
        print(f"    and {len(verdict.differences) - NAMED} more; --json names the first {len(verdict.differences)}")


def as_object(verdict: Verdict) -> dict[str, object]:
    found = [{"what": d.wrong.value, "page_id": d.page_id, "title": d.title, "count": d.count} for d in verdict.differences]
    counts = {wrong.value: count for wrong, count in verdict.counts.items()}
    return {"sound": verdict.sound, "pages": verdict.pages, "chunks": verdict.chunks, "counts": counts, "differences": found}
