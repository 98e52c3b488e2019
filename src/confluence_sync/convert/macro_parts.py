"""What a macro element holds: parameters, a plain body, a rich body."""

from __future__ import annotations

from confluence_sync.convert.element import Element, plain
from confluence_sync.convert.reading import AC
from confluence_sync.convert.walk import Walk

_PARAMETER = f"{AC}parameter"
_NAME = f"{AC}name"


def parameter(element: Element, *names: str) -> str:
    """The first of these parameters that has text."""
    for child in element:
        if child.tag == _PARAMETER and (child.get(_NAME) or "") in names and (child.text or "").strip():
            return (child.text or "").strip()
    return ""


def body_text(element: Element) -> str | None:
    """The plain body exactly as stored, or None when there is none."""
    body = element.find(f"{AC}plain-text-body")
    return None if body is None else plain(body)


def rich_body(walk: Walk, element: Element) -> None:
    """The rich text body in place: inline where the macro is inline."""
    for body in element.iterchildren(f"{AC}rich-text-body"):
        walk.flow(body)
