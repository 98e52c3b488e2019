"""Turns a storage-format body into an element tree: as XML where it is, through a repair of its tags where it is not."""

from __future__ import annotations

import re
from html import escape, unescape

from confluence_sync.convert.element import Element
from confluence_sync.convert.mending import mended
from confluence_sync.convert.parsing import NotWellFormed, parsed

AC = "{ac}"
RI = "{ri}"
AT = "{at}"

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_TAG = re.compile(r"<[^<>]*>")


def tree(body: str) -> tuple[Element, bool]:
    """The body under one root element, and whether it had to be repaired. Entities are never expanded from a document type."""
    try:
        return parsed(body), False
    except NotWellFormed:
        legal = _ILLEGAL.sub("", body)  # looked for only now: hardly a page has any, and looking costs half as much as parsing
        return tree(legal) if legal != body else (_mended(body), True)


def _mended(body: str) -> Element:
    """The body after a repair of its tags; should even that not parse, its text alone."""
    try:
        return mended(body)
    except NotWellFormed:
        return parsed(escape(_ILLEGAL.sub("", unescape(_TAG.sub(" ", body))), quote=False))
