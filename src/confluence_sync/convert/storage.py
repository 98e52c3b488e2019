"""Storage format to Markdown: reads the body as XML and walks it with every handler there is."""

from __future__ import annotations

from collections.abc import Mapping

from confluence_sync.convert import Converted, adf, blocks, inline, links, macros, tables
from confluence_sync.convert.reading import tree
from confluence_sync.convert.walk import Handler, Walk
from confluence_sync.model import Page

HANDLERS: dict[str, Handler] = {
    **inline.HANDLERS,
    **links.HANDLERS,
    **blocks.HANDLERS,
    **tables.HANDLERS,
    **macros.HANDLERS,
    **adf.HANDLERS,
}


def converted(page: Page, users: Mapping[str, str]) -> Converted:
    """Converts any body: one that is not well-formed is repaired first."""
    root, repaired = tree(page.body)
    walk = Walk(page, users, HANDLERS)
    walk.flow(root)
    walk.flush()
    return Converted("\n\n".join(walk.blocks), dict(sorted(walk.degraded.items())), repaired)
