"""Small plots as inline SVG, readable in light and dark, by colour-blind people and by screen readers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

# Okabe and Ito's palette: told apart with every common kind of colour blindness.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
WIDTH = 720
ROW = 26
LABEL = 150


def stacked_bars(rows: Sequence[tuple[str, Sequence[tuple[str, int, str]]]], what: str) -> str:
    """One bar a row, made of (name, count, colour) parts; bars share one scale. `what` is the plot in words."""
    most = max((sum(count for _, count, _ in parts) for _, parts in rows), default=0) or 1
    drawn = "".join(_bar(i, label, parts, (WIDTH - LABEL - 60) / most) for i, (label, parts) in enumerate(rows))
    return _svg(ROW * len(rows), what, drawn)


def columns(values: Sequence[tuple[str, float, str]], what: str, height: int = 120) -> str:
    """One column a value, from (label, value, colour), with the largest value named; labels are shown on hovering."""
    most = max((value for _, value, _ in values), default=0) or 1
    step = min(40.0, (WIDTH - 60) / max(len(values), 1))
    drawn = "".join(
        _column(50 + i * step, step * 0.8, height, value / most, f"{label}: {value:g}", c) for i, (label, value, c) in enumerate(values)
    )
    axis = f'<text x="44" y="12" text-anchor="end">{most:g}</text><text x="44" y="{height}" text-anchor="end">0</text>'
    base = f'<line x1="48" y1="{height}" x2="{WIDTH}" y2="{height}" class="axis"/>'
    return _svg(height + 4, what, axis + base + drawn)


def legend(names: Sequence[tuple[str, str]]) -> str:
    """(name, colour) pairs as a line of HTML."""
    return (
        '<p class="legend">'
        + " ".join(f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in names)
        + "</p>"
    )


def _svg(height: int, what: str, drawn: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(what)}" preserveAspectRatio="xMinYMin meet">'
        f"<title>{escape(what)}</title>{drawn}</svg>"
    )


def _bar(row: int, label: str, parts: Sequence[tuple[str, int, str]], scale: float) -> str:
    y, x, drawn = row * ROW, float(LABEL), ""
    for name, count, colour in parts:
        width = count * scale
        if count:
            drawn += f'<rect x="{x:.1f}" y="{y + 4}" width="{max(width, 1):.1f}" height="{ROW - 8}" fill="{colour}">'
            drawn += f"<title>{escape(name)}: {count}</title></rect>"
        x += width
    total = sum(count for _, count, _ in parts)
    shown = label if len(label) <= 22 else label[:21] + "…"
    text = f'<text x="{LABEL - 8}" y="{y + 18}" text-anchor="end">{escape(shown)}<title>{escape(label)}</title></text>'
    return f'{text}{drawn}<text x="{x + 6:.1f}" y="{y + 18}">{total}</text>'


def _column(x: float, width: float, height: int, share: float, label: str, colour: str) -> str:
    tall = max(share * (height - 6), 1)
    where = f'x="{x:.1f}" y="{height - tall:.1f}" width="{width:.1f}" height="{tall:.1f}"'
    return f'<rect {where} fill="{colour}"><title>{escape(label)}</title></rect>'
