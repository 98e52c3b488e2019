"""Which words of a page's visible text are missing from its Markdown: read from the XML on its own, without the converter's code."""

from __future__ import annotations

import re
from collections import Counter
from html.entities import html5

from lxml import etree

_ENTITY = re.compile(r"<!\[CDATA\[.*?\]\]>|&([A-Za-z][A-Za-z0-9]*;)", re.DOTALL)
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_SIGNS = str.maketrans("", "", "*`~\\_\u200b\ufeff")
_WORD = re.compile(r"[^\W_]+")
_XML_OWN = {"lt;", "gt;", "amp;", "quot;", "apos;"}

UNSEEN = {"{ac}parameter", "{ac}default-parameter", "{ac}placeholder", "{ac}task-id", "{ac}task-uuid", "{ac}task-status",
          "{ac}adf-attribute", "{ac}adf-parameter", "script", "style", "template", "iframe", "object"}  # fmt: skip
NAVIGATION = {
    "toc",
    "children",
    "pagetree",
    "pagetreesearch",
    "recently-updated",
    "livesearch",
    "contentbylabel",
    "listlabels",
    "attachments",
}
JOINED = {"span", "u", "font", "time", "b", "strong", "i", "em", "del", "s", "strike", "cite", "code", "kbd", "small", "big", "mark",
          "tt", "samp", "var", "{ac}inline-comment-marker"}  # fmt: skip


def words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.translate(_SIGNS)))


def tree(body: str) -> etree._Element | None:
    """The body as XML, None when it is not well-formed."""
    source = '<r xmlns:ac="ac" xmlns:ri="ri" xmlns:at="at">' + _ENTITY.sub(_entity, _ILLEGAL.sub("", body)) + "</r>"
    bare = re.sub(r"(<!\[CDATA\[.*?\]\]>)|&(?!#?\w+;)", lambda m: m.group(1) or "&amp;", source, flags=re.DOTALL)
    try:
        return etree.fromstring(bare.encode(), etree.XMLParser(resolve_entities=False, huge_tree=True, remove_comments=True))
    except etree.XMLSyntaxError:
        return None


def _entity(match: re.Match[str]) -> str:
    name = match.group(1)
    if name is None or name in _XML_OWN:
        return match.group()
    return html5.get(name, "&amp;" + name).replace("<", "&lt;") if name in html5 else "&amp;" + name


def visible(root: etree._Element) -> str:
    """The text a reader must be able to find again, once: an editor extension's fallback repeats its node."""
    pieces: list[str] = []
    _gather(root, pieces)
    return "".join(pieces)


def _gather(element: etree._Element, pieces: list[str]) -> None:
    gap = "" if element.tag in JOINED or (element.tag == "a" and not element.get("href")) else " "
    pieces.append(gap)
    if _seen(element):
        pieces.append(element.text or "")
        for child in element:
            _gather(child, pieces)
            pieces.append(child.tail or "")
    pieces.append(gap)


def _seen(element: etree._Element) -> bool:
    if element.tag == "{ac}adf-fallback":
        above = element.getparent()
        return above is None or not any(
            "".join(map(str, node.itertext("{ac}adf-content", "p"))).strip() for node in above.iterchildren("{ac}adf-node")
        )
    if element.tag in ("{ac}structured-macro", "{ac}macro"):
        return (element.get("{ac}name") or "") not in NAVIGATION
    if element.get("aria-hidden") == "true" or (str(element.tag).endswith("}mrow") and element.getnext() is not None):
        return False  # KaTeX draws a formula beside its source
    return element.tag not in UNSEEN


def lost(body: str, markdown: str) -> tuple[Counter[str], int]:
    """The missing words with their number, and how many words there are. Only for well-formed bodies."""
    root = tree(body)
    expected = words(visible(root)) if root is not None else Counter[str]()
    return expected - words(markdown), expected.total()
