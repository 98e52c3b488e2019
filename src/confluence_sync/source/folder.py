"""Reads a page's or folder's id from what a user pastes: the id itself or the link from Copy link."""

from __future__ import annotations

import re

from confluence_sync.errors import SettingsError

PATTERNS = (
    re.compile(r"^(\d+)$"),
    re.compile(r"/(?:pages|folder)/(?:edit-v2/)?(\d+)"),
    re.compile(r"[?&]pageId=(\d+)"),
)


def folder_id(pasted: str) -> str:
    """The id, "" for nothing. Raises SettingsError for a link without one, such as a short /x/ link."""
    if not pasted:
        return ""
    for pattern in PATTERNS:
        found = pattern.search(pasted.strip())
        if found:
            return found.group(1)
    raise SettingsError(
        f"FILTER_FOLDER_ID: {pasted!r} has no page or folder id in it; it must be the number, or a link with /pages/NUMBER or "
        "/folder/NUMBER (open the page and copy the address; a short /x/ link hides the number)"
    )
