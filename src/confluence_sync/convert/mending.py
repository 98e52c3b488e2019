"""Reads a body after a repair of its tags. A compiled installation does both at once (compiled/confluence_sync/convert/mending.pyx)."""

from confluence_sync.convert.element import Element
from confluence_sync.convert.parsing import parsed
from confluence_sync.convert.repair import repaired


def mended(body: str) -> Element:
    """The body after a repair of its tags under one root element. Raises NotWellFormed."""
    return parsed(repaired(body))
