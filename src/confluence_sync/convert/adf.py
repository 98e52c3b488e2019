"""Editor nodes embedded in storage format (ac:adf-extension): read once, from the node where it has text, else from its fallback."""

from __future__ import annotations

from confluence_sync.convert.blocks import item
from confluence_sync.convert.element import Element, plain
from confluence_sync.convert.macros import callout
from confluence_sync.convert.reading import AC
from confluence_sync.convert.walk import Handler, Walk

_SIGNS = {"info": "NOTE", "note": "IMPORTANT", "success": "TIP", "tip": "TIP", "warning": "WARNING", "error": "CAUTION"}


def extension(walk: Walk, element: Element) -> None:
    """Both forms hold the same text: printing both would double it."""
    nodes = list(element.iterchildren(f"{AC}adf-node"))
    blocks = [block for one in nodes for block in walk.apart(node, one)]
    if not blocks:
        for fallback in element.iterchildren(f"{AC}adf-fallback"):
            blocks = walk.collected(fallback)
        if blocks:
            walk.lost("adf " + ", ".join(one.get("type") or "" for one in nodes))
    walk.flush()
    walk.blocks.extend(blocks)


def node(walk: Walk, element: Element) -> None:
    kind = element.get("type") or ""
    if kind == "panel":
        callout(walk, _SIGNS.get(_attribute(element, "panel-type"), ""), "", walk.apart(_content, element))
    elif kind in ("decision-item", "task-item"):
        _item(walk, element)
    else:
        _content(walk, element)


def _item(walk: Walk, element: Element) -> None:
    blocks = walk.apart(_content, element)
    if not blocks:
        return
    state = _attribute(element, "state").upper()
    box = {"DONE": "[x] ", "TODO": "[ ] "}.get(state, "")
    walk.block(item("- ", [box + blocks[0], *blocks[1:]]))


def _content(walk: Walk, element: Element) -> None:
    """What a node holds, without its attributes."""
    if element.text:
        walk.text(element.text)
    for child in element:
        if child.tag == f"{AC}adf-content":
            walk.flow(child)
        elif child.tag == f"{AC}adf-node" or not str(child.tag).startswith(f"{AC}adf-"):
            walk.visit(child)
        if child.tail:
            walk.text(child.tail)


def _attribute(element: Element, key: str) -> str:
    for child in element.iterchildren(f"{AC}adf-attribute"):
        if child.get("key") == key:
            return plain(child).strip()
    return ""


HANDLERS: dict[str, Handler] = {f"{AC}adf-extension": extension, f"{AC}adf-node": node}
