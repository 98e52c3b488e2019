"""The line every chunk begins with: which space, page and section it comes from."""

from __future__ import annotations

from confluence_sync.chunking.pieces import Count
from confluence_sync.convert import escape
from confluence_sync.convert.scan import whole
from confluence_sync.model import Page


def context(page: Page, path: tuple[str, ...], ordinal: int, room: int, count: Count) -> str:
    """The context line of at most `room` tokens. From the second on, a text that occurs again under the same path has its ordinal."""
    names = (page.space_name or page.space_key, page.ref.title, *path)
    shown = (escape.text(encodable(name)) for name in names if name.strip())
    line = escape.line_start(" ".join(" > ".join(shown).split()))
    if ordinal < 2:
        return shortened(line, room, count)
    suffix = f" ({ordinal})"
    return shortened(line, room - count(suffix) - 1, count) + suffix


def shortened(line: str, room: int, count: Count) -> str:
    """The line, or as much of it as fits with an ellipsis: a title of 255 characters can be 500 tokens."""
    if len(line.encode()) + 2 <= room or count(line + "\n\n") <= room:  # no text has more tokens than bytes
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(line[:middle] + "…\n\n") <= room else (low, middle - 1)
    return line[:low].rstrip("\\ ") + "…"


def encodable(text: str) -> str:
    """Without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text if whole(text) else text.encode("utf-8", "ignore").decode()
