"""How many chunks stay the same after an edit: what is embedded again for one changed word."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from benchmarks.conv_words import tree

PARAGRAPH = "A paragraph that somebody added later: it has about twenty words, says nothing of weight, and moves what follows."
SECTION = f"<h2>A later addition</h2><p>{PARAGRAPH}</p><p>{PARAGRAPH.upper()}</p>"


def edits(body: str) -> tuple[str, dict[str, str]]:
    """The body as it reads after parsing and writing, and the same after each of the four edits; none when it cannot be parsed."""
    root = tree(body)
    if root is None or root.find(".//p") is None:
        return body, {}
    changes: dict[str, Callable[[etree._Element], bool]] = {
        "one word edited at the start": _word,
        "paragraph inserted early": lambda page: _insert(page, 0.1),
        "paragraph inserted in the middle": lambda page: _insert(page, 0.5),
        "section appended": _append,
    }
    found = {}
    for name, change in changes.items():
        page = etree.fromstring(etree.tostring(root))
        if change(page):
            found[name] = _body(page)
    return _body(root), found if len(found) == len(changes) else {}


def _body(root: etree._Element) -> str:
    return (root.text or "") + "".join(etree.tostring(child, encoding="unicode") for child in root)


def _word(root: etree._Element) -> bool:
    """The first word of the first paragraph that has text of its own."""
    for paragraph in root.iter("p"):
        words = (paragraph.text or "").split(" ")
        if words[0].strip():
            paragraph.text = " ".join(["Edited" + words[0], *words[1:]])
            return True
    return False


def _main(root: etree._Element) -> etree._Element:
    """Where the page's own blocks stand: the root, or the fullest cell of a layout."""
    return max([root, *root.iter("{ac}layout-cell")], key=len)


def _insert(root: etree._Element, share: float) -> bool:
    place = _main(root)
    added = etree.Element("p")
    added.text = PARAGRAPH
    place.insert(max(1, int(len(place) * share)), added)
    return True


def _append(root: etree._Element) -> bool:
    _main(root).extend(etree.fromstring(f"<r>{SECTION}</r>"))
    return True
