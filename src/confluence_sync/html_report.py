"""A run as one self-contained HTML page: what changed, what failed, what was held back, what could not be converted, and plots."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from confluence_sync.jsonvalue import JsonObject, as_list, as_object, child, objects, text, whole
from confluence_sync.notices import VERDICTS
from confluence_sync.svg_plots import COLOURS, columns, legend, stacked_bars

WHERE = "the report of a run"
OUTCOMES = ("unchanged", "new", "changed", "retagged", "deleted", "deferred", "failed")
COLOUR_OF = dict(zip(OUTCOMES, ("#999999", *COLOURS), strict=False))
STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--dim:#60646c;--line:#d9d9e0;--card:#f6f6f8;--page:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#edeef0;--dim:#b0b4ba;--line:#43484e;--card:#212225;--page:#18191b}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p.sub{color:var(--dim);margin:.25rem 0 1rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));gap:.5rem}
.tiles div{background:var(--card);border-radius:.5rem;padding:.6rem .8rem}
.tiles b{display:block;font-size:1.4rem}.tiles span{color:var(--dim);font-size:.85rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.3rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
svg{width:100%;height:auto;font-size:12px;fill:var(--ink)}.axis{stroke:var(--line)}
.legend span{margin-right:1rem;font-size:.85rem;white-space:nowrap}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.35em;border-radius:2px}
.bad{border-left:4px solid #D55E00;padding-left:.8rem}
"""


def html_report(report: str, earlier: Sequence[str] = ()) -> str:
    """The page for a run's JSON (what `sync --report` writes); `earlier` are the JSON of runs before it, newest first, for the plots."""
    run = as_object(json.loads(report), WHERE)
    before = [as_object(json.loads(one), WHERE) for one in earlier]
    spaces = objects(run, "spaces", WHERE)
    parts = [_head(run), _tiles(run), _troubles(run, spaces), _plots(spaces, [*reversed(before), run]), _tables(run, spaces)]
    return _document(f"Confluence sync {text(run, 'started', WHERE)}", "".join(parts))


def _document(title: str, body: str) -> str:
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"{meta}<title>{escape(title)}</title><style>{STYLE}</style>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _head(run: JsonObject) -> str:
    ended = VERDICTS.get(whole(run, "exit", WHERE), "interrupted; the next run goes on")
    about = [text(run, name, WHERE, "") for name in ("store", "collection", "source")]
    words = " · ".join(escape(word) for word in [text(run, "started", WHERE), *about] if word)
    return f'<h1>Confluence sync: {escape(ended)}</h1><p class="sub">{words} · exit {whole(run, "exit", WHERE)}</p>'


def _tiles(run: JsonObject) -> str:
    pages, chunks, requests = (child(run, name, WHERE) for name in ("pages", "chunks", "requests"))
    shown = [(name, whole(pages, name, WHERE)) for name in ("listed", "new", "changed", "deleted", "failed")]
    shown += [("chunks written", whole(chunks, "written", WHERE)), ("requests", whole(requests, "confluence", WHERE))]
    tiles = [f"<div><b>{count}</b><span>{escape(name)}</span></div>" for name, count in shown]
    return f'<div class="tiles">{"".join(tiles)}<div><b>{_seconds(run):.1f} s</b><span>duration</span></div></div>'


def _troubles(run: JsonObject, spaces: Sequence[JsonObject]) -> str:
    """What a person should read first: errors, held deletions and warnings."""
    held = [
        f"{text(one, 'space', WHERE)}: {text(one, 'why', WHERE)} ({whole(one, 'count', WHERE)} pages)"
        for one in objects(run, "held", WHERE)
    ]
    errors = [f"{text(space, 'key', WHERE)}: {text(space, 'error', WHERE, '')}" for space in spaces if space.get("error")]
    warnings = [str(one) for one in as_list(run.get("warnings", []), WHERE)]
    said = [text(run, "error", WHERE, "")] if run.get("error") else []
    lines = [*said, *errors, *(f"Held back: {one}" for one in held), *warnings]
    return f'<div class="bad">{"".join(f"<p>{escape(line)}</p>" for line in lines)}</div>' if lines else ""


