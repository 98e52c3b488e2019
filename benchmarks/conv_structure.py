"""What a reader of single chunks trips over: torn fences, table pieces without a header, headings at the end, broken characters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from lxml import etree
from markdown_it import MarkdownIt

from benchmarks.conv_words import tree

_FENCE = re.compile(r"[ >]*(?:(?:[-*+]|\d+[.)]) +)*(`{3,}|~{3,})([^\n]*)$")
_ROW = re.compile(r"[ >]*(?:(?:[-*+]|\d+[.)]) +)*\|.*\|\s*$")
_RULE = re.compile(r"[ >]*\|(?: ?:?-+:? ?\|)+\s*$")


FAULTS = ("torn fences", "table pieces without a header", "headings at the end", "broken characters")


def faults(text: str, body: str, last: bool) -> Counter[str]:
    """The faults of one chunk, by name. A heading that ends the page may end its last chunk."""
    found: Counter[str] = Counter()
    fence, above = "", ""
    head = False
    for line in text.split("\n"):
        fence, inside = _fence(line, fence)
        row = not inside and _ROW.match(line) is not None
        if row and head and not _RULE.match(line):
            found["table pieces without a header"] += 1
        head = row and _ROW.match(above) is None
        above = "" if inside else line
    found["torn fences"] += bool(fence)
    found["broken characters"] += "\ufffd" in text and "\ufffd" not in body and "&#xfffd;" not in body.lower()
    found["headings at the end"] += not last and re.match(r"#{1,6} ", text.rsplit("\n", 1)[-1]) is not None and not fence
    return +found


def _fence(line: str, fence: str) -> tuple[str, bool]:
    """The fence open after this line, and whether the line belongs to a code block."""
    match = _FENCE.match(line)
    if match is None:
        return fence, bool(fence)
    sign, rest = match.groups()
    if fence:
        return ("" if sign.startswith(fence) and not rest.strip() else fence), True
    return ("", False) if sign[0] == "`" and "`" in rest else (sign, True)


def code_bodies(body: str) -> list[str] | None:
    """The bodies of the code macros outside table cells, None when the page is not well-formed."""
    root = tree(body)
    if root is None:
        return None
    return [text for macro in root.iter("{ac}structured-macro", "{ac}macro") for text in _body(macro)]


def _body(macro: etree._Element) -> Iterable[str]:
    if macro.get("{ac}name") not in ("code", "noformat") or any(above.tag in ("td", "th") for above in macro.iterancestors()):
        return []
    text = macro.findtext("{ac}plain-text-body") or ""
    return [text] if text.strip() else []


def fences(markdown: str) -> Counter[str]:
    """The bodies of the fences that a CommonMark parser finds, without the line end before the closing one."""
    tokens = MarkdownIt("commonmark").parse(markdown)
    return Counter(token.content.removesuffix("\n") for token in tokens if token.type == "fence")
