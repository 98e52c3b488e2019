"""Turns a storage-format body into an element tree: as XML where it is, through a repair of its tags where it is not."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from html.entities import html5

from lxml import etree

from confluence_sync.convert.repair import repaired

AC = "{ac}"
RI = "{ri}"
AT = "{at}"

_OPEN = '<r xmlns:ac="ac" xmlns:ri="ri" xmlns:at="at">'
_CLOSE = "</r>"
_ENTITY = re.compile(r"&(\#\d{1,7};|\#[xX][0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};|)")
_OPAQUE = re.compile(r"(<!\[CDATA\[.*?\]\]>|<!--.*?-->)", re.DOTALL)
_FOREIGN = re.compile(r"&(?!(?:lt|gt|amp|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_TAG = re.compile(r"<[^<>]*>")
_XML_OWN = {"lt;", "gt;", "amp;", "quot;", "apos;"}
_MARKUP = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def tree(body: str) -> tuple[etree._Element, bool]:
    """The body under one root element, and whether it had to be repaired. Entities are never expanded from a document type."""
    try:
        return _parsed(_entities(body)), False
    except (etree.XMLSyntaxError, UnicodeEncodeError):
        legal = _ILLEGAL.sub("", body)  # looked for only now: hardly a page has any, and looking costs half as much as parsing
        return tree(legal) if legal != body else (_mended(body), True)


def _mended(body: str) -> etree._Element:
    """The body after a repair of its tags; should even that not parse, its text alone."""
    try:
        return _parsed(_entities(repaired(body)))
    except etree.XMLSyntaxError:
        root = etree.Element("r")
        root.text = _ILLEGAL.sub("", unescape(_TAG.sub(" ", body)))
        return root


def _parsed(body: str) -> etree._Element:
    return etree.fromstring((_OPEN + body + _CLOSE).encode(), _parser())


@cache
def _parser() -> etree.XMLParser:
    """Made once a process: a parser costs more than a small page. lxml locks it for each use."""
    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True)


def _entities(body: str) -> str:
    """HTML's named entities as characters and bare ampersands escaped; CDATA sections are left alone."""
    if not _FOREIGN.search(body):
        return body
    parts = _OPAQUE.split(body)
    parts[::2] = [_ENTITY.sub(_entity, part) for part in parts[::2]]
    return "".join(parts)


def _entity(match: re.Match[str]) -> str:
    name: str = match.group(1)
    if name in _XML_OWN or name.startswith("#"):
        return match.group()
    characters = html5.get(name, "") if name else ""
    if not characters:
        return "&amp;" + name
    return "".join(_MARKUP.get(c, c) for c in characters)
