"""Rendered HTML (view, export_view) to Markdown, through markdownify: for pages of which no storage format is at hand."""

from __future__ import annotations

import re
from html import escape as escape_html

from bs4 import BeautifulSoup
from bs4.element import Tag
from bs4.exceptions import ParserRejectedMarkup
from markdownify import ATX, MarkdownConverter

from confluence_sync.convert import escape
from confluence_sync.convert.blocks import quoted
from confluence_sync.convert.tables import MAX_COLUMNS, MAX_SPAN, drawn, fill

MAX_DEPTH = 80  # markdownify recurses, a few frames a level

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_SECTION = re.compile(r"<!\[CDATA\[(.*?)\]\]>|<!\[", re.DOTALL)  # not HTML; html.parser refuses the page for one it does not know
_TAG = re.compile(r"<[^<>]*>")
_BLANK_LINES = re.compile(r"\n{3,}")
_CELL, _ROW, _HEADER = "\x03", "\x04", "\x05"  # marks inside a table in the making; the page's own were removed
_JUNK = "script, style, template, iframe, object, embed, .toc-macro, .plugin_pagetree, .childpages-macro, .recently-updated, .aui-icon"
_SIGNS = {"information": "NOTE", "note": "IMPORTANT", "tip": "TIP", "warning": "WARNING"}
_BRUSH = re.compile(r"brush:\s*([\w+#.-]+)")


def markdown(html: str) -> str:
    """Never raises for any text; markup deeper than MAX_DEPTH is read as plain text."""
    html = _SECTION.sub(lambda section: escape_html(section.group(1) or section.group(), quote=False), _ILLEGAL.sub("", html))
    try:
        soup = BeautifulSoup(f"<div>{html}</div>", "html.parser")
    except ParserRejectedMarkup:
        return _as_text(_TAG.sub("\n", html))
    for junk in soup.select(_JUNK):
        junk.extract()
    if _depth(soup) > MAX_DEPTH:
        return _as_text(soup.get_text("\n"))
    text = Rendered(heading_style=ATX, bullets="-", wrap=False).convert_soup(soup)
    return _BLANK_LINES.sub("\n\n", text).strip()


def _as_text(text: str) -> str:
    """Lines of text as paragraphs."""
    return "\n\n".join(filter(None, (escape.paragraph(escape.text(line)) for line in text.split("\n"))))


def _depth(soup: BeautifulSoup) -> int:
    depths = {id(soup): 0}
    for tag in soup.find_all(True):
        depths[id(tag)] = depths.get(id(tag.parent), 0) + 1
    return max(depths.values())


class Rendered(MarkdownConverter):
    """markdownify with sound fences, tables and tasks, with Confluence's boxes, and without addresses that could run something."""

    def escape(self, text: str, parent_tags: set[str]) -> str:
        return escape.text(text)

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        classes = el.get("class") or ""
        if "user-mention" in classes or "confluence-userlink" in classes:
            return "@" + text.strip().lstrip("@")
        target = escape.address(str(el.get("href") or ""))
        inner = " ".join(text.split())
        if not target or not inner or inner == target:
            return text
        return f"[{inner if inner.startswith('![') else escape.label(inner)}]({target})"

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        if "emoticon" in (el.get("class") or ""):
            return escape.text(str(el.get("data-emoji-fallback") or el.get("alt") or ""))
        source = escape.address(str(el.get("src") or ""))
        name = str(el.get("alt") or el.get("data-linked-resource-default-alias") or source.rpartition("/")[2].partition("?")[0])
        shown = escape.label(escape.text(name))
        return f"![{shown}]({source})" if source else shown

    def convert_p(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        lines = (escape.line_start(line.lstrip()) for line in text.strip().split("\n"))
        return "\n\n" + "\n".join(line for line in lines if line) + "\n\n"

    def convert_pre(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        code = el.get_text().strip("\n")
        if not code.strip():
            return ""
        if parent_tags & {"td", "th"}:
            spans = (escape.code_span(line).replace(escape.SPACE, " ") for line in code.split("\n"))
            return "\n" + "\n".join(span for span in spans if span) + "\n"
        brush = _BRUSH.search(str(el.get("data-syntaxhighlighter-params") or ""))
        language = brush.group(1)[:30] if brush and brush.group(1) not in ("plain", "text", "none") else ""
        return "\n\n" + escape.fence(code, language) + "\n\n"

    def convert_div(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        classes = el.get("class") or []
        if "confluence-information-macro" not in classes or not text.strip() or parent_tags & {"td", "th"}:
            return "\n\n" + text.strip() + "\n\n"
        kind = next((name.rpartition("-")[2] for name in classes if name.startswith("confluence-information-macro-")), "")
        return f"\n\n> [!{_SIGNS.get(kind, 'NOTE')}]\n{quoted([text.strip()])}\n\n"

    def convert_li(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        if "inline-task-list" in ((el.parent.get("class") if el.parent else None) or []):
            text = ("[x] " if "checked" in (el.get("class") or []) else "[ ] ") + text.strip()
        return str(super().convert_li(el, text, parent_tags))  # type: ignore[misc]  # markdownify finds its methods by name

    def convert_td(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        lines = text.strip().replace("|", "\\|").split("\n")
        span = str(el.get("colspan") or "1")
        across = max(1, min(int(span), MAX_COLUMNS)) if span.isdecimal() and len(span) < 9 else 1
        down = str(el.get("rowspan") or "1")
        down = down if down.isdecimal() and len(down) < 9 else "1"
        mark = _HEADER if el.name == "th" else ""
        return f"{_CELL}{mark}{down};" + "<br>".join(line.rstrip() for line in lines if line.strip()) + f"{_CELL}1;" * (across - 1)

    convert_th = convert_td

    def convert_tr(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return _ROW + text

    def convert_caption(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return text.strip() + "\n\n"

    def convert_table(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        before, *rows = text.split(_ROW)
        cells = [row.split(_CELL)[1:] for row in rows]
        header = bool(cells) and bool(cells[0]) and all(cell.startswith(_HEADER) for cell in cells[0])
        laid = _spread(cells)
        if not any(any(row) for row in laid):
            return "\n\n" + before.strip() + "\n\n"
        if parent_tags & {"td", "th"}:
            return "\n" + "\n".join(" / ".join(cell for cell in row if cell) for row in laid) + "\n"
        return "\n\n" + before.strip() + "\n\n" + drawn(laid, header) + "\n\n"


def _spread(rows: list[list[str]]) -> list[list[str]]:
    """The cells' texts, with those that span rows repeated in each."""
    laid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    for row in rows:
        texts: list[str] = []
        for cell in row:
            fill(texts, hanging)
            down, _, text = cell.lstrip(_HEADER).partition(";")
            if int(down) > 1:
                hanging[len(texts)] = (min(int(down), MAX_SPAN) - 1, text)
            texts.append(text.strip())
        fill(texts, hanging)
        laid.append(texts)
    return laid
