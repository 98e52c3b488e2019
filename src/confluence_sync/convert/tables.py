"""Tables: every cell's content on one line, spans laid out, and a header row, as Markdown tables need one."""

from __future__ import annotations

from collections.abc import Iterator

from confluence_sync.convert.element import Element
from confluence_sync.convert.walk import Handler, Walk

MAX_COLUMNS = 200  # beyond this rows are not padded: a span of 100,000 columns is an attack or a slip
MAX_SPAN = 1000


def table(walk: Walk, element: Element) -> None:
    """A table, or inside another table's cell its rows as lines."""
    walk.flush()
    nested, walk.in_cell = walk.in_cell, True
    rows, header = _rows(walk, element)
    walk.in_cell = nested
    if not any(any(row) for row in rows):
        return
    if nested:
        walk.lost("table in a table cell")
        walk.blocks.extend(" / ".join(cell for cell in row if cell) for row in rows if any(row))
    else:
        walk.block(drawn(rows, header))


def _rows(walk: Walk, element: Element) -> tuple[list[list[str]], bool]:
    """The cells' text row by row, and whether the first row is a header."""
    rows: list[list[str]] = []
    header = False
    hanging: dict[int, tuple[int, str]] = {}  # column -> rows still to fill, text: what spans down from above
    for position, row in enumerate(_row_elements(walk, element)):
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        if position == 0:
            header = bool(cells) and all(cell.tag == "th" for cell in cells)
        rows.append(_row(walk, cells, hanging, plain=position == 0 and header))
    return rows, header


def _row_elements(walk: Walk, element: Element) -> Iterator[Element]:
    """The rows of this table, not of tables inside its cells; captions and stray text become paragraphs before it."""
    walk.stray(element.text)
    walk.flush()
    for child in element:
        if child.tag == "tr":
            _beside_cells(walk, child)
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            if not walk.deep(child):
                walk.depth += 1
                yield from _row_elements(walk, child)
                walk.depth -= 1
        elif child.tag not in ("colgroup", "col"):
            walk.visit(child)
            walk.flush()
        walk.stray(child.tail)
        walk.flush()


def _beside_cells(walk: Walk, row: Element) -> None:
    """What a damaged row holds that is in no cell becomes paragraphs before the table."""
    stray = [row.text or ""]
    for child in row:
        if child.tag not in ("td", "th"):
            walk.visit(child)
        stray.append(child.tail or "")
    walk.stray(" ".join(stray))
    walk.flush()


def _row(walk: Walk, cells: list[Element], hanging: dict[int, tuple[int, str]], plain: bool) -> list[str]:
    row: list[str] = []
    for cell in cells:
        fill(row, hanging)
        text = cell_text(walk, cell)
        if cell.tag == "th" and not plain and text and not text.startswith("**") and "<br>" not in text:
            text = f"**{text}**"
        down, across = _span(cell, "rowspan"), min(_span(cell, "colspan"), MAX_COLUMNS)
        for column in range(len(row), len(row) + across if down > 1 else 0):
            hanging[column] = (down - 1, text if column == len(row) else "")
        row.extend([text, *[""] * (across - 1)])
    fill(row, hanging)
    return row


def fill(row: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    """Takes over cells that span down from rows above: their text stands in every row it belongs to."""
    while len(row) in hanging:
        left, text = hanging.pop(len(row))
        if left > 1:
            hanging[len(row)] = (left - 1, text)
        row.append(text)


def _span(cell: Element, name: str) -> int:
    value = cell.get(name, "1")
    if value == "1":
        return 1
    value = value.strip()
    return max(1, min(int(value), MAX_SPAN)) if value.isdecimal() and len(value) < 9 else 1


def cell_text(walk: Walk, cell: Element) -> str:
    """A cell's blocks on one line, <br> between them: the only sign that Markdown tables have for a second line."""
    text = "\n".join(walk.collected(cell)).replace("|", "\\|")
    return "<br>".join(line.rstrip() for line in text.split("\n") if line.strip()) if "\n" in text else text


def drawn(rows: list[list[str]], header: bool) -> str:
    """Rows of cells as a Markdown table; without a header row it gets an empty one."""
    width = min(max(map(len, rows)), MAX_COLUMNS)
    if not header:
        rows = [[""] * width, *rows]
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


HANDLERS: dict[str, Handler] = {"table": table}
