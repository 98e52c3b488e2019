"""The elements of a page. These are lxml's; a compiled installation has faster ones here (compiled/confluence_sync/convert/element.pyx)."""

from __future__ import annotations

from lxml import etree

Element = etree._Element


def plain(element: Element) -> str:
    """All text below an element in reading order, <br> as a line break."""
    if len(element) == 0:
        return element.text or ""
    pieces: list[str] = []
    for event, node in etree.iterwalk(element, events=("start", "end")):
        if event == "end":
            pieces.append("" if node is element else node.tail or "")
        else:
            pieces.append("\n" if node.tag == "br" else node.text or "")
    return "".join(pieces)