def _plots(spaces: Sequence[JsonObject], runs: Sequence[JsonObject]) -> str:
    bars = [(text(space, "key", WHERE) or "?", _parts(child(space, "pages", WHERE))) for space in spaces]
    drawn = [_titled("Pages of each space", stacked_bars(bars, "Pages of each space by outcome") + _outcome_legend())] if bars else []
    if len(runs) > 1:
        drawn.append(
            _titled(f"The last {len(runs)} runs: pages written, deleted or failed", columns(_work(runs), "Pages touched in each run"))
        )
        seconds = columns(_durations(runs), "Duration of each run in seconds")
        drawn.append(
            _titled("Their duration in seconds", seconds + legend([("ended with 0", COLOURS[0]), ("with another code", COLOURS[5])]))
        )
    degraded = _counted(child(space, "degraded", WHERE) for space in spaces)
    if degraded:
        rows = [(name, [(name, count, COLOURS[1])]) for name, count in degraded[:12]]
        drawn.append(_titled("Not converted fully, by macro or element", stacked_bars(rows, "What could not be converted fully")))
    return "".join(drawn)


def _tables(run: JsonObject, spaces: Sequence[JsonObject]) -> str:
    failed = [_cells(page, "page_id", "title", "why") for space in spaces for page in objects(space, "failed", WHERE)]
    written = [_cells(page, "page_id", "title", "how") for space in spaces for page in objects(space, "written_pages", WHERE)]
    deleted = [(page_id, str(why)) for space in spaces for page_id, why in child(space, "deleted_pages", WHERE).items()]
    damaged = [(page_id, _macros(macros)) for space in spaces for page_id, macros in child(space, "degraded_pages", WHERE).items()]
    pages = child(run, "pages", WHERE)
    more = sum(whole(pages, name, WHERE) for name in ("new", "changed", "retagged")) - len(written)
    return (
        _table("Failed pages", ("page", "title", "why"), failed)
        + _table("What changed", ("page", "title", "how"), written)
        + (f"<p>and {more} more</p>" if more > 0 else "")
        + _table("Deleted pages", ("page", "why"), deleted)
        + _table("Pages not converted fully", ("page", "what"), damaged)
    )


def _titled(title: str, drawn: str) -> str:
    return f"<h2>{escape(title)}</h2>{drawn}"


def _outcome_legend() -> str:
    return legend([(name, COLOUR_OF[name]) for name in OUTCOMES])


def _parts(pages: JsonObject) -> list[tuple[str, int, str]]:
    return [(name, whole(pages, name, WHERE), COLOUR_OF[name]) for name in OUTCOMES]


def _work(runs: Sequence[JsonObject]) -> list[tuple[str, float, str]]:
    counted = [
        (run, sum(whole(child(run, "pages", WHERE), n, WHERE) for n in ("new", "changed", "retagged", "deleted", "failed"))) for run in runs
    ]
    return [(text(run, "started", WHERE), float(count), _run_colour(run)) for run, count in counted]


def _durations(runs: Sequence[JsonObject]) -> list[tuple[str, float, str]]:
    return [(text(run, "started", WHERE), _seconds(run), _run_colour(run)) for run in runs]


def _run_colour(run: JsonObject) -> str:
    return COLOURS[0] if whole(run, "exit", WHERE) == 0 else COLOURS[5]


def _seconds(run: JsonObject) -> float:
    value = run.get("seconds", 0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _counted(degraded: Iterable[JsonObject]) -> list[tuple[str, int]]:
    """Names with their counts over all spaces, the most frequent first."""
    totals: dict[str, int] = {}
    for one in degraded:
        for name in one:
            totals[name] = totals.get(name, 0) + whole(one, name, WHERE)
    return sorted(totals.items(), key=lambda item: (-item[1], item[0]))


def _macros(macros: object) -> str:
    return ", ".join(f"{name} {count}" for name, count in as_object(macros, WHERE).items())


def _cells(page: JsonObject, *names: str) -> tuple[str, ...]:
    return tuple(text(page, name, WHERE, "") for name in names)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return _titled(f"{title} ({len(rows)})", f"<table><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>{body}</table>")
