"""Two looks at a text's characters. A compiled installation has faster ones (compiled/confluence_sync/convert/scan.pyx)."""

from __future__ import annotations

import re

_MARKS = re.compile(r"[\\`*_\[\]<~&]")


def marked(text: str) -> bool:
    """Whether a character is in `text` that Markdown may read as markup."""
    return _MARKS.search(text) is not None


def collapsed(text: str) -> str:
    """The words of `text` with one space between them."""
    return " ".join(text.split())
