"""Storage format read by lxml as XML that knows HTML's named entities: what counts as well-formed, everywhere."""

from __future__ import annotations

import re
from functools import cache
from html.entities import html5

from lxml import etree

_OPEN = '<r xmlns:ac="ac" xmlns:ri="ri" xmlns:at="at">'
_CLOSE = "</r>"
_ENTITY = re.compile(r"&(\#\d{1,7};|\#[xX][0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};|)")
_OPAQUE = re.compile(r"(<!\[CDATA\[.*?\]\]>|<!--.*?-->)", re.DOTALL)
_FOREIGN = re.compile(r"&(?!(?:lt|gt|amp|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)")
_XML_OWN = {"lt;", "gt;", "amp;", "quot;", "apos;"}
_MARKUP = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


class NotWellFormed(ValueError):
    """A body that XML refuses; a repair of its tags makes it readable."""


def parsed(body: str) -> etree._Element:
    """The body under one root element. Raises NotWellFormed."""
    try:
        return etree.fromstring((_OPEN + _entities(body) + _CLOSE).encode(), _parser())
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise NotWellFormed(str(error)) from error


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
