"""Rendered HTML (view, export_view) to Markdown, through markdownify: for pages of which no storage format is at hand."""

from __future__ import annotations

import re
from typing import Any

from confluence_sync.convert import escape

MAX_DEPTH = 100
_BLANK_LINES = re.compile(r"\n{3,}")


def markdown(html: str) -> str:
    """Never raises for any text; markup deeper than MAX_DEPTH is read as plain text."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    for junk in soup(["script", "style", "template", "iframe", "object", "embed"]):
        junk.decompose()
    if _depth(soup) > MAX_DEPTH:
        return escape.paragraph(escape.text(soup.get_text(" ")))
    text: str = _converter().convert_soup(soup)
    return _BLANK_LINES.sub("\n\n", text).strip()


def _depth(soup: Any) -> int:
    deepest, depths = 0, {id(soup): 0}
    for tag in soup.find_all(True):
        depths[id(tag)] = depth = depths[id(tag.parent)] + 1
        deepest = max(deepest, depth)
    return deepest


def _converter() -> Any:
    from markdownify import ATX, MarkdownConverter

    class Rendered(MarkdownConverter):  # type: ignore[misc]  # markdownify ships no types
        def convert_a(self, el: Any, text: str, parent_tags: set[str]) -> str:
            el["href"] = escape.address(el.get("href") or "")
            el.attrs.pop("title", None)
            return str(super().convert_a(el, text, parent_tags)) if el["href"] else text

        def convert_img(self, el: Any, text: str, parent_tags: set[str]) -> str:
            source = escape.address(el.get("src") or "")
            alt = escape.label(escape.text(el.get("alt") or source.rpartition("/")[2].partition("?")[0]))
            return f"![{alt}]({source})" if source else alt

        def convert_pre(self, el: Any, text: str, parent_tags: set[str]) -> str:
            code = el.get_text().strip("\n")
            return "\n\n" + escape.fence(code, _language(el)) + "\n\n" if code.strip() else ""

        def escape(self, text: str, parent_tags: set[str]) -> str:
            return escape.text(text)

    return Rendered(heading_style=ATX, bullets="-", wrap=False)


def _language(pre: Any) -> str:
    found = re.search(r"brush:\s*([\w+#.-]+)", pre.get("data-syntaxhighlighter-params") or "")
    return found.group(1) if found and found.group(1) not in ("plain", "text") else ""
