"""Reads a body into elements: lxml does. A compiled installation has a parser of its own (compiled/confluence_sync/convert/parsing.pyx)."""

from lxml import etree

from confluence_sync.convert.lxml_tree import NotWellFormed as NotWellFormed
from confluence_sync.convert.lxml_tree import parsed as parsed
from confluence_sync.convert.repair import repaired


def mended(body: str) -> etree._Element:
    """The body after a repair of its tags under one root element. Raises NotWellFormed."""
    return parsed(repaired(body))
