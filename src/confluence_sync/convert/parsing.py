"""Reads a body into elements: lxml does. A compiled installation has a parser of its own (compiled/confluence_sync/convert/parsing.pyx)."""

from confluence_sync.convert.lxml_tree import NotWellFormed as NotWellFormed
from confluence_sync.convert.lxml_tree import parsed as parsed
